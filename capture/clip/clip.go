package clip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

// DefaultFPS is the rate of footage that does not say its own.
const DefaultFPS = 10

// Options say how a clip is played.
type Options struct {
	// FPS overrides the pictures a second that the clip says; 0 keeps them, or
	// takes [DefaultFPS] where it does not say.
	FPS float64
	// Loop begins again at the end, for ever.
	Loop bool
	// FullSpeed delivers pictures as fast as they are taken. Their times are
	// still one picture's time apart, as if they had come at their own pace.
	FullSpeed bool
}

// Source plays a clip; it is a [capture.Source].
type Source struct {
	path string
	o    Options
}

// New returns a source that plays the file or folder; it is opened by Run.
func New(path string, o Options) *Source { return &Source{path: path, o: o} }

// Run plays the clip once, or for ever with Loop. It returns nil at the end. A
// receiver that is too slow gets every picture, late.
func (s *Source) Run(ctx context.Context, deliver func(capture.Frame)) error {
	var p player
	for {
		n, err := s.play(ctx, deliver, &p)
		if err != nil || !s.o.Loop || ctx.Err() != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("play clip %s: it has no pictures", s.path)
		}
	}
}

// player keeps the pace over the rounds of a loop.
type player struct {
	start time.Time
	due   float64 // seconds from start to the next picture
}

// play plays the clip once and returns how many pictures it had.
func (s *Source) play(ctx context.Context, deliver func(capture.Frame), p *player) (int, error) {
	r, err := Open(s.path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	fps := s.o.FPS
	if !(fps > 0) || math.IsInf(fps, 0) {
		fps = r.FPS()
	}
	if fps == 0 {
		fps = DefaultFPS
	}
	if p.start.IsZero() {
		p.start = time.Now()
	}
	for n := 0; ; n++ {
		jpeg, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		at := p.start.Add(time.Duration(p.due * float64(time.Second)))
		if !s.o.FullSpeed {
			if !until(ctx, at) {
				return n, nil
			}
			if now := time.Now(); now.Sub(at) > time.Second { // the receiver held us up: no catching up
				p.start = p.start.Add(now.Sub(at))
			}
			at = time.Now()
		} else if ctx.Err() != nil {
			return n, nil
		}
		p.due += 1 / fps
		w, h, err := mjpeg.Size(jpeg)
		if err != nil {
			w, h = 0, 0 // the camera's supervisor refuses it, as from any camera
		}
		deliver(capture.Frame{At: at, Width: w, Height: h, Format: capture.JPEG, Data: jpeg})
	}
}

// until waits for a moment; false if ctx ended first.
func until(ctx context.Context, at time.Time) bool {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return ctx.Err() == nil
	}
}
