package detect

import (
	"fmt"
	"io"
	"time"

	"pirwatch/motion/frames"
)

const (
	joinS = 2  // seconds between decisions that are told as one event
	shown = 20 // events told one by one
)

// event is a stretch of motion, for people.
type event struct {
	from, to time.Duration
	score    float64
}

// summary is what a person wants to know of a clip.
type summary struct {
	name           string
	frames, bad    int
	w, h           int
	fps            float64
	length, moving time.Duration
	events         []event
	scenes         map[string]int
	scene          string
	began          time.Time
}

func (s *summary) add(f frame, dec frames.Decision) {
	if s.frames == 0 {
		s.began = time.Now()
		s.scenes = map[string]int{}
	}
	s.frames++
	s.w, s.h, s.fps = f.w, f.h, f.fps
	at := f.at.Sub(zero)
	step := time.Duration(float64(time.Second) / f.fps)
	s.length = at + step
	if f.err != nil {
		s.bad++
	}
	if dec.Scene != s.scene {
		if s.scene = dec.Scene; dec.Scene != "" {
			s.scenes[dec.Scene]++
		}
	}
	if !dec.Motion {
		return
	}
	s.moving += step
	last := len(s.events) - 1
	if last < 0 || at-s.events[last].to > joinS*time.Second {
		s.events = append(s.events, event{from: at})
		last++
	}
	e := &s.events[last]
	e.to, e.score = at+step, max(e.score, dec.Score)
}

func (s *summary) print(w io.Writer) {
	took := time.Since(s.began)
	fmt.Fprintf(w, "%s: %dx%d, %d frames, %s at %.4g a second\n", s.name, s.w, s.h, s.frames, seconds(s.length), s.fps)
	for i, e := range s.events {
		if i == shown {
			fmt.Fprintf(w, "  and %d more\n", len(s.events)-shown)
			break
		}
		fmt.Fprintf(w, "  motion %8s to %8s, largest %.2f %% of the watched area\n", seconds(e.from), seconds(e.to), 100*e.score)
	}
	if len(s.events) == 0 {
		fmt.Fprintln(w, "  no motion")
	} else {
		fmt.Fprintf(w, "  %d of motion, %s in all\n", len(s.events), seconds(s.moving))
	}
	for _, name := range []string{frames.SceneLight, frames.SceneMoved} {
		if n := s.scenes[name]; n > 0 {
			fmt.Fprintf(w, "  the scene changed (%s): %d\n", name, n)
		}
	}
	if s.bad > 0 {
		fmt.Fprintf(w, "  %d damaged pictures were passed over\n", s.bad)
	}
	if took > 0 {
		fmt.Fprintf(w, "  took %s, %.0f frames a second\n", seconds(took), float64(s.frames)/took.Seconds())
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// progress is one line on a terminal that overwrites itself.
type progress struct {
	w    io.Writer
	on   bool
	name string
	last time.Time
}

func (p *progress) show(n int) {
	if !p.on || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r%s: frame %d\x1b[K", p.name, n)
}

func (p *progress) clear() {
	if p.on && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
