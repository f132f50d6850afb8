// Package scene draws what a camera over a garden might see: a house front, a
// tree in the wind, the light of day and night, a sensor's noise, and now and
// then a person walking through. It is the demo's camera, and, since it knows
// what it draws, the footage with truth that tests are made of.
package scene

import (
	"bytes"
	"image"
	"math"
	"slices"
	"sync"
	"time"

	"pirwatch/capture/mjpeg"
)

// Options say what is drawn. The zero value of a field means its default, given
// in brackets; a negative number means none. Two scenes of equal options are
// equal to the byte on one kind of machine.
type Options struct {
	Width, Height int     // pixels, each at least 16 and made even (640x360)
	FPS           float64 // pictures a second (10)
	Quality       int     // of the JPEGs, 1–100 (80)
	Seed          uint64  // changes textures, noise, and who comes when

	Light float64       // 0 < Light ≤ 1, from night (0.01) to noon (1), for ever; 0: it drifts
	Day   time.Duration // length of a day and night where the light drifts (8 min)
	Noise float64       // the sensor's noise by day, as a standard deviation in grey levels (2)
	Wind  float64       // 1 is a breeze, 3 a storm (1)
	Rain  bool

	First        time.Duration // when the first person comes (3 s; negative: nobody ever does)
	Every        time.Duration // from one to the next, more or less, and never before the last is gone (20 s)
	PersonHeight float64       // in picture heights (by chance 0.30–0.46)
	PersonSpeed  float64       // in own heights a second (0.75, a walk; negative: nobody comes)

	Happenings []Happening
}

// Happening is something that makes pictures change though nobody comes.
type Happening struct {
	Kind Kind
	At   time.Duration // since the scene's start
}

// Kind is a kind of happening.
type Kind uint8

const (
	Headlights  Kind = iota + 1 // a car's light sweeps over the scene for 3 s
	LightSwitch                 // a floodlight goes on, or off at the second time
	Cloud                       // a cloud's shadow drifts across for 20 s
	Bump                        // the camera is knocked and looks elsewhere from then on
	IRCut                       // the camera changes to infrared, or back at the second time
)

// Truth is what is to be seen in a picture.
type Truth struct {
	// Person is true where at least a third of somebody is in the picture and
	// not hidden by the tree.
	Person bool
	// Box is what is in the picture of the person: x, y, width, height in
	// fractions; zero where Person is false.
	Box [4]float64
}

// Scene draws pictures. It is made for one goroutine, but for Run and the
// Sensor's, which may have their own.
type Scene struct {
	o    Options
	back *backdrop
	tree *tree

	lit    *image.YCbCr // the backdrop in the light of litBy
	litBy  light
	out    *image.YCbCr
	moved  *image.YCbCr // out as a bumped camera sees it
	mask   []uint8      // scratch: shadow of a person
	grains []int8       // the sensor's noise …
	sigma  float64      // … of this standard deviation

	encoder mjpeg.Encoder
	jpeg    []byte // what it wrote last

	started chan struct{} // closed when Run first runs
	once    sync.Once
	start   time.Time
}

// New paints the scene's backdrop, which takes some 0.1 s.
func New(o Options) *Scene {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
		*v = max(*v, 0)
	}
	def(&o.FPS, 10)
	def(&o.Noise, 2)
	def(&o.Wind, 1)
	def(&o.PersonSpeed, 0.75)
	if o.FPS == 0 {
		o.FPS = 10
	}
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 640, 360
	}
	o.Width, o.Height = max(o.Width, 16)&^1, max(o.Height, 16)&^1
	if o.Quality <= 0 {
		o.Quality = 80
	}
	o.Quality = min(o.Quality, 100)
	if o.Day <= 0 {
		o.Day = 8 * time.Minute
	}
	if o.First == 0 {
		o.First = 3 * time.Second
	}
	if o.PersonSpeed == 0 {
		o.First = -1
	}
	if o.Every <= 0 {
		o.Every = 20 * time.Second
	}
	o.Happenings = slices.Clone(o.Happenings)
	s := &Scene{
		o:       o,
		back:    paintBackdrop(o.Width, o.Height, o.Seed),
		tree:    growTree(o.Seed),
		mask:    make([]uint8, o.Width*o.Height),
		started: make(chan struct{}),
	}
	blank := func() *image.YCbCr {
		return image.NewYCbCr(image.Rect(0, 0, o.Width, o.Height), image.YCbCrSubsampleRatio420)
	}
	s.lit, s.out, s.moved = blank(), blank(), blank()
	return s
}

// Frame returns picture i, from 0, as a JPEG of its own, and what is in it.
func (s *Scene) Frame(i int) ([]byte, Truth) {
	img, truth := s.Draw(i)
	s.jpeg = s.encoder.Encode(s.jpeg[:0], img, s.o.Quality)
	return bytes.Clone(s.jpeg), truth
}

// Draw draws picture i, from 0, and tells what is in it. The image is the
// scene's, until the next call.
func (s *Scene) Draw(i int) (*image.YCbCr, Truth) {
	t := float64(i) / s.o.FPS
	by := s.lightAt(t)
	s.relight(by)
	copy(s.out.Y, s.lit.Y)
	copy(s.out.Cb, s.lit.Cb)
	copy(s.out.Cr, s.lit.Cr)

	var truth Truth
	p, walks := s.personAt(t)
	behind := walks && p.ground < trunkY*float64(s.o.Height)
	if behind {
		truth = s.drawPerson(p, true, by)
	}
	s.drawTree(t, by)
	if walks && !behind {
		truth = s.drawPerson(p, false, by)
	}
	s.weather(i, t)
	out := s.out
	if dx, dy := s.bumpAt(t); dx != 0 || dy != 0 {
		shift(s.moved, s.out, dx, dy)
		out = s.moved
		truth = truth.shifted(float64(dx)/float64(s.o.Width), float64(dy)/float64(s.o.Height))
	}
	if s.count(IRCut, t)%2 == 1 {
		for j := range out.Cb {
			out.Cb[j], out.Cr[j] = 128, 128
		}
	}
	s.addNoise(out, i, by.noise)
	return out, truth
}

// count is how many happenings of a kind there were until t.
func (s *Scene) count(k Kind, t float64) int {
	n := 0
	for _, h := range s.o.Happenings {
		if h.Kind == k && t >= h.At.Seconds() {
			n++
		}
	}
	return n
}

// shifted moves the box with the picture and cuts it at the edges.
func (tr Truth) shifted(dx, dy float64) Truth {
	if !tr.Person {
		return tr
	}
	x0, y0 := max(tr.Box[0]+dx, 0), max(tr.Box[1]+dy, 0)
	x1, y1 := min(tr.Box[0]+tr.Box[2]+dx, 1), min(tr.Box[1]+tr.Box[3]+dy, 1)
	if x1 <= x0 || y1 <= y0 {
		return Truth{}
	}
	return Truth{Person: true, Box: [4]float64{x0, y0, x1 - x0, y1 - y0}}
}

// light is how the scene is lit, and what the camera makes of it. Gains are
// in 1/256.
type light struct {
	gain, lamp, glow int
	warm             int     // towards orange, as at dawn and dusk
	noise            float64 // grey levels
}

func (s *Scene) lightAt(t float64) light {
	l := s.o.Light
	if l == 0 {
		// The first picture is of the morning; the night is shorter than the day.
		turn := t/s.o.Day.Seconds() + 0.25
		l = ramp(-0.75, 0.7, -math.Cos(2*math.Pi*turn))
	}
	l = min(max(l, 0), 1)
	// What the camera shows falls less than the light does: it exposes longer.
	shown := math.Pow(l, 0.7)
	by := light{
		gain:  20 + int(236*shown),
		lamp:  int(190 * ramp(0.35, 0.15, l)),
		glow:  int(235 * ramp(0.45, 0.2, l)),
		warm:  int(9 * ramp(0.05, 0.3, l) * ramp(0.75, 0.35, l)),
		noise: s.o.Noise * (1 + 1.5*ramp(0.4, 0.05, l)),
	}
	if s.count(LightSwitch, t)%2 == 1 {
		by.gain += by.gain/4 + 30
		by.lamp += 90
	}
	if s.count(IRCut, t)%2 == 1 {
		by.gain += by.gain/3 + 12
		by.lamp /= 2
	}
	return by
}

// relight draws the backdrop in another light than before.
func (s *Scene) relight(by light) {
	key := by
	key.noise = 0
	if key == s.litBy {
		return
	}
	s.litBy = key
	for i, alb := range s.back.img.Y {
		v := int(alb)*(by.gain+int(s.back.lamp[i])*by.lamp>>8)>>8 + int(s.back.glow[i])*by.glow>>8
		s.lit.Y[i] = uint8(min(v, 255))
	}
	w := s.o.Width
	for y := range s.o.Height / 2 {
		for x := range w / 2 {
			i, j := y*s.lit.CStride+x, 2*y*w+2*x
			glow := int(s.back.glow[j]) * by.glow >> 8
			colour, warm := s.colour(j, by)
			warm += glow >> 3
			s.lit.Cb[i] = tint(int(s.back.img.Cb[i]), colour, -warm)
			s.lit.Cr[i] = tint(int(s.back.img.Cr[i]), colour, warm/2)
		}
	}
}

// colour is how saturated and how warm things are at a luma pixel: in little
// light there is little colour.
func (s *Scene) colour(i int, by light) (colour, warm int) {
	lamp := int(s.back.lamp[i]) * by.lamp >> 8
	return min(24+(by.gain+lamp)*7/8, 256), by.warm + lamp>>4
}

func tint(c, colour, by int) uint8 {
	return uint8(min(max(128+(c-128)*colour>>8+by, 0), 255))
}

// put blends a thing's own brightness, lit as its surroundings are, into a
// luma pixel; a is 0…256.
func (s *Scene) put(x, y, alb, a int, by light) {
	i := y*s.out.YStride + x
	v := min(alb*(by.gain+int(s.back.lamp[i])*by.lamp>>8)>>8, 255)
	s.out.Y[i] = uint8(int(s.out.Y[i]) + (v-int(s.out.Y[i]))*a>>8)
}

// putColour does the same for a pixel of the colour planes.
func (s *Scene) putColour(x, y int, c ycc, a int, by light) {
	i := y*s.out.CStride + x
	colour, warm := s.colour(2*y*s.o.Width+2*x, by)
	cb, cr := int(tint(c.cb, colour, -warm)), int(tint(c.cr, colour, warm/2))
	s.out.Cb[i] = uint8(int(s.out.Cb[i]) + (cb-int(s.out.Cb[i]))*a>>8)
	s.out.Cr[i] = uint8(int(s.out.Cr[i]) + (cr-int(s.out.Cr[i]))*a>>8)
}
