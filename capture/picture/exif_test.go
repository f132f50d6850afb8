package picture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pirwatch/capture/mjpeg"
)

func TestEXIFByExiftool(t *testing.T) {
	if _, err := exec.LookPath("exiftool"); err != nil {
		t.Skip("exiftool is missing (package libimage-exiftool-perl)")
	}
	pic := encoded(t, drawn(160, 120, 4), 90)
	dir := t.TempDir()
	zone := time.FixedZone("", -(3*3600 + 1800))
	for name, o := range map[string]Options{
		"untouched": {GPS: &GPS{Latitude: -33.856784, Longitude: 151.215297}},
		"resized":   {Width: 80, GPS: &GPS{Latitude: 47.5, Longitude: -0.000278}},
	} {
		o.Camera, o.EXIF, o.Location = "Tür Süd", true, zone
		file := filepath.Join(dir, name+".jpg")
		if err := os.WriteFile(file, process(t, o, frame(pic)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("exiftool", "-json", "-n", "-G1", "-a", "-all", "-validate", file).Output()
		if err != nil {
			t.Fatal(err, string(out))
		}
		var all []map[string]any
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"ExifIFD:DateTimeOriginal":   "2026:05:03 23:32:01",
			"ExifIFD:OffsetTimeOriginal": "-03:30",
			"ExifIFD:SubSecTimeOriginal": "45", // "045", which -n reads as a number
			"IFD0:Model":                 "Tür Süd",
			"IFD0:ImageDescription":      "Tür Süd",
			"IFD0:Software":              "pirwatch",
			"ExifIFD:ImageUniqueID":      "01ARZ3NDEKTSV4RRFFQ69G5FAV-03",
			"ExifIFD:ExifImageWidth":     "160",
			"ExifIFD:ExifImageHeight":    "120",
			"GPS:GPSLatitudeRef":         "S",
			"GPS:GPSLongitudeRef":        "E",
			"GPS:GPSLatitude":            "33.856784",
			"GPS:GPSLongitude":           "151.215297",
			"ExifTool:Validate":          "0 0 0",
		}
		if name == "resized" {
			want["ExifIFD:ExifImageWidth"], want["ExifIFD:ExifImageHeight"] = "80", "60"
			want["GPS:GPSLatitudeRef"], want["GPS:GPSLongitudeRef"] = "N", "W"
			want["GPS:GPSLatitude"], want["GPS:GPSLongitude"] = "47.5", "0.000278"
		}
		for tag, w := range want {
			got := fmt.Sprint(all[0][tag])
			if v, ok := all[0][tag].(float64); ok {
				got = strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.6f", v), "0"), ".")
				if !strings.Contains(w, ".") {
					got = fmt.Sprintf("%.0f", v)
				}
			}
			if tag == "ExifIFD:SubSecTimeOriginal" {
				got = strings.TrimLeft(got, "0")
			}
			if got != w {
				t.Errorf("%s: %s is %q, want %q", name, tag, got, w)
			}
		}
		if t.Failed() {
			t.Logf("%s", out)
		}
	}
}

func TestEXIFReplaces(t *testing.T) {
	pic := encoded(t, drawn(32, 32, 4), 90)
	once := process(t, Options{EXIF: true, Camera: "a"}, frame(pic))
	twice := process(t, Options{EXIF: true, Camera: "b"}, frame(once))
	if n := bytes.Count(twice, []byte("Exif\x00\x00")); n != 1 {
		t.Errorf("%d EXIF segments", n)
	}
	if !bytes.HasSuffix(twice, pic[2:]) {
		t.Error("the picture itself was changed")
	}
}

// Whatever the texts and times, the segment is well formed and of bounded length.
func FuzzEXIF(f *testing.F) {
	pic := encoded(f, drawn(16, 16, 4), 90)
	f.Add("door", "01K-03", int64(1e18), 3600, 47.0, 8.0, pic[2:40])
	f.Add("\x00\xff"+strings.Repeat("ü", 300), "", int64(-1), -40000, -90.0, 180.0, []byte{0xff, 0xe1, 0, 9, 'E', 'x', 'i', 'f', 0, 0, 1})
	f.Fuzz(func(t *testing.T, camera, id string, at int64, zone int, lat, lon float64, head []byte) {
		m := metadata{at: time.Unix(0, at).In(time.FixedZone("", zone%86400)), camera: camera, id: id, width: 16, height: 16}
		if _, err := New(Options{GPS: &GPS{lat, lon}}); err == nil {
			m.gps = &GPS{lat, lon}
		}
		segment := m.segment()
		if len(segment) > 2000 || len(segment) != 2+int(segment[2])<<8+int(segment[3]) {
			t.Fatalf("a segment of %d bytes says %x", len(segment), segment[2:4])
		}
		out := withEXIF(pic, segment)
		if w, _, err := mjpeg.Size(out); err != nil || w != 16 || !bytes.Equal(ownEXIF(out), segment) {
			t.Fatal("not found again", err)
		}
		hostile := append([]byte{0xff, 0xd8}, head...)
		withEXIF(hostile, segment)
		ownEXIF(hostile)
		setDimensions(head, 1, 1)
	})
}
