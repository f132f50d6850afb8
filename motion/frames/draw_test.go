package frames_test

import (
	"image"
	"math"
	"math/rand"
	"time"

	"pirwatch/motion/frames"
)

// The drawn scenes are luma planes of the detector's own size, with sensor
// noise, so that each test says in one line what the camera saw.

const (
	sceneW, sceneH = 80, 60
	day            = 1.2 // noise of a cell by day, grey levels (one cell averages many pixels)
	night          = 2.5
)

// canvas is one frame while it is drawn.
type canvas struct {
	w, h int
	px   []float64
	rng  *rand.Rand
}

func (c *canvas) at(x, y int) *float64 { return &c.px[y*c.w+x] }

// backdrop is a room or garden: large areas, a textured band, an edge.
func (c *canvas) backdrop() {
	for y := range c.h {
		for x := range c.w {
			v := 90 + 40*float64(y)/float64(c.h)
			if x*3 > c.w && x*2 < c.w {
				v = 150
			}
			if y*2 > c.h { // ground with texture
				v += 10 * math.Sin(float64(x)*1.3) * math.Cos(float64(y)*0.9)
			}
			if y*8 < c.h {
				v = 190
			}
			*c.at(x, y) = v
		}
	}
}

// box draws a solid thing; fractions of a cell are blended.
func (c *canvas) box(x, y, w, h, level float64) {
	for iy := max(0, int(y)); iy < min(c.h, int(math.Ceil(y+h))); iy++ {
		for ix := max(0, int(x)); ix < min(c.w, int(math.Ceil(x+w))); ix++ {
			cover := overlap(float64(ix), x, w) * overlap(float64(iy), y, h)
			p := c.at(ix, iy)
			*p += (level - *p) * cover
		}
	}
}

func overlap(cell, from, size float64) float64 {
	return max(0, min(cell+1, from+size)-max(cell, from))
}

// person is a head, a body and legs that swing.
func (c *canvas) person(x, y, h, phase, level float64) {
	w := h / 3
	c.box(x+w/3, y, w/3, h/6, level+20)
	c.box(x, y+h/6, w, h/2, level)
	swing := w / 4 * math.Sin(phase)
	c.box(x+swing, y+h*2/3, w/3, h/3, level-10)
	c.box(x+w*2/3-swing, y+h*2/3, w/3, h/3, level-10)
}

// light multiplies a soft round place.
func (c *canvas) light(cx, cy, r, gain float64) {
	for y := range c.h {
		for x := range c.w {
			dx, dy := (float64(x)-cx)/r, (float64(y)-cy)/r
			*c.at(x, y) *= 1 + (gain-1)*math.Exp(-dx*dx-dy*dy)
		}
	}
}

func (c *canvas) gain(g, offset float64) {
	for i := range c.px {
		c.px[i] = c.px[i]*g + offset
	}
}

// shift moves the picture, borders repeated.
func (c *canvas) shift(dx, dy float64) {
	src := append([]float64(nil), c.px...)
	get := func(x, y int) float64 {
		return src[min(max(y, 0), c.h-1)*c.w+min(max(x, 0), c.w-1)]
	}
	fx, fy := math.Floor(dx), math.Floor(dy)
	ax, ay := dx-fx, dy-fy
	for y := range c.h {
		for x := range c.w {
			sx, sy := x-int(fx), y-int(fy)
			*c.at(x, y) = (1-ay)*((1-ax)*get(sx, sy)+ax*get(sx-1, sy)) + ay*((1-ax)*get(sx, sy-1)+ax*get(sx-1, sy-1))
		}
	}
}

// scene draws the frame at second t of its own.
type scene struct {
	fps     float64
	seconds float64
	noise   float64
	seed    int64
	w, h    int
	draw    func(c *canvas, t float64)
}

// play runs the scene through the detector and hands over each decision.
func (s scene) play(d *frames.Detector, see func(t float64, dec frames.Decision)) {
	if s.w == 0 {
		s.w, s.h = sceneW, sceneH
	}
	rng := rand.New(rand.NewSource(s.seed + 1))
	img := image.NewGray(image.Rect(0, 0, s.w, s.h))
	start := time.Unix(1700000000, 0)
	for i := range int(s.seconds * s.fps) {
		t := float64(i) / s.fps
		c := &canvas{w: s.w, h: s.h, px: make([]float64, s.w*s.h), rng: rng}
		c.backdrop()
		s.draw(c, t)
		for k, v := range c.px {
			img.Pix[k] = uint8(min(max(math.Round(v+rng.NormFloat64()*s.noise), 0), 255))
		}
		see(t, d.Observe(start.Add(time.Duration(t*float64(time.Second))), img))
	}
}
