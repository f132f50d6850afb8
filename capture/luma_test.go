package capture

import (
	"image"
	"math/rand/v2"
	"testing"
)

// naive is the definition: the average of the samples there are.
func naive(f Frame, n int) *image.Gray {
	w, h := (f.Width+n-1)/n, (f.Height+n-1)/n
	g := image.NewGray(image.Rect(0, 0, w, h))
	at := func(x, y int) int {
		if f.Format == YUYV {
			return int(f.Data[y*((f.Width+1)/2*4)+2*x])
		}
		return int(f.Data[y*f.Width+x])
	}
	for y := range h {
		for x := range w {
			sum, count := 0, 0
			for v := y * n; v < min(f.Height, y*n+n); v++ {
				for u := x * n; u < min(f.Width, x*n+n); u++ {
					sum += at(u, v)
					count++
				}
			}
			g.Pix[y*w+x] = uint8((sum + count/2) / count)
		}
	}
	return g
}

func raw(format Format, w, h int, seed uint64) Frame {
	r := rand.New(rand.NewPCG(seed, 1))
	f := Frame{Width: w, Height: h, Format: format, Data: make([]byte, format.Size(w, h))}
	for i := range f.Data {
		f.Data[i] = uint8(r.Uint32())
	}
	return f
}

func TestLuma(t *testing.T) {
	var dst image.Gray // one for all: its memory is used again
	for i, size := range [][2]int{{1280, 720}, {640, 480}, {646, 477}, {647, 9}, {641, 1}, {639, 480}, {320, 240}, {321, 7}, {319, 239}, {160, 120}, {1, 1}, {3, 5}} {
		for _, format := range []Format{YUYV, NV12} {
			f := raw(format, size[0], size[1], uint64(i))
			if err := Luma(&dst, f); err != nil {
				t.Fatal(err)
			}
			want := naive(f, LumaScale(f.Width))
			if dst.Rect != want.Rect || dst.Stride != want.Stride {
				t.Fatalf("%v %v: plane %v, want %v", format, size, dst.Rect, want.Rect)
			}
			for j := range want.Pix {
				if dst.Pix[j] != want.Pix[j] {
					t.Fatalf("%v %v: pixel %d is %d, want %d", format, size, j, dst.Pix[j], want.Pix[j])
				}
			}
		}
	}
}

// Both word widths are tested wherever the tests run, at the extremes where a
// lane could overflow too.
func TestBoxes8Widths(t *testing.T) {
	for _, step := range []int{1, 2} {
		white := make([]byte, 8*64*step)
		for i := range white {
			white[i] = 255
		}
		random := raw(NV12, 64*step, 8, 7).Data
		for _, src := range [][]byte{white, random} {
			a, b := make([]byte, 8), make([]byte, 8)
			boxes8(a, src, 64*step, step)
			boxes8in32(b, src, 64*step, step)
			for x := range a {
				want := box(src, 64*step, step, x*8, 8, 8)
				if a[x] != want || b[x] != want {
					t.Errorf("step %d box %d: %d and %d, want %d", step, x, a[x], b[x], want)
				}
			}
		}
	}
}

func TestLumaRefuses(t *testing.T) {
	short := raw(YUYV, 640, 480, 1)
	short.Data = short.Data[:1000]
	for name, f := range map[string]Frame{
		"JPEG": {Width: 32, Height: 16, Data: jpegOf(1)}, "short": short, "no size": {Format: NV12, Data: make([]byte, 10)},
	} {
		if Luma(new(image.Gray), f) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkLuma(b *testing.B) {
	for _, format := range []Format{YUYV, NV12} {
		b.Run(format.String(), func(b *testing.B) {
			f := raw(format, 1920, 1080, 1)
			var dst image.Gray
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			for b.Loop() {
				Luma(&dst, f)
			}
		})
	}
}
