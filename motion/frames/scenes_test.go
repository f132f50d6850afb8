package frames_test

import (
	"fmt"
	"math"
	"testing"

	"pirwatch/motion/frames"
)

// span is a time in seconds in which something happens.
type span struct{ from, to float64 }

// flakes is something that falls or flies: many small things, new ones for ever.
func flakes(c *canvas, t float64, n int, w, h, vx, vy, level float64, erratic float64) {
	for i := range n {
		k := float64(i)
		// Where each is comes from a hash, so that the scene needs no memory.
		life := 0.7 + 0.6*frac(k*0.754)
		gen := math.Floor(t/life + k*0.37)
		age := (t/life + k*0.37 - gen) * life
		x := frac(gen*0.618+k*0.281)*float64(c.w)*1.2 + vx*age + erratic*math.Sin(age*17+k)
		y := frac(gen*0.414+k*0.567)*float64(c.h) - vy*life/2 + vy*age + erratic*math.Cos(age*13+k*2)
		c.box(x, y, w, h, level)
	}
}

func frac(v float64) float64 { return v - math.Floor(v) }

func swing(t float64) float64 { return t * 9 }

// ramp is 0 before from, 1 after to.
func ramp(t, from, to float64) float64 { return min(max((t-from)/(to-from), 0), 1) }

// TestScenes asks of each drawn scene that motion is seen where something
// moves, within a second (two looks where those are rare), and nowhere else, at
// whatever rate it is looked at.
func TestScenes(t *testing.T) {
	tests := []struct {
		name, why string
		scene     scene
		moves     []span  // an object moves: must be seen
		spare     float64 // seconds of false motion let pass, at five looks a second and less
	}{
		{"empty by day", "noise is not motion",
			scene{seconds: 20, noise: day, draw: func(c *canvas, t float64) {}}, nil, 0},
		{"empty by night", "strong noise is still not motion",
			scene{seconds: 20, noise: 6, draw: func(c *canvas, t float64) { c.gain(0.25, 8) }}, nil, 0},
		{"walker", "the plain case",
			scene{seconds: 16, noise: day, draw: func(c *canvas, t float64) {
				c.person(-6+(t-8)*14, 22, 20, swing(t), 50)
			}}, []span{{8.6, 13.5}}, 0},
		{"slow walker", "a third of a cell a frame still is motion",
			scene{seconds: 25, noise: day, draw: func(c *canvas, t float64) {
				if t > 8 {
					c.person(10+(t-8)*3, 25, 18, t*3, 50)
				}
			}}, []span{{8, 25}}, 0},
		{"distant walker", "two cells wide, six high",
			scene{seconds: 20, noise: day, draw: func(c *canvas, t float64) {
				if t > 8 {
					c.person(5+(t-8)*4, 36, 6.5, swing(t), 40)
				}
			}}, []span{{8, 20}}, 0},
		{"night walker", "only some levels darker than a dark wall",
			scene{seconds: 20, noise: 1.5, draw: func(c *canvas, t float64) {
				c.gain(0.2, 4)
				if t > 8 {
					c.person(5+(t-8)*5, 20, 14, swing(t), 6)
				}
			}}, []span{{8, 20}}, 0},
		{"walker at 2 fps", "large steps between frames",
			scene{fps: 2, seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				if t > 15 {
					c.person(-6+(t-15)*8, 22, 20, swing(t), 50)
				}
			}}, []span{{16, 25}}, 0},
		{"walker at 1 fps", "each frame is a new place",
			scene{fps: 1, seconds: 40, noise: day, draw: func(c *canvas, t float64) {
				if t > 20 {
					c.person(-6+(t-20)*8, 22, 20, swing(t), 50)
				}
			}}, []span{{21, 30}}, 0},
		{"light switch", "gain for all, half clipped, exposure swings back",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				for _, s := range []struct{ at, g float64 }{{8, 1.9}, {15, 0.5}, {22, 1.7}} {
					if t > s.at && t < s.at+7 {
						c.gain(1+(s.g-1)*(0.4+0.6*math.Exp(-(t-s.at)/0.8)), 0)
					}
				}
			}}, nil, 0},
		{"lamp in a dark room", "light from one side, not a gain for all",
			scene{seconds: 25, noise: day, draw: func(c *canvas, t float64) {
				c.gain(0.1, 2)
				if t > 10 && t < 18 {
					c.light(20, 15, 45, 8*(1+0.3*math.Exp(-(t-10)/0.7)))
				}
			}}, nil, 0},
		{"infrared cut", "dark for a moment, then other tones and more noise",
			scene{seconds: 25, noise: day, draw: func(c *canvas, t float64) {
				if t > 10 && t < 10.4 {
					c.gain(0.15, 0)
				} else if t >= 10.4 {
					for i, v := range c.px {
						c.px[i] = 255*math.Pow(v/255, 0.6) - 20 + c.rng.NormFloat64()*2
					}
					c.light(40, 30, 40, 1.3)
				}
			}}, nil, 0},
		{"headlights", "a pool of light sweeps over the wall",
			scene{seconds: 25, noise: 2, draw: func(c *canvas, t float64) {
				c.gain(0.3, 5)
				if t > 10 && t < 14 {
					c.light(-20+(t-10)*30, 25, 18, 2.5)
				}
			}}, nil, 0},
		{"drifting cloud", "a soft shadow crosses in eight seconds",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				for y := range c.h {
					for x := range c.w {
						edge := (float64(x) - (t-10)*10) / 12
						*c.at(x, y) *= 1 - 0.35/(1+math.Exp(edge))
					}
				}
			}}, nil, 0},
		{"rain", "streaks, each seen once",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				for range 60 {
					x, y := c.rng.Float64()*float64(c.w), c.rng.Float64()*float64(c.h)
					c.box(x, y, 0.5, 4+3*c.rng.Float64(), 210)
				}
			}}, nil, 0},
		{"snow", "flakes fall slowly and can be followed",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				flakes(c, t, 60, 1.3, 1.3, 4, 25, 230, 1)
			}}, nil, 0},
		{"heavy snow", "large flakes near the camera",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				flakes(c, t, 45, 2.2, 2.2, 8, 40, 240, 2)
			}}, nil, 0},
		{"insects in the infrared beam", "single bright things that dart about",
			scene{seconds: 30, noise: night, draw: func(c *canvas, t float64) {
				c.gain(0.3, 5)
				flakes(c, t, 3, 3, 2, 45, 20, 220, 12)
			}}, nil, 2},
		{"leaves", "a bush that keeps tossing",
			scene{seconds: 30, noise: day, draw: leaves}, nil, 0},
		{"walker before leaves", "what keeps tossing hides nothing larger",
			scene{seconds: 35, noise: day, draw: func(c *canvas, t float64) {
				leaves(c, t)
				if t > 20 {
					c.person(-10+(t-20)*10, 15, 28, swing(t), 30)
				}
			}}, []span{{21, 29}}, 0},
		{"walker in rain", "rain raises the limit, not above a person",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				if t > 18 {
					c.person(-6+(t-18)*9, 22, 20, swing(t), 40)
				}
				for range 60 {
					x, y := c.rng.Float64()*float64(c.w), c.rng.Float64()*float64(c.h)
					c.box(x, y, 0.5, 4+3*c.rng.Float64(), 210)
				}
			}}, []span{{19, 28}}, 0},
		{"camera bump", "the whole picture is elsewhere, and stays there",
			scene{seconds: 25, noise: day, draw: func(c *canvas, t float64) {
				switch {
				case t > 10 && t < 10.5:
					c.shift(4*math.Sin(t*40), 3*math.Cos(t*33))
				case t >= 10.5:
					c.shift(3, 2)
				}
			}}, nil, 0},
		{"shaking mast", "wind shakes the camera by half a cell",
			scene{seconds: 25, noise: day, draw: func(c *canvas, t float64) {
				c.shift(0.5*math.Sin(t*8), 0.4*math.Cos(t*11))
			}}, nil, 0},
		{"clock in the picture", "digits that change every second",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				k := math.Floor(t)
				c.box(62, 1, 2, 3, 40+200*frac(k*0.618))
				c.box(65, 1, 2, 3, 40+200*frac(math.Floor(k/10)*0.618))
			}}, nil, 0},
		{"parked car leaves", "motion while it drives, none at the ghost",
			scene{seconds: 30, noise: day, draw: func(c *canvas, t float64) {
				x := 30.0
				if t > 10 {
					x += (t - 10) * (t - 10) * 6
				}
				c.box(x, 38, 20, 9, 40)
				c.box(x+4, 34, 12, 4, 200)
			}}, []span{{10.3, 12.5}}, 0},
	}
	for _, tt := range tests {
		rates := []float64{2, 5, 10, 15} // as different cameras and settings give
		if tt.scene.fps != 0 {
			rates = []float64{tt.scene.fps}
		} else if testing.Short() {
			rates = []float64{5}
		}
		for _, fps := range rates {
			t.Run(fmt.Sprintf("%s/%v", tt.name, fps), func(t *testing.T) {
				t.Parallel()
				s := tt.scene
				s.fps = fps
				for s.seed = range 2 {
					s.ask(t, tt.why, tt.moves, tt.spare)
				}
			})
		}
	}
}

// ask plays the scene and looks for motion where there is some, and elsewhere.
func (s scene) ask(t *testing.T, why string, moves []span, spare float64) {
	d, err := frames.New(frames.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]float64, len(moves))
	var wrong []string
	s.play(d, func(at float64, dec frames.Decision) {
		if !dec.Motion {
			return
		}
		for i, m := range moves {
			if at >= m.from && at <= m.to && seen[i] == 0 {
				seen[i] = at
			}
		}
		for _, m := range moves {
			if at >= m.from-1 && at <= m.to+2 {
				return
			}
		}
		wrong = append(wrong, fmt.Sprintf("%.1f", at))
	})
	for i, m := range moves {
		switch late := seen[i] - m.from; {
		case seen[i] == 0:
			t.Errorf("%s: motion from %.1f to %.1f s was not seen", why, m.from, m.to)
		case late > max(1, 2/s.fps):
			t.Errorf("%s: motion from %.1f s was seen only at %.1f s", why, m.from, seen[i])
		}
	}
	if s.fps > 5 {
		spare = 0
	}
	if float64(len(wrong)) > spare*s.fps {
		t.Errorf("%s: motion at %v s", why, wrong)
	}
}

// leaves is a bush of 24 by 20 cells whose parts toggle.
func leaves(c *canvas, t float64) {
	for i := range 40 {
		k := float64(i)
		x, y := 45+frac(k*0.618)*24, 20+frac(k*0.414)*20
		if math.Sin(t*(4+3*frac(k*0.3))+k) > 0.2 {
			c.box(x, y, 3, 2, 60+80*frac(k*0.77))
		}
	}
}
