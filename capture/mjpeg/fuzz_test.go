package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// seeds are small pictures of the kinds the decoder tells apart, cut and mended.
func seeds(t testing.TB) (pics [][]byte) {
	t.Helper()
	for _, s := range [][2]int{{40, 24}, {17, 9}, {330, 16}, {650, 17}} {
		pics = append(pics, encoded(t, s[0], s[1], 60))
	}
	gray := image.NewGray(image.Rect(0, 0, 24, 24))
	for i := range gray.Pix {
		gray.Pix[i] = byte(i * i)
	}
	gray.SetGray(3, 3, color.Gray{Y: 255})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, gray, nil); err != nil {
		t.Fatal(err)
	}
	pics = append(pics, b.Bytes(), withoutDHT(t, pics[0]))
	// A restart interval, of data that has no restart markers.
	at := bytes.Index(pics[0], []byte{0xff, sos})
	return append(pics, cat(pics[0][:at], []byte{0xff, dri, 0, 4, 0, 1}, pics[0][at:]), pics[3][:500])
}

// The 64-bit and the 32-bit reader agree, a decoder that has seen other
// pictures decodes as a fresh one does, and nothing panics or outgrows its bounds.
func FuzzDecoder(f *testing.F) {
	for i, pic := range seeds(f) {
		f.Add(pic, i%9)
	}
	used := &Decoder{}
	f.Fuzz(func(t *testing.T, pic []byte, n int) {
		if w, h, err := Size(pic); err == nil && w*h > 1<<20 {
			t.Skip("large, and slow under fuzzing")
		}
		var wide Decoder
		narrow := Decoder{use32: true}
		a, errA := wide.Luma(pic)
		b, errB := narrow.Luma(pic)
		c, errC := used.Luma(pic)
		if (errA == nil) != (errB == nil) || (errA == nil) != (errC == nil) {
			t.Fatalf("64 bits: %v, 32 bits: %v, used: %v", errA, errB, errC)
		}
		if errA == nil {
			w, h, err := Size(pic)
			s := Scale(w)
			if err != nil || a.Rect != image.Rect(0, 0, (w+s-1)/s, (h+s-1)/s) || len(a.Pix) < a.Stride*a.Rect.Dy() {
				t.Fatalf("plane %v of a %dx%d picture, %v", a.Rect, w, h, err)
			}
			if a.Rect != b.Rect || !bytes.Equal(a.Pix, b.Pix) || !bytes.Equal(a.Pix, c.Pix) {
				t.Fatal("readers differ")
			}
		}
		if m, err := used.Colour(pic, n); err == nil {
			b := m.Bounds()
			m.YCbCrAt(b.Max.X-1, b.Max.Y-1)
		}
		wanted := func(r image.Rectangle) bool { return (r.Min.X/8+r.Min.Y+n)%3 == 0 }
		out, err := used.Retouch(pic, wanted, func(m *image.YCbCr) { m.Y[0] ^= byte(n); m.Cb[0]++ })
		if err == nil {
			if _, err := used.Retouch(out, wanted, func(m *image.YCbCr) { clear(m.Y) }); err != nil && !errors.Is(err, ErrNotRetouchable) {
				t.Fatal("a retouched picture is malformed:", err)
			}
		}
	})
}
