package scene

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
)

// small keeps tests quick.
func small(o Options) Options {
	if o.Width == 0 {
		o.Width, o.Height = 320, 180
	}
	return o
}

func drawn(s *Scene, i int) (*image.YCbCr, Truth) {
	img, truth := s.Draw(i)
	c := *img
	c.Y, c.Cb, c.Cr = slices.Clone(img.Y), slices.Clone(img.Cb), slices.Clone(img.Cr)
	return &c, truth
}

// changed is the mean absolute difference of luma.
func changed(a, b *image.YCbCr) float64 {
	sum := 0
	for i := range a.Y {
		d := int(a.Y[i]) - int(b.Y[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(len(a.Y))
}

func TestFrameIsAJPEGAndDeterministic(t *testing.T) {
	o := small(Options{Seed: 3, Rain: true})
	a, b := New(o), New(o)
	a.Frame(7) // what was drawn before does not matter
	for _, i := range []int{0, 40, 41, 600} {
		x, truth := a.Frame(i)
		y, _ := b.Frame(i)
		if !bytes.Equal(x, y) {
			t.Errorf("picture %d differs between two scenes of equal options", i)
		}
		conf, err := jpeg.DecodeConfig(bytes.NewReader(x))
		if err != nil || conf.Width != 320 || conf.Height != 180 {
			t.Errorf("picture %d: %v, %dx%d", i, err, conf.Width, conf.Height)
		}
		if truth.Person != (truth.Box != [4]float64{}) {
			t.Errorf("picture %d: truth %+v", i, truth)
		}
	}
	x, _ := a.Frame(0)
	y, _ := New(small(Options{Seed: 4, Rain: true})).Frame(0)
	if bytes.Equal(x, y) {
		t.Error("another seed draws the same")
	}
}

// Where there is nobody a picture differs only inside the box and the shadow
// beside it, and inside the box it differs much.
func TestTruthIsWhereThePersonIs(t *testing.T) {
	for _, o := range []Options{{}, {PersonHeight: 0.12}, {PersonHeight: 0.6, Light: 0.3}, {Happenings: []Happening{{Bump, 0}}}} {
		o = small(o)
		o.Light, o.Noise, o.Wind = max(o.Light, 0.6), -1, -1
		with := New(o)
		o.First = -1
		without := New(o)
		seen := 0
		for i := 0; i < 120; i += 7 {
			a, truth := drawn(with, i)
			b, none := drawn(without, i)
			if none.Person {
				t.Fatal("somebody in a scene without anybody")
			}
			inside, n, outside := 0, 0, 0
			x0, y0 := int(truth.Box[0]*320), int(truth.Box[1]*180)
			x1, y1 := int(math.Ceil((truth.Box[0]+truth.Box[2])*320)), int(math.Ceil((truth.Box[1]+truth.Box[3])*180))
			shadow := int(truth.Box[3] * 180)
			for y := range 180 {
				for x := range 320 {
					d := int(a.Y[y*a.YStride+x]) - int(b.Y[y*b.YStride+x])
					d = max(d, -d)
					switch {
					case x >= x0 && x < x1 && y >= y0 && y < y1:
						n++
						if d > 8 {
							inside++
						}
					case d > 8 && y < y1-shadow/3:
						outside++
					}
				}
			}
			if !truth.Person {
				continue
			}
			seen++
			if outside > 0 || inside < n/8 {
				t.Errorf("%+v, picture %d: box %v has %d of %d pixels changed, and %d outside it", o, i, truth.Box, inside, n, outside)
			}
		}
		if seen < 3 {
			t.Errorf("%+v: the person was seen in %d pictures", o, seen)
		}
	}
}

func TestVisits(t *testing.T) {
	for _, o := range []Options{{}, {Seed: 9}, {PersonSpeed: 0.1}, {PersonHeight: 0.1, Every: 5 * time.Second}, {FPS: 2}} {
		s := New(small(o))
		end := 0.0
		for k := range 50 {
			v := s.visit(k)
			if v.start < end {
				t.Errorf("%+v: visit %d begins at %.1f, before %.1f", o, k, v.start, end)
			}
			end = v.end
			if got, ok := s.visitAt((v.start + v.end) / 2); !ok || got != v {
				t.Errorf("%+v: visit %d is not found in its middle", o, k)
			}
		}
	}
	s := New(small(Options{}))
	first := -1
	for i := 0; i < 100 && first < 0; i++ {
		if _, truth := s.Draw(i); truth.Person {
			first = i
		}
	}
	if first < 20 || first > 50 {
		t.Errorf("the first person is seen in picture %d, want within 5 s", first)
	}
	visits := 0
	for k := range 100 {
		if s.visit(k).start < 600 {
			visits++
		}
	}
	if visits < 28 || visits > 32 {
		t.Errorf("%d visits in ten minutes, want about 30", visits)
	}
}

// Each option that makes pictures change does, when it should and not before.
func TestHappenings(t *testing.T) {
	at := 2 * time.Second
	for _, test := range []struct {
		name        string
		kind        Kind
		light       float64
		before, mid int // pictures before it and while it goes on
		least       float64
	}{
		{"headlights", Headlights, 0.02, 19, 35, 5},
		{"light switch", LightSwitch, 0.02, 19, 21, 10},
		{"cloud", Cloud, 1, 19, 120, 5},
		{"bump", Bump, 1, 19, 21, 5},
		{"infrared", IRCut, 0.3, 19, 21, 5},
	} {
		o := small(Options{Light: test.light, Noise: -1, Wind: -1, First: -1})
		quiet := New(o)
		o.Happenings = []Happening{{test.kind, at}}
		s := New(o)
		a, _ := drawn(s, test.before)
		b, _ := drawn(quiet, test.before)
		if d := changed(a, b); d != 0 {
			t.Errorf("%s: changes pictures by %.2f before it happens", test.name, d)
		}
		a, _ = drawn(s, test.mid)
		b, _ = drawn(quiet, test.mid)
		if d := changed(a, b); d < test.least {
			t.Errorf("%s: changes pictures by %.2f, want %v or more", test.name, d, test.least)
		}
	}
	o := small(Options{Noise: -1, Wind: -1, First: -1, Light: 0.5})
	a, _ := drawn(New(o), 0)
	b, _ := drawn(New(o), 50)
	if d := changed(a, b); d != 0 {
		t.Errorf("a still scene changes by %.3f", d)
	}
	for name, change := range map[string]func(*Options){
		"noise": func(o *Options) { o.Noise = 2 }, "wind": func(o *Options) { o.Wind = 1 }, "rain": func(o *Options) { o.Rain = true }, "drift": func(o *Options) { o.Light = 0 },
	} {
		o := o
		change(&o)
		s := New(o)
		a, _ := drawn(s, 0)
		b, _ := drawn(s, 50)
		if d := changed(a, b); d == 0 {
			t.Errorf("%s changes nothing", name)
		}
	}
}

func TestDayAndNight(t *testing.T) {
	s := New(small(Options{}))
	darkest, brightest := 256, 0
	for t := range 480 {
		g := s.lightAt(float64(t)).gain
		darkest, brightest = min(darkest, g), max(brightest, g)
	}
	if darkest > 40 || brightest < 240 {
		t.Errorf("gain runs from %d to %d of 256 over a day", darkest, brightest)
	}
	// No step that a detector could take for something.
	for i := range 4800 {
		if d := s.lightAt(float64(i+1)/10).gain - s.lightAt(float64(i)/10).gain; d > 1 || d < -1 {
			t.Fatalf("the light jumps by %d at picture %d", d, i)
		}
	}
}

func TestOddOptions(t *testing.T) {
	for _, o := range []Options{
		{Width: 1, Height: 1}, {Width: 17, Height: 33}, {Width: 64, Height: 900}, {Width: 900, Height: 32},
		{FPS: -1, Quality: -3, Day: -1, PersonSpeed: -1, PersonHeight: -1}, {PersonHeight: 5}, {Light: 7, Wind: 50, Noise: 200}, {First: time.Hour},
	} {
		o.Happenings = []Happening{{Bump, 0}, {Headlights, 0}, {Cloud, 0}, {99, 0}}
		s := New(o)
		for _, i := range []int{0, 10, 1000, 1 << 30} {
			s.Frame(i)
		}
		s.level(time.Minute)
	}
}

// The camera and the sensor share a clock: the sensor is high while somebody
// is well in the picture, and pictures come at their rate.
func TestRunAndSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Width: 64, Height: 36})
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Second)
		defer cancel()
		type edge struct {
			at   time.Time
			high bool
		}
		var edges []edge
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Sensor().Run(ctx, func(at time.Time, high bool) {
				if at.After(time.Now()) {
					t.Errorf("told of %v at %v", at, time.Now())
				}
				edges = append(edges, edge{at, high})
			})
		}()
		time.Sleep(5 * time.Second) // the sensor waits for the camera
		start := time.Now()
		var seen []bool
		if err := s.Run(ctx, func(f capture.Frame) {
			if want := start.Add(time.Duration(len(seen)) * 100 * time.Millisecond); !f.At.Equal(want) || f.Width != 64 || f.Height != 36 {
				t.Errorf("picture %d of %v, want %v", len(seen), f.At, want)
			}
			_, truth := s.Draw(len(seen))
			seen = append(seen, truth.Person)
		}); err != nil {
			t.Error(err)
		}
		<-done
		if len(seen) < 640 || len(edges) < 6 || edges[0] != (edge{start, false}) {
			t.Fatalf("%d pictures, edges %v", len(seen), edges)
		}
		for i, e := range edges[1:] {
			if e.high == edges[i].high {
				t.Errorf("edge %d changes nothing", i+1)
			}
			if at := int(e.at.Sub(start) / (100 * time.Millisecond)); e.high && !seen[at+1] {
				t.Errorf("the sensor goes high at picture %d, with nobody in it", at)
			}
		}
	})
}

// A scene that nobody looked at for a while is not slowed down by it.
func TestRunLeavesOutWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Width: 64, Height: 36})
		ctx, cancel := context.WithTimeout(t.Context(), 2950*time.Millisecond)
		defer cancel()
		start := time.Now()
		var at []int
		s.Run(ctx, func(f capture.Frame) {
			at = append(at, int(f.At.Sub(start).Milliseconds()))
			if len(at) == 3 {
				time.Sleep(2550 * time.Millisecond)
			}
		})
		if want := []int{0, 100, 200, 2700, 2800, 2900}; !slices.Equal(at, want) {
			t.Errorf("pictures of %v ms, want %v", at, want)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	for _, height := range []int{360, 720} {
		b.Run(fmt.Sprint(height), func(b *testing.B) {
			s := New(Options{Width: height * 16 / 9, Height: height})
			i := 0
			for b.Loop() {
				s.Frame(i)
				i++
			}
		})
	}
}
