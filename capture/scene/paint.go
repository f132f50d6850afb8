package scene

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// rgb is a colour as the eye names it, 0…1.
type rgb struct{ r, g, b float64 }

func hex(v uint32) rgb {
	return rgb{float64(v>>16&0xff) / 255, float64(v>>8&0xff) / 255, float64(v&0xff) / 255}
}

func (c rgb) times(f float64) rgb { return rgb{c.r * f, c.g * f, c.b * f} }

func (c rgb) mix(d rgb, t float64) rgb {
	return rgb{c.r + (d.r-c.r)*t, c.g + (d.g-c.g)*t, c.b + (d.b-c.b)*t}
}

// ycc is the same as a JPEG holds it.
type ycc struct{ y, cb, cr int }

func (c rgb) ycc() ycc {
	to8 := func(v float64) uint8 { return uint8(min(max(v, 0), 1)*255 + 0.5) }
	y, cb, cr := color.RGBToYCbCr(to8(c.r), to8(c.g), to8(c.b))
	return ycc{int(y), int(cb), int(cr)}
}

// hash mixes numbers into one that looks like chance (the finaliser of
// SplitMix64, Steele et al. 2014), so that every picture can be drawn without
// those before it.
func hash(v ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, x := range v {
		h ^= x
		h += 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// unit is hash as a fraction 0…1; of 31 bits, which 32-bit machines convert fast.
func unit(v ...uint64) float64 { return float64(int32(hash(v...)>>33)) / (1 << 31) }

// grain is smooth noise of about −1…1: octaves of value noise.
func grain(seed uint64, x, y float64, octaves int) float64 {
	sum, weight := 0.0, 0.5
	for o := range octaves {
		x0, y0 := math.Floor(x), math.Floor(y)
		fx, fy := smooth(x-x0), smooth(y-y0)
		at := func(dx, dy float64) float64 {
			return unit(seed, uint64(o), uint64(int64(x0+dx)), uint64(int64(y0+dy)))
		}
		top := at(0, 0) + (at(1, 0)-at(0, 0))*fx
		low := at(0, 1) + (at(1, 1)-at(0, 1))*fx
		sum += weight * (2*(top+(low-top)*fy) - 1)
		x, y, weight = 2*x, 2*y, weight/2
	}
	return sum
}

func smooth(t float64) float64 { return t * t * (3 - 2*t) }

// ramp rises smoothly from 0 at a to 1 at b.
func ramp(a, b, v float64) float64 { return smooth(min(max((v-a)/(b-a), 0), 1)) }

// canvas is what the backdrop is painted on, in colours and at full resolution.
type canvas struct {
	w, h  int
	pix   []rgb
	cover *image.Alpha
}

func newCanvas(w, h int) *canvas {
	return &canvas{w: w, h: h, pix: make([]rgb, w*h), cover: image.NewAlpha(image.Rect(0, 0, w, h))}
}

// polygon fills the outline, x and y in fractions of the picture by turns, with
// what paint says for each pixel (x and y as fractions, and what is there).
func (c *canvas) polygon(paint func(x, y float64, under rgb) rgb, xy ...float64) {
	w, h := float64(c.w), float64(c.h)
	x0, y0, x1, y1 := w, h, 0.0, 0.0
	for i := 0; i < len(xy); i += 2 {
		x0, x1 = min(x0, xy[i]*w), max(x1, xy[i]*w)
		y0, y1 = min(y0, xy[i+1]*h), max(y1, xy[i+1]*h)
	}
	around := image.Rect(int(x0), int(y0), int(math.Ceil(x1)), int(math.Ceil(y1))).Intersect(c.cover.Rect)
	if around.Empty() {
		return
	}
	z := vector.NewRasterizer(around.Dx(), around.Dy())
	for i := 0; i < len(xy); i += 2 {
		x, y := float32(xy[i]*w-float64(around.Min.X)), float32(xy[i+1]*h-float64(around.Min.Y))
		if i == 0 {
			z.MoveTo(x, y)
		} else {
			z.LineTo(x, y)
		}
	}
	z.ClosePath()
	z.DrawOp = draw.Src
	z.Draw(c.cover, around, image.Opaque, image.Point{})
	for y := around.Min.Y; y < around.Max.Y; y++ {
		for x := around.Min.X; x < around.Max.X; x++ {
			a := c.cover.Pix[y*c.cover.Stride+x]
			if a == 0 {
				continue
			}
			p := &c.pix[y*c.w+x]
			over := paint((float64(x)+0.5)/w, (float64(y)+0.5)/h, *p)
			*p = p.mix(over, float64(a)/255)
		}
	}
}

func (c *canvas) box(paint func(x, y float64, under rgb) rgb, x, y, w, h float64) {
	c.polygon(paint, x, y, x+w, y, x+w, y+h, x, y+h)
}

// plain paints one colour.
func plain(col rgb) func(x, y float64, under rgb) rgb {
	return func(_, _ float64, _ rgb) rgb { return col }
}

// shade darkens what is there.
func shade(by float64) func(x, y float64, under rgb) rgb {
	return func(_, _ float64, under rgb) rgb { return under.times(1 - by) }
}

// into writes the canvas as 4:2:0.
func (c *canvas) into(dst *image.YCbCr) {
	for y := range c.h {
		for x := range c.w {
			dst.Y[y*dst.YStride+x] = uint8(c.pix[y*c.w+x].ycc().y)
		}
	}
	for y := 0; y < c.h; y += 2 {
		for x := 0; x < c.w; x += 2 {
			var sum rgb
			n := 0.0
			for v := y; v < min(y+2, c.h); v++ {
				for u := x; u < min(x+2, c.w); u++ {
					p := c.pix[v*c.w+u]
					sum.r, sum.g, sum.b, n = sum.r+p.r, sum.g+p.g, sum.b+p.b, n+1
				}
			}
			col := sum.times(1 / n).ycc()
			i := y/2*dst.CStride + x/2
			dst.Cb[i], dst.Cr[i] = uint8(col.cb), uint8(col.cr)
		}
	}
}
