package clip

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
)

// picture is a JPEG that differs by n.
func picture(n int) []byte {
	g := image.NewGray(image.Rect(0, 0, 16, 8))
	for i := range g.Pix {
		g.Pix[i] = uint8(n * 7)
	}
	var b bytes.Buffer
	jpeg.Encode(&b, g, nil)
	return b.Bytes()
}

func fourcc(id string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func list(kind, name string, parts ...[]byte) []byte {
	return fourcc(kind, append([][]byte{[]byte(name)}, parts...)...)
}

func strh(kind, handler string, scale, rate, length uint32) []byte {
	b := make([]byte, 56)
	copy(b, kind)
	copy(b[4:], handler)
	binary.LittleEndian.PutUint32(b[20:], scale)
	binary.LittleEndian.PutUint32(b[24:], rate)
	binary.LittleEndian.PutUint32(b[32:], length)
	return fourcc("strh", b)
}

func strf(codec string) []byte {
	b := make([]byte, 40)
	copy(b[16:], codec)
	return fourcc("strf", b)
}

func video(scale, rate, length uint32) []byte {
	return list("LIST", "hdrl", fourcc("avih", make([]byte, 56)), list("LIST", "strl", strh("vids", "MJPG", scale, rate, length), strf("MJPG")))
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read returns the pictures of a clip, each as the n it was made with.
func read(t *testing.T, path string) (got []int, r *Reader, err error) {
	t.Helper()
	r, err = Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		j, err := r.Next()
		if err == io.EOF {
			return got, r, nil
		}
		if err != nil {
			return got, r, err
		}
		n := -1
		for i := range 36 {
			if bytes.Equal(j, picture(i)) {
				n = i
			}
		}
		got = append(got, n)
	}
}

func TestAVI(t *testing.T) {
	p := func(n int) []byte { return fourcc("00dc", picture(n)) }
	truncated := list("RIFF", "AVI ", video(1, 15, 3), list("LIST", "movi", p(1), p(2), p(3)))
	unfinished := bytes.Clone(truncated)
	for _, name := range []string{"RIFF", "LIST"} { // lengths are written last
		for i := 0; ; {
			j := bytes.Index(unfinished[i:], []byte(name))
			if j < 0 {
				break
			}
			if string(unfinished[i+j+8:][:4]) == "movi" || name == "RIFF" {
				binary.LittleEndian.PutUint32(unfinished[i+j+4:], 0)
			}
			i += j + 4
		}
	}
	for _, test := range []struct {
		name   string
		data   []byte
		want   []int
		fps    float64
		frames int
		err    string
	}{
		{"plain", list("RIFF", "AVI ", video(1, 15, 3), list("LIST", "movi", p(1), p(2), p(3)), fourcc("idx1", make([]byte, 48))), []int{1, 2, 3}, 15, 3, ""},
		{"29.97 a second", list("RIFF", "AVI ", video(1001, 30000, 0), list("LIST", "movi", p(1))), []int{1}, 30000. / 1001, -1, ""},
		{"a rate of nonsense", list("RIFF", "AVI ", video(0, 15, 0), list("LIST", "movi", p(1))), []int{1}, 0, -1, ""},
		{"sound and index between", list("RIFF", "AVI ",
			list("LIST", "hdrl", list("LIST", "strl", strh("auds", "", 1, 8000, 0), fourcc("strf", make([]byte, 18))), list("LIST", "strl", strh("vids", "mjpg", 1, 10, 0), strf("MJPG"))),
			list("LIST", "INFO", fourcc("ISFT", []byte("other"))), fourcc("JUNK", make([]byte, 33)),
			list("LIST", "movi", fourcc("00wb", make([]byte, 7)), fourcc("01dc", picture(4)), fourcc("ix01", make([]byte, 24)), list("LIST", "rec ", fourcc("01db", picture(5))))),
			[]int{4, 5}, 10, -1, ""},
		{"OpenDML", append(list("RIFF", "AVI ", video(1, 10, 9), list("LIST", "movi", p(1))), list("RIFF", "AVIX", list("LIST", "movi", p(2), p(3)))...), []int{1, 2, 3}, 10, 9, ""},
		{"an empty chunk repeats", list("RIFF", "AVI ", video(1, 10, 0), list("LIST", "movi", fourcc("00dc"), p(1), fourcc("00dc"), p(2))), []int{1, 1, 2}, 10, -1, ""},
		{"filled up after EOI", list("RIFF", "AVI ", video(1, 10, 0), list("LIST", "movi", fourcc("00dc", picture(1), make([]byte, 9)), p(2))), []int{1, 2}, 10, -1, ""},
		{"cut off", truncated[:len(truncated)-5], []int{1, 2}, 15, 3, ""},
		{"recording unfinished", unfinished, []int{1, 2, 3}, 15, 3, ""},
		{"reserved space at the end", append(bytes.Clone(unfinished), make([]byte, 999)...), []int{1, 2, 3}, 15, 3, ""},
		{"garbage at the end", append(bytes.Clone(truncated), "\x01\x02\x03\x04\x05\x06\x07\x08"...), []int{1, 2, 3}, 15, 3, "damaged"},
		{"another codec", list("RIFF", "AVI ", list("LIST", "hdrl", list("LIST", "strl", strh("vids", "H264", 1, 10, 0), strf("H264"))), list("LIST", "movi")), nil, 0, 0, `"H264", not MJPEG; make MJPEG of it: ffmpeg`},
		{"no video", list("RIFF", "AVI ", list("LIST", "hdrl"), list("LIST", "movi")), nil, 0, 0, "no video"},
		{"no pictures", list("RIFF", "AVI ", video(1, 10, 0)), nil, 0, 0, "ends before its pictures"},
		{"a chunk of 4 GB", append(list("RIFF", "AVI ", video(1, 10, 0), list("LIST", "movi")), "00dc\xff\xff\xff\xffabc"...), nil, 10, -1, "more than"},
		{"a header of 4 GB", []byte("RIFF\xff\xff\xff\xffAVI strh\xff\xff\xff\xff"), nil, 0, 0, "more than"},
		{"junk of 4 GB", append(list("RIFF", "AVI ", video(1, 10, 0), list("LIST", "movi", p(1))), "JUNK\xff\xff\xff\xffabc"...), []int{1}, 10, -1, ""},
	} {
		got, r, err := read(t, write(t, "clip.avi", test.data))
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: pictures %v, want %v", test.name, got, test.want)
		}
		if r != nil && (r.FPS() != test.fps || r.Frames() != test.frames) {
			t.Errorf("%s: %v a second, %d pictures; want %v, %d", test.name, r.FPS(), r.Frames(), test.fps, test.frames)
		}
	}
}

func TestOtherFiles(t *testing.T) {
	for _, test := range []struct {
		name string
		data []byte
		want []int
		err  string
	}{
		{"concatenated", bytes.Join([][]byte{picture(1), picture(2), picture(3)[:40], picture(4)}, []byte("--boundary\r\n\r\n")), []int{1, 2, 4}, ""},
		{"one picture", picture(7), []int{7}, ""},
		{"empty", nil, nil, "empty"},
		{"MP4", []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00"), nil, "neither AVI nor JPEG; make MJPEG of it: ffmpeg -i IN"},
	} {
		got, _, err := read(t, write(t, "clip.mjpeg", test.data))
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, %v; want %v, %q", test.name, got, err, test.want, test.err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"1.jpg", "2.JPG", "10.jpeg", "a2b3.jpg", "a2b20.jpg", "a10.jpg"} {
		os.WriteFile(filepath.Join(dir, name), picture(i), 0o600)
	}
	for _, name := range []string{"notes.txt", ".hidden.jpg"} {
		os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600)
	}
	os.Mkdir(filepath.Join(dir, "sub.jpg"), 0o700)
	got, r, err := read(t, dir)
	if err != nil || !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) || r.Frames() != 6 || r.FPS() != 0 {
		t.Errorf("%v, %v", got, err)
	}
	os.WriteFile(filepath.Join(dir, "3.jpg"), []byte("<html>"), 0o600)
	if _, _, err := read(t, dir); err == nil || !strings.Contains(err.Error(), "3.jpg is no JPEG") {
		t.Errorf("a file that is no JPEG: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no .jpg") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestNatural(t *testing.T) {
	order := []string{"", "1", "01", "2", "10", "99999999999999999999", "100000000000000000000", "a", "a1", "a1b", "a01b2", "a2", "b"}
	for i, a := range order {
		for j, b := range order {
			if c := natural(a, b); (c < 0) != (i < j) && !equalNumbers(a, b) || c == 0 != (i == j) {
				t.Errorf("natural(%q, %q) = %d", a, b, c)
			}
		}
	}
}

func equalNumbers(a, b string) bool { return strings.Trim(a, "0") == strings.Trim(b, "0") }

// play runs a source and returns when, after its start, each picture came and
// is said to have been taken, in milliseconds.
func play(t *testing.T, s *Source, limit time.Duration, slow []time.Duration) (came, taken []int) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	err := s.Run(ctx, func(f capture.Frame) {
		if f.Width != 16 || f.Height != 8 {
			t.Errorf("picture of %dx%d", f.Width, f.Height)
		}
		came = append(came, int(time.Since(start).Milliseconds()))
		taken = append(taken, int(f.At.Sub(start).Milliseconds()))
		if len(slow) > 0 {
			time.Sleep(slow[0])
			slow = slow[1:]
		}
	})
	if err != nil {
		t.Error(err)
	}
	return came, taken
}

func TestPace(t *testing.T) {
	path := write(t, "clip.avi", list("RIFF", "AVI ", video(1, 10, 3), list("LIST", "movi", fourcc("00dc", picture(1)), fourcc("00dc", picture(2)), fourcc("00dc", picture(3)))))
	for _, test := range []struct {
		name        string
		o           Options
		limit       time.Duration
		slow        []time.Duration // the receiver's time for each
		came, taken []int
	}{
		{"as recorded", Options{}, time.Minute, nil, []int{0, 100, 200}, []int{0, 100, 200}},
		{"another rate", Options{FPS: 4}, time.Minute, nil, []int{0, 250, 500}, []int{0, 250, 500}},
		{"in a loop", Options{Loop: true}, 650 * time.Millisecond, nil, []int{0, 100, 200, 300, 400, 500, 600}, []int{0, 100, 200, 300, 400, 500, 600}},
		{"full speed", Options{FullSpeed: true}, time.Minute, nil, []int{0, 0, 0}, []int{0, 100, 200}},
		{"a little late is caught up", Options{}, time.Minute, []time.Duration{150 * time.Millisecond}, []int{0, 150, 200}, []int{0, 150, 200}},
		{"very late is not", Options{}, time.Minute, []time.Duration{2 * time.Second}, []int{0, 2000, 2100}, []int{0, 2000, 2100}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				came, taken := play(t, New(path, test.o), test.limit, test.slow)
				if !slices.Equal(came, test.came) || !slices.Equal(taken, test.taken) {
					t.Errorf("came at %v, taken at %v; want %v, %v", came, taken, test.came, test.taken)
				}
			})
		})
	}
}

func TestRunErrors(t *testing.T) {
	none := write(t, "clip.avi", list("RIFF", "AVI ", video(1, 10, 0), list("LIST", "movi")))
	if err := New(none, Options{Loop: true}).Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no pictures") {
		t.Errorf("a loop of nothing: %v", err)
	}
	if err := New(none+"x", Options{}).Run(t.Context(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// Every clip of the labelled footage has as many pictures as its list says.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("PIRWATCH_CORPUS")
	if dir == "" {
		dir = "../../../shared/corpus/dev"
	}
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Skipf("no labelled footage: %v", err)
	}
	var clips []struct {
		Clip                  string
		FPS                   float64
		Width, Height, Frames int
	}
	if err := json.Unmarshal(data, &clips); err != nil {
		t.Fatal(err)
	}
	for _, c := range clips {
		frames := 0
		r, err := Open(filepath.Join(dir, c.Clip, "clip.avi"))
		if err != nil {
			t.Fatal(err)
		}
		for {
			j, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if frames == 0 {
				conf, err := jpeg.DecodeConfig(bytes.NewReader(j))
				if err != nil || conf.Width != c.Width || conf.Height != c.Height {
					t.Errorf("%s: %v, %dx%d, want %dx%d", c.Clip, err, conf.Width, conf.Height, c.Width, c.Height)
				}
			}
			frames++
		}
		r.Close()
		if frames != c.Frames || r.Frames() != c.Frames || fmt.Sprintf("%.3f", r.FPS()) != fmt.Sprintf("%.3f", c.FPS) {
			t.Errorf("%s: %d pictures (header: %d) at %v, want %d at %v", c.Clip, frames, r.Frames(), r.FPS(), c.Frames, c.FPS)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add(list("RIFF", "AVI ", video(1, 15, 3), list("LIST", "movi", fourcc("00dc", picture(1)), fourcc("00dc")), fourcc("idx1", make([]byte, 48))))
	f.Add(append(list("RIFF", "AVI ", video(1, 10, 0), list("LIST", "movi")), "00dc\x00\x00\xff\x01abc"...))
	f.Add(picture(1))
	f.Fuzz(func(t *testing.T, data []byte) {
		footage, err := sniff(bytes.NewReader(data))
		if err != nil {
			return
		}
		r := Reader{footage: footage}
		total := 0
		for range len(data)/8 + 2 {
			j, err := r.Next()
			if err != nil {
				return
			}
			total += len(j)
		}
		t.Errorf("more than %d pictures in %d bytes", len(data)/8+1, len(data))
	})
}
