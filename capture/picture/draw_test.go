package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pirwatch/capture"
)

// drawn is a scene of soft shapes under noise.
func drawn(w, h, noise int) *image.RGBA {
	rng := rand.New(rand.NewPCG(3, uint64(w*h)))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	bound := func(v int) uint8 { return uint8(max(0, min(255, v))) }
	for y := range h {
		for x := range w {
			n := rng.IntN(2*noise+1) - noise
			m.SetRGBA(x, y, color.RGBA{
				bound(90 + 60*x/w + 40*((x/23+y/17)%3) - 30*y/h + n),
				bound(100 + 50*y/h + 30*((x/31+y/11)%2) + n),
				bound(80 + (x*y/(w+1))%70 + n), 255,
			})
		}
	}
	return m
}

func encoded(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t testing.TB, pic []byte) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(pic))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func frame(pic []byte) capture.Frame {
	return capture.Frame{At: time.Date(2026, 5, 4, 3, 2, 1, 45e6, time.UTC), Format: capture.JPEG, Data: pic}
}

func processor(t testing.TB, o Options) *Processor {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func process(t testing.TB, o Options, f capture.Frame) []byte {
	t.Helper()
	out, err := processor(t, o).Process(f, "01ARZ3NDEKTSV4RRFFQ69G5FAV-03")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// psnr compares the luma and colour of two pictures of one size.
func psnr(t testing.TB, a, b image.Image) float64 {
	t.Helper()
	if a.Bounds() != b.Bounds() {
		t.Fatalf("%v and %v", a.Bounds(), b.Bounds())
	}
	sum, n := 0.0, 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(ar) - float64(br), float64(ag) - float64(bg), float64(ab) - float64(bb)} {
				sum += d * d / 257 / 257
				n++
			}
		}
	}
	return 10 * math.Log10(255*255*float64(n)/max(sum, 1e-9))
}

// average is the definition of area averaging, slow and plain.
func average(m image.Image, w, h int) *image.RGBA {
	sw, sh := m.Bounds().Dx(), m.Bounds().Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			x0, x1 := float64(x*sw)/float64(w), float64((x+1)*sw)/float64(w)
			y0, y1 := float64(y*sh)/float64(h), float64((y+1)*sh)/float64(h)
			var r, g, b, area float64
			for yy := int(y0); yy < sh && float64(yy) < y1; yy++ {
				for xx := int(x0); xx < sw && float64(xx) < x1; xx++ {
					a := (min(x1, float64(xx+1)) - max(x0, float64(xx))) * (min(y1, float64(yy+1)) - max(y0, float64(yy)))
					cr, cg, cb, _ := m.At(xx, yy).RGBA()
					r, g, b, area = r+a*float64(cr>>8), g+a*float64(cg>>8), b+a*float64(cb>>8), area+a
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(r/area + .5), uint8(g/area + .5), uint8(b/area + .5), 255})
		}
	}
	return out
}
