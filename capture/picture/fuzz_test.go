package picture

import (
	"testing"

	"pirwatch/capture/mjpeg"
)

// Hostile pictures through everything that can be asked: an error or a picture of
// the right size that decodes, never a panic.
func FuzzProcess(f *testing.F) {
	for _, s := range [][2]int{{64, 48}, {17, 9}, {200, 16}} {
		pic := encoded(f, drawn(s[0], s[1], 5), 70)
		f.Add(pic, 30, 20, 0)
		f.Add(pic[:len(pic)/2], 0, 0, 3000)
	}
	f.Fuzz(func(t *testing.T, pic []byte, w, h, limit int) {
		if pw, ph, err := mjpeg.Size(pic); err == nil && pw*ph > 1<<18 {
			t.Skip("large, and slow under fuzzing")
		}
		p, err := New(Options{
			Width: w & 255, Height: h & 255, MaxBytes: limit & 0xffff, EXIF: true, Camera: "c",
			Privacy: [][][2]float64{{{0, 0}, {0.5, 0}, {0.2, 0.7}}},
			Overlay: &Overlay{Template: "{camera} {time}"},
		})
		if err != nil {
			return
		}
		out, err := p.Process(frame(pic), "id")
		if err != nil {
			return
		}
		decoded(t, out)
		if small, err := Shrink(out, len(out)/2); err == nil {
			decoded(t, small)
		}
	})
}
