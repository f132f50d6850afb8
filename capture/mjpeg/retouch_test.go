package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

func full(t testing.TB, pic []byte) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(pic))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is not wanted decodes to the same samples; what is, to what was painted.
func TestRetouch(t *testing.T) {
	area := image.Rect(100, 40, 170, 61)
	for _, v := range variants {
		pic := cjpeg(t, 333, 90, v.args...)
		var d Decoder
		var tiles image.Rectangle
		out, err := d.Retouch(pic, area.Overlaps, func(m *image.YCbCr) {
			tiles = tiles.Union(m.Rect)
			for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
				for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
					if image.Pt(x, y).In(area) {
						m.Y[m.YOffset(x, y)] = 20
						m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)] = 128, 128
					}
				}
			}
		})
		if v.name == "progressive" || v.name == "optimised" && errors.Is(err, ErrNotRetouchable) {
			if !errors.Is(err, ErrNotRetouchable) {
				t.Errorf("%s: %v", v.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		before, after := full(t, pic), full(t, out)
		if before.Bounds() != after.Bounds() {
			t.Fatal(v.name, after.Bounds())
		}
		for y := range 90 {
			for x := range 333 {
				switch {
				case !image.Pt(x, y).In(tiles):
					if before.At(x, y) != after.At(x, y) {
						t.Fatalf("%s: %d, %d was not wanted and changed", v.name, x, y)
					}
				case image.Pt(x, y).In(image.Rect(104, 48, 168, 56)): // whole blocks
					got := int(color.YCbCrModel.Convert(after.At(x, y)).(color.YCbCr).Y)
					if off := max(got-20, 20-got); off > 1 && (v.name != "worst" || off > 16) {
						t.Fatalf("%s: %d, %d is %d, not 20", v.name, x, y, got)
					}
				}
			}
		}
		tool(t, out, "djpeg", "-strict", "-pnm") // no warning from libjpeg, either
	}
}

// Taking apart and putting together again changes no coefficient.
func TestRetouchNothing(t *testing.T) {
	for _, v := range variants {
		if v.name == "progressive" {
			continue
		}
		pic := cjpeg(t, 161, 90, v.args...)
		for name, wanted := range map[string]func(image.Rectangle) bool{
			"none": func(image.Rectangle) bool { return false },
			"all":  func(image.Rectangle) bool { return true },
			"some": func(r image.Rectangle) bool { return r.Min.X%3 == 1 || r.Min.X == 16 },
		} {
			var d Decoder
			out, err := d.Retouch(pic, wanted, func(*image.YCbCr) {})
			if err != nil {
				t.Errorf("%s, %s: %v", v.name, name, err)
				continue
			}
			if !bytes.Equal(out, pic) {
				t.Errorf("%s, %s: the picture has changed", v.name, name)
			}
		}
	}
}

func TestRetouchMendsTables(t *testing.T) {
	pic := cjpeg(t, 100, 60)
	var d Decoder
	out, err := d.Retouch(withoutDHT(t, pic), func(image.Rectangle) bool { return false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := full(t, pic), full(t, out); a.At(50, 30) != b.At(50, 30) {
		t.Error("another picture")
	}
}

func TestRetouchRefuses(t *testing.T) {
	pic := encoded(t, 200, 100, 80)
	for _, n := range []int{0, 2, 100, 620, len(pic) - 30} {
		var d Decoder
		if _, err := d.Retouch(pic[:n], func(image.Rectangle) bool { return true }, func(*image.YCbCr) {}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
