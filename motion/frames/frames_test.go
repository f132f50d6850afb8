package frames_test

import (
	"fmt"
	"image"
	"math/rand"
	"strings"
	"testing"
	"time"

	"pirwatch/motion/frames"
)

func newDetector(tb testing.TB, change func(*frames.Options)) *frames.Detector {
	tb.Helper()
	o := frames.Defaults()
	if change != nil {
		change(&o)
	}
	d, err := frames.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestOptionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*frames.Options)
	}{
		{"sensitivity 0 is outside 1 to 100", func(o *frames.Options) { o.Sensitivity = 0 }},
		{"sensitivity 101 is outside 1 to 100", func(o *frames.Options) { o.Sensitivity = 101 }},
		{"min size 0 is not a fraction", func(o *frames.Options) { o.MinSize = 0 }},
		{"watch polygon 1 has 2 corners", func(o *frames.Options) { o.Watch = [][][2]float64{{{0, 0}, {1, 1}}} }},
		{"ignore polygon 1 has corner [2 0] outside", func(o *frames.Options) { o.Ignore = [][][2]float64{{{0, 0}, {1, 1}, {2, 0}}} }},
		{"noise 0 is outside 1 to 50", func(o *frames.Options) { o.Fine.Noise = 0 }},
		{"learn time 0s is not above zero", func(o *frames.Options) { o.Fine.Learn = 0 }},
	} {
		o := frames.Defaults()
		tt.change(&o)
		if _, err := frames.New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want it to say %q", err, tt.want)
		}
	}
}

// walk is a person crossing from second 5 on.
func walk(c *canvas, t float64) {
	if t > 5 {
		c.person(-6+(t-5)*10, 22, 20, swing(t), 50)
	}
}

func TestZones(t *testing.T) {
	left := [][][2]float64{{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}}
	for _, tt := range []struct {
		name                string
		change              func(*frames.Options)
		seenLeft, seenRight bool
	}{
		{"all", nil, true, true},
		{"watch left", func(o *frames.Options) { o.Watch = left }, true, false},
		{"ignore left", func(o *frames.Options) { o.Ignore = left }, false, true},
		{"nothing watched", func(o *frames.Options) { o.Watch, o.Ignore = left, left }, false, false},
	} {
		var sawLeft, sawRight bool
		scene{fps: 10, seconds: 14, noise: day, draw: walk}.play(newDetector(t, tt.change), func(at float64, dec frames.Decision) {
			if !dec.Motion || dec.Box[2] == 0 {
				return
			}
			if dec.Box[0]+dec.Box[2] < 0.51 {
				sawLeft = true
			}
			if dec.Box[0] > 0.49 {
				sawRight = true
			}
		})
		if sawLeft != tt.seenLeft || sawRight != tt.seenRight {
			t.Errorf("%s: seen left %v right %v, want %v %v", tt.name, sawLeft, sawRight, tt.seenLeft, tt.seenRight)
		}
	}
}

func TestBoxAndScoreFollowTheObject(t *testing.T) {
	n := 0
	scene{fps: 10, seconds: 12, noise: day, draw: walk}.play(newDetector(t, nil), func(at float64, dec frames.Decision) {
		if at < 6.5 || at > 11.5 {
			return
		}
		n++
		x := (-6 + (at-5)*10 + 3.3) / sceneW // its middle
		if !dec.Motion || x < dec.Box[0]-0.02 || x > dec.Box[0]+dec.Box[2]+0.02 {
			t.Errorf("at %.1f s the box is %.2f, the person at %.2f (motion %v)", at, dec.Box, x, dec.Motion)
		}
		if dec.Score < 0.005 || dec.Score > 0.06 || dec.Threshold <= 0 || dec.Threshold > dec.Score {
			t.Errorf("at %.1f s score %.4f and threshold %.4f of a person of 1.5 %%", at, dec.Score, dec.Threshold)
		}
	})
	if n == 0 {
		t.Fatal("no frame was looked at")
	}
}

func TestSensitivity(t *testing.T) {
	// A faint small thing: seen at 100, not at 1, and a plain large one at both.
	count := func(sensitivity int, w, level float64) int {
		n := 0
		scene{fps: 10, seconds: 14, noise: day, draw: func(c *canvas, at float64) {
			if at > 5 {
				c.box(5+(at-5)*6, 15, w, w*1.5, level)
			}
		}}.play(newDetector(t, func(o *frames.Options) { o.Sensitivity = sensitivity }), func(_ float64, dec frames.Decision) {
			if dec.Motion {
				n++
			}
		})
		return n
	}
	if n := count(100, 2, 85); n == 0 {
		t.Error("sensitivity 100 does not see the faint thing")
	}
	if n := count(1, 2, 85); n != 0 {
		t.Errorf("sensitivity 1 sees the faint thing in %d frames", n)
	}
	for _, s := range []int{1, 50, 100} {
		if n := count(s, 14, 20); n < 50 {
			t.Errorf("sensitivity %d sees the large thing in %d frames of 90", s, n)
		}
	}
}

// TestStillness keeps watching for ten minutes, by day and by night, and then
// sees who comes.
func TestStillness(t *testing.T) {
	if testing.Short() {
		t.Skip("six thousand frames")
	}
	seen := false
	scene{fps: 5, seconds: 620, noise: night, draw: func(c *canvas, at float64) {
		c.gain(1-0.7*ramp(at, 100, 500), 0) // dusk
		if at > 610 {
			c.person(-6+(at-610)*12, 22, 20, swing(at), 8)
		}
	}}.play(newDetector(t, nil), func(at float64, dec frames.Decision) {
		if dec.Motion && at < 610 {
			t.Errorf("motion after %.1f s of stillness", at)
		}
		seen = seen || dec.Motion && at > 610 && at < 614
	})
	if !seen {
		t.Error("who came after ten minutes was not seen")
	}
}

// TestSizeChange gives another plane size in mid-stream: the detector learns
// anew and sees again.
func TestSizeChange(t *testing.T) {
	d := newDetector(t, nil)
	rng := rand.New(rand.NewSource(1))
	at := time.Unix(0, 0)
	look := func(w, h, n int, x func(i int) int) (motion, ready int) {
		for i := range n {
			img := image.NewGray(image.Rect(0, 0, w, h))
			for k := range img.Pix {
				img.Pix[k] = uint8(100 + rng.Intn(4))
			}
			for y := h / 4; y < h/2; y++ {
				for dx := range w / 8 {
					if px := x(i) + dx; px >= 0 && px < w {
						img.Pix[y*w+px] = 20
					}
				}
			}
			dec := d.Observe(at, img)
			at = at.Add(100 * time.Millisecond)
			if dec.Motion {
				motion++
			}
			if dec.Ready {
				ready++
			}
		}
		return motion, ready
	}
	away := func(int) int { return -1000 }
	for _, size := range [][2]int{{80, 60}, {240, 135}, {90, 61}, {160, 120}} {
		w, h := size[0], size[1]
		motion, ready := look(w, h, 40, away)
		if motion != 0 {
			t.Errorf("%dx%d: motion in %d frames after the size changed", w, h, motion)
		}
		if ready == 0 || ready == 40 {
			t.Errorf("%dx%d: ready in %d of 40 frames; it has to learn first", w, h, ready)
		}
		if motion, _ = look(w, h, 20, func(i int) int { return i * w / 20 }); motion < 10 {
			t.Errorf("%dx%d: what crossed was seen in %d of 20 frames", w, h, motion)
		}
	}
}

// TestOddInput: planes too small to hold anything, times that stand still or
// jump: no motion, no panic.
func TestOddInput(t *testing.T) {
	d := newDetector(t, nil)
	at := time.Unix(0, 0)
	for _, size := range [][2]int{{0, 0}, {1, 1}, {7, 200}, {200, 7}} {
		if dec := d.Observe(at, image.NewGray(image.Rect(0, 0, size[0], size[1]))); dec != (frames.Decision{}) {
			t.Errorf("a plane of %v gives %+v", size, dec)
		}
	}
	img := image.NewGray(image.Rect(0, 0, 80, 60))
	for i, step := range []time.Duration{0, 0, 0, 0, time.Second, time.Hour, 0, time.Millisecond, 48 * time.Hour, -time.Hour, time.Second} {
		at = at.Add(step)
		if dec := d.Observe(at, img); dec.Motion {
			t.Errorf("motion at step %d in a black picture", i)
		}
	}
	// A plane that is a part of a larger one.
	big := image.NewGray(image.Rect(0, 0, 200, 200))
	part := big.SubImage(image.Rect(20, 30, 100, 90)).(*image.Gray)
	for range 30 {
		at = at.Add(100 * time.Millisecond)
		if dec := d.Observe(at, part); dec.Motion {
			t.Error("motion in a black part")
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	for _, size := range [][2]int{{80, 60}, {240, 135}} {
		d := newDetector(t, nil)
		rng := rand.New(rand.NewSource(1))
		var imgs [20]*image.Gray
		for n := range imgs {
			imgs[n] = image.NewGray(image.Rect(0, 0, size[0], size[1]))
			for k := range imgs[n].Pix {
				imgs[n].Pix[k] = uint8(100 + rng.Intn(4))
				if n > 10 && k%7 < n-10 {
					imgs[n].Pix[k] = uint8(rng.Intn(256))
				}
			}
		}
		at, n := time.Unix(0, 0), 0
		step := func() {
			d.Observe(at, imgs[n%len(imgs)])
			at, n = at.Add(100*time.Millisecond), n+1
		}
		for range 30 {
			step()
		}
		if a := testing.AllocsPerRun(200, step); a != 0 {
			t.Errorf("%v: %v allocations a frame", size, a)
		}
	}
}

// BenchmarkObserve is a scene with a walker, or without, at the plane sizes of
// 640x480, 1280x720 and 1920x1080 and at the daemon's own 5 frames a second, of
// which each updates the background, or at 15, of which every third does.
func BenchmarkObserve(b *testing.B) {
	for _, size := range [][2]int{{80, 60}, {160, 90}, {240, 135}} {
		for _, scene := range []string{"still", "walker"} {
			for _, fps := range []time.Duration{5, 15} {
				b.Run(fmt.Sprintf("%dx%d/%s/%d", size[0], size[1], scene, fps), func(b *testing.B) {
					w, h := size[0], size[1]
					rng := rand.New(rand.NewSource(1))
					var imgs [64]*image.Gray
					for n := range imgs {
						c := &canvas{w: w, h: h, px: make([]float64, w*h), rng: rng}
						c.backdrop()
						if scene == "walker" {
							c.person(float64(n*w/64), float64(h)/3, float64(h)/3, float64(n), 50)
						}
						imgs[n] = image.NewGray(image.Rect(0, 0, w, h))
						for k, v := range c.px {
							imgs[n].Pix[k] = uint8(v + rng.NormFloat64()*day + 0.5)
						}
					}
					d := newDetector(b, nil)
					at := time.Unix(0, 0)
					n := 0
					b.ReportAllocs()
					for b.Loop() {
						d.Observe(at, imgs[n%len(imgs)])
						at, n = at.Add(time.Second/fps), n+1
					}
				})
			}
		}
	}
}
