package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// States of a camera, as protocol.md's health has them.
const (
	StateOff      = "off"      // not run, or its footage has ended
	StateStarting = "starting" // opened, no picture yet
	StateOK       = "ok"       // pictures come
	StateIdle     = "idle"     // closed on purpose until a trigger; see [Idler]
	StateStalled  = "stalled"  // open, but no picture comes, or always the same one
	StateMissing  = "missing"  // cannot be opened, or was lost
)

// Idler is a source that opens its camera only when it is asked for a picture,
// as one on a battery does. While Idle is true nothing is expected of it.
type Idler interface{ Idle() bool }

// CameraOptions say when a camera counts as failed. The zero value of a field
// means its default, given in brackets.
type CameraOptions struct {
	Start  time.Duration // longest wait for the first picture of a session (20 s)
	Stall  time.Duration // longest wait for the next one (10 s)
	Frozen time.Duration // the same picture for so long is a fault (5 min; negative: never)

	MinRetry time.Duration // pause before the camera is opened again (1 s), …
	MaxRetry time.Duration // … doubled each time up to this (60 s), each by chance 20 % more or less, …
	Stable   time.Duration // … and back to the first after pictures came for so long (60 s)

	MaxBytes  int // largest picture accepted (32 MiB)
	MaxPixels int // most pixels a picture may claim to have (64 million)

	// OnHealth, if set, is called when State or Err changed, one call at a
	// time; it must not block.
	OnHealth func(Health)
}

func (o CameraOptions) withDefaults() CameraOptions {
	o.Start = orDefault(o.Start, 20*time.Second)
	o.Stall = orDefault(o.Stall, 10*time.Second)
	o.Frozen = orDefault(o.Frozen, 5*time.Minute)
	o.MinRetry = orDefault(o.MinRetry, time.Second)
	o.MaxRetry = orDefault(o.MaxRetry, time.Minute)
	o.Stable = orDefault(o.Stable, time.Minute)
	o.MaxBytes = orDefault(o.MaxBytes, 32<<20)
	o.MaxPixels = orDefault(o.MaxPixels, 64_000_000)
	return o
}

// Health is what is known of a camera.
type Health struct {
	State    string  // one of the State constants
	Err      string  // what is wrong, in one sentence; "" while State is ok
	FPS      float64 // pictures a second over the last few; 0 when none come
	Restarts int     // how many times the camera was opened again
	Frames   uint64  // pictures delivered
	Garbage  uint64  // pictures refused: damaged, empty, too large
}

// Camera keeps a [Source] running: it opens it again with growing pauses when
// it fails, stalls or freezes, refuses garbage, and knows how the camera is.
type Camera struct {
	src Source
	o   CameraOptions
	log *slog.Logger

	told sync.Mutex // orders the calls of OnHealth
	mu   sync.Mutex
	now  Health
	last Health // what OnHealth was told
	rate rate
	sess session

	frozen bool // the picture was the same for too long, and the camera was opened again for it
}

// NewCamera returns a camera that is off until Run.
func NewCamera(src Source, o CameraOptions, log *slog.Logger) *Camera {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Camera{src: src, o: o.withDefaults(), log: log, now: Health{State: StateOff}, last: Health{State: StateOff}}
}

// session is one run of the source.
type session struct {
	alive   time.Time // when the newest good picture was handed on, or the session began
	first   time.Time // when the first one came
	busy    bool      // deliver has not returned
	garbage error     // why the newest picture was refused; nil after a good one
	prev    picture   // the picture before
	since   time.Time // since when pictures are the same as it
}

// Health returns how the camera is now.
func (c *Camera) Health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.now
	h.FPS = c.rate.perSecond(time.Now())
	return h
}

// Run runs the camera until ctx ends, which gives nil, or its footage does. It
// delivers good pictures only, one call at a time. A camera that fails is no
// reason to return.
func (c *Camera) Run(ctx context.Context, deliver func(Frame)) error {
	pause := backoff.ExponentialBackOff{
		InitialInterval:     c.o.MinRetry,
		MaxInterval:         c.o.MaxRetry,
		Multiplier:          2,
		RandomizationFactor: 0.2,
	}
	pause.Reset()
	defer c.set(StateOff, nil)
	var failing time.Time // since when; zero while all is well
	for attempt := 0; ; attempt++ {
		state := StateStarting
		if attempt > 0 {
			c.mu.Lock()
			c.now.Restarts++
			state = c.now.State // stays what it was until a picture comes
			c.mu.Unlock()
		}
		if state == StateStarting {
			c.set(state, nil)
		}
		good := func() {
			if !failing.IsZero() {
				c.log.Info("camera is back", "after", time.Since(failing).Round(time.Second))
				failing = time.Time{}
			}
		}
		state, err := c.session(ctx, deliver, good)
		if ctx.Err() != nil || err == nil {
			return nil
		}
		c.mu.Lock()
		told := c.now.Err == err.Error() && !failing.IsZero()
		stable := !c.sess.first.IsZero() && c.sess.alive.Sub(c.sess.first) >= c.o.Stable
		c.mu.Unlock()
		if failing.IsZero() {
			failing = time.Now()
		}
		if stable {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		level := slog.LevelWarn
		if told { // the same again and again is told once
			level = slog.LevelDebug
		}
		c.log.Log(ctx, level, "camera failed", "err", err, "again_in", wait.Round(100*time.Millisecond))
		c.set(state, err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// letGo is how long a driver may take to release its camera before that is logged.
const letGo = 30 * time.Second

// errStalled marks the end of a session that the watchdog ended.
type errStalled struct{ error }

// session runs the source once. It returns the state that its end leaves the
// camera in and why it ended; nil when the footage did. good is called, on the
// source's goroutine, for each picture that is as it should be.
func (c *Camera) session(ctx context.Context, deliver func(Frame), good func()) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.mu.Lock()
	c.sess = session{alive: time.Now(), prev: c.sess.prev, since: c.sess.since}
	c.mu.Unlock()

	ended := make(chan error, 1)
	go func() {
		ended <- c.src.Run(ctx, func(f Frame) {
			if ctx.Err() == nil && c.accept(f, cancel, good) {
				deliver(f)
				c.handedOn()
			}
		})
	}()
	check := time.NewTimer(min(c.o.Start, c.o.Stall))
	defer check.Stop()
	for {
		select {
		case err := <-ended:
			if stalled := (errStalled{}); errors.As(context.Cause(ctx), &stalled) {
				return StateStalled, stalled
			}
			if err != nil && ctx.Err() == nil {
				c.mu.Lock()
				if c.sess.garbage != nil {
					err = fmt.Errorf("%w (its last picture was refused: %w)", err, c.sess.garbage)
				}
				c.mu.Unlock()
			}
			return StateMissing, err
		case <-check.C:
			left, err := c.patience()
			if ctx.Err() != nil {
				c.log.Error("camera driver does not let go of the camera", "asked", context.Cause(ctx))
				continue
			}
			if err != nil {
				c.set(StateStalled, err)
				cancel(errStalled{err})
				left = letGo
			}
			check.Reset(left)
		}
	}
}

// accept judges a picture and books it; false refuses it.
func (c *Camera) accept(f Frame, cancel context.CancelCauseFunc, good func()) bool {
	pic, err := c.examine(f)
	now := time.Now()
	c.mu.Lock()
	if err != nil {
		c.now.Garbage++
		first := c.sess.garbage == nil
		c.sess.garbage = err
		c.mu.Unlock()
		if first {
			c.log.Warn("picture refused", "err", err)
		}
		return false
	}
	c.sess.garbage = nil
	c.sess.busy = true
	if c.sess.first.IsZero() {
		c.sess.first = now
	}
	c.sess.alive = now
	c.now.Frames++
	c.rate.add(now)
	same := pic.same(c.sess.prev)
	c.sess.prev = pic
	if !same {
		c.sess.since = now
		c.frozen = false
	}
	still := now.Sub(c.sess.since)
	frozen := c.o.Frozen > 0 && same && still >= c.o.Frozen
	reopen := frozen && !c.frozen
	c.frozen = c.frozen || frozen
	c.mu.Unlock()

	switch {
	case reopen:
		// Opening it again cures most frozen cameras. One that goes on with
		// the same picture may look into darkness: that is told, not retried.
		err := fmt.Errorf("the picture has not changed at all for %v: the camera hangs, or looks at nothing", still.Round(time.Second))
		c.set(StateStalled, err)
		cancel(errStalled{err})
	case frozen:
	default:
		good()
		c.set(StateOK, nil)
	}
	return true
}

// handedOn books that deliver has returned.
func (c *Camera) handedOn() {
	c.mu.Lock()
	c.sess.busy = false
	c.sess.alive = time.Now()
	c.mu.Unlock()
}

// patience returns how long the next picture may still take, and an error once
// it took too long.
func (c *Camera) patience() (time.Duration, error) {
	limit := c.o.Stall
	idler, ok := c.src.(Idler)
	idle := ok && idler.Idle()
	if idle {
		c.set(StateIdle, nil)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if idle || c.sess.busy { // whoever is slow, it is not the camera
		c.sess.alive = time.Now()
	}
	if c.sess.first.IsZero() {
		limit = c.o.Start
	}
	waited := time.Since(c.sess.alive)
	switch {
	case waited < limit:
		return max(min(limit-waited, c.o.Stall), time.Millisecond), nil
	case c.sess.garbage != nil:
		return limit, fmt.Errorf("no good picture for %v: %w", limit, c.sess.garbage)
	case c.sess.first.IsZero():
		return limit, fmt.Errorf("no picture within %v of opening the camera", limit)
	}
	return limit, fmt.Errorf("no picture for %v", limit)
}

// set changes the state and tells it.
func (c *Camera) set(state string, err error) {
	c.told.Lock()
	defer c.told.Unlock()
	c.mu.Lock()
	c.now.State, c.now.Err = state, ""
	if err != nil {
		c.now.Err = err.Error()
	}
	h := c.now
	changed := h.State != c.last.State || h.Err != c.last.Err
	c.last = h
	h.FPS = c.rate.perSecond(time.Now())
	c.mu.Unlock()
	if changed && c.o.OnHealth != nil {
		c.o.OnHealth(h)
	}
}

// rate knows when the last pictures came.
type rate struct {
	at [32]time.Time
	n  int
}

func (r *rate) add(t time.Time) {
	r.at[r.n%len(r.at)] = t
	r.n++
}

// perSecond is the rate over the last pictures, falling to 0 when none come.
func (r *rate) perSecond(now time.Time) float64 {
	n := min(r.n, len(r.at))
	if n < 2 {
		return 0
	}
	newest, oldest := r.at[(r.n-1)%len(r.at)], r.at[(r.n-n)%len(r.at)]
	span := newest.Sub(oldest)
	if now.Sub(newest) > 5*time.Second+2*span/time.Duration(n-1) {
		return 0
	}
	if late := now.Sub(newest); late > span/time.Duration(n-1) {
		span = now.Sub(oldest)
	}
	if span <= 0 {
		return 0
	}
	return float64(n-1) / span.Seconds()
}
