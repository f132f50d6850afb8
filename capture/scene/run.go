package scene

import (
	"context"
	"math"
	"time"

	"pirwatch/capture"
)

// Run delivers the scene's pictures at its rate, as a camera: it is a
// [capture.Source]. The scene goes on while nobody looks; what cannot be drawn
// in time is left out.
func (s *Scene) Run(ctx context.Context, deliver func(capture.Frame)) error {
	s.once.Do(func() { s.start = time.Now(); close(s.started) })
	now := func() int { return int(time.Since(s.start).Seconds()*s.o.FPS + 1e-6) }
	for i := now(); ; {
		due := s.start.Add(time.Duration(math.Round(float64(i) / s.o.FPS * float64(time.Second))))
		if !until(ctx, due) {
			return nil
		}
		jpeg, _ := s.Frame(i)
		deliver(capture.Frame{At: due, Width: s.o.Width, Height: s.o.Height, Format: capture.JPEG, Data: jpeg})
		i = max(i+1, now())
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

// Sensor returns the PIR that hangs beside the scene's camera.
func (s *Scene) Sensor() *Sensor { return &Sensor{s} }

// Sensor is a simulated PIR with a field of view a little narrower than the
// camera's; after its last movement its output stays high for hold.
type Sensor struct{ s *Scene }

const hold = 2500 * time.Millisecond

// Run delivers the sensor's level, first the one there is, then each change,
// until ctx ends. The scene's clock starts with its camera's first Run, so
// nothing is delivered before.
func (p *Sensor) Run(ctx context.Context, deliver func(at time.Time, high bool)) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.s.started:
	}
	since := time.Since(p.s.start)
	high, change := p.s.level(since)
	deliver(p.s.start.Add(since), high)
	for change >= 0 {
		at := p.s.start.Add(change)
		if !until(ctx, at) {
			return nil
		}
		high = !high
		deliver(at, high)
		_, change = p.s.level(change)
	}
	<-ctx.Done()
	return nil
}

// level is the sensor's at a time since the scene's start, and when it changes
// next; −1: never.
func (s *Scene) level(t time.Duration) (high bool, change time.Duration) {
	if s.o.First < 0 {
		return false, -1
	}
	seconds := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
	for k := s.from(t.Seconds() - hold.Seconds()); ; k++ {
		v := s.visit(k)
		// A tenth of the way is needed to be well in sight.
		way := v.end - v.start
		on, off := seconds(v.start+0.1*way), seconds(v.end-0.1*way)+hold
		if t < on {
			return false, on
		}
		if t < off {
			return true, off
		}
	}
}
