package rpicam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"pirwatch/capture"
)

// Still is a Pi camera that is closed until a shot is asked for: what a battery
// wants. There is no pre-roll, and no picture before the camera has started.
//
// The delay from Shoot to the first picture is 1 to 2 s on a Pi 4 with
// rpicam-still, and twice that on a Zero: the program starts, libcamera looks for
// cameras (about 0.5 s), and exposure settles within libcamera's start-up frames.
type Still struct {
	o   Options
	log *slog.Logger
}

// NewStill opens nothing. A nil log discards.
func NewStill(o Options, log *slog.Logger) *Still { return &Still{o: o, log: orDiscard(log)} }

// shotLimit is for one picture, or for the first of several.
const shotLimit = 20 * time.Second

// Shoot opens the camera, delivers n pictures interval apart (the first as soon as
// there is one), and closes the camera again. It returns nil when all were
// delivered or ctx ended, else what went wrong.
//
// One picture comes from rpicam-still. Several come from one run of rpicam-vid
// instead: rpicam-still changes the sensor's mode for each, at least six preview
// frames apart, and keeps a picture's last bytes to itself until the next one.
func (s *Still) Shoot(ctx context.Context, n int, interval time.Duration, deliver func(capture.Frame)) error {
	if n <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, shotLimit+time.Duration(n)*interval, errSlow)
	defer cancel()
	taken := 0
	var next time.Time
	take := func(f capture.Frame) {
		// Half a frame early is on time: frames do not fall on the interval.
		if taken == n || taken > 0 && f.At.Add(20*time.Millisecond).Before(next) {
			return
		}
		if taken == 0 {
			next = f.At
		}
		next = next.Add(interval)
		if taken++; taken == n {
			cancel()
		}
		deliver(f)
	}
	var err error
	if n == 1 {
		err = s.one(ctx, take)
	} else {
		err = run(ctx, s.o, s.log, take)
	}
	switch {
	case taken == n:
		return nil
	case context.Cause(ctx) == errSlow:
		return fmt.Errorf("rpicam: %d of %d pictures within %s: %w", taken, n, shotLimit+time.Duration(n)*interval, errSlow)
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errEnded):
		return fmt.Errorf("%w after %d of %d pictures", err, taken, n)
	}
	return err
}

var errSlow = errors.New("the camera is too slow or hangs")

func (s *Still) one(ctx context.Context, take func(capture.Frame)) error {
	if err := s.o.check(); err != nil {
		return err
	}
	path, err := find(s.o.StillProgram, "rpicam-still", "libcamera-still")
	if err != nil {
		return err
	}
	s.log.Debug("starting the camera program", "program", path, "args", strings.Join(s.o.still(), " "))
	return watch(ctx, path, s.o.still(), s.o, s.log, take)
}
