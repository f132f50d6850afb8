// Package pir turns the output of a passive infrared sensor on a GPIO line into
// levels: motion, no motion.
//
// Two drivers read the line. gpiocdev, the default, uses the kernel's GPIO
// character device: interrupts, time stamps, debounce and bias by the kernel.
// rpio polls the level in the register block, for the boards go-rpio knows (Pi 5
// is not one of them).
//
// What an HC-SR501 does (data sheet; Elegoo kit manual p. 125): the first minute
// after power-on may bring false pulses, a pulse lasts 3 to 300 s, and about 2.5
// to 3 s of blindness follow. An AM312 has a fixed pulse of about 2.5 s.
package pir

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Options describe the sensor's line. [Defaults] has the values for an ordinary
// sensor on BCM 17; a zero duration or count switches that part off.
type Options struct {
	Driver    string        // "gpiocdev" (or empty) or "rpio"
	Chip      string        // gpiocdev: name, path or label of the chip; empty = the Pi's header, found by label
	Line      int           // offset on the chip; on a Pi the BCM number
	ActiveLow bool          // the line is low while the sensor sees motion
	Pull      string        // "up", "down" or "off"; empty leaves the bias as it is
	Debounce  time.Duration // a level counts when it lasted this long
	WarmUp    time.Duration // levels are ignored until the machine has been up this long (CLOCK_BOOTTIME)

	// StuckAfter: active without a pause for this long, the sensor is taken to be
	// stuck, and its level no longer counts as motion.
	StuckAfter time.Duration
	// ChatterPerMinute: this many pulses within a minute are called chattering.
	// Sensors pause for 2 s or more after each pulse, so 30 cannot be one that works.
	ChatterPerMinute int
}

// Defaults are those of protocol.md: BCM 17, active high, pull-down, 50 ms
// debounce, 60 s warm-up from boot; stuck after 15 minutes, chattering from 30
// pulses a minute.
func Defaults() Options {
	return Options{
		Driver: "gpiocdev", Line: 17, Pull: "down",
		Debounce: 50 * time.Millisecond, WarmUp: time.Minute,
		StuckAfter: 15 * time.Minute, ChatterPerMinute: 30,
	}
}

// Level is what the sensor says from At on.
type Level struct {
	At   time.Time // when the line changed (the kernel's time stamp where there is one); carries a monotonic reading
	High bool      // motion; polarity already applied
}

// The states of [Health].
const (
	OK         = "ok"
	Warming    = "warming"
	Chattering = "chattering"
	Stuck      = "stuck"
	Missing    = "missing"
	Off        = "off"
)

// Health is the sensor's state for `health` (protocol.md).
type Health struct {
	State string // ok, warming, chattering, stuck, missing, off
	Err   string // what is wrong and how to mend it; empty when ok, warming or off
	Edges uint64 // changes of the line since start, ignored ones included
	Lost  uint64 // edges that came faster than they were read; the level was read again afterwards
}

// line is one requested input.
type line interface {
	High() (bool, error) // active now, polarity applied
	Debounced() bool     // edges are already debounced
	Close() error        // no edge is handed over once it has returned
}

// opener requests the line; edge is called for each change, must not block, and
// must not be called after the line's Close has returned.
type opener func(o Options, edge func(Level)) (line, error)

// Sensor watches one line.
type Sensor struct {
	o      Options
	log    *slog.Logger
	open   opener
	uptime func() time.Duration // CLOCK_BOOTTIME

	mu     sync.Mutex
	health Health
}

// New makes a sensor; nothing is opened before Run. A nil log discards.
func New(o Options, log *slog.Logger) *Sensor {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Sensor{o: o, log: log, open: open, uptime: uptime, health: Health{State: Off}}
}

// Health may be called from any goroutine.
func (s *Sensor) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

// Try requests the line, reads it once and gives it back. Its error says what is
// in the way (no chip, no permission, line in use and by whom) and what helps.
func Try(o Options) error {
	l, err := open(o, func(Level) {})
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := l.High(); err != nil {
		return fmt.Errorf("pir: read line %d: %w", o.Line, err)
	}
	return nil
}

const (
	resync    = 2 * time.Second // the level is read again this often: it heals lost edges and notices a chip that is gone
	firstWait = time.Second
	lastWait  = time.Minute
	longRun   = time.Minute // a session this long starts the backoff anew
)

// Run reads the line until ctx ends, then returns nil. The first level is
// delivered at once, every change after it, in order, from this goroutine. A chip
// that is missing or goes away is reported in Health and opened again, after 1 s
// and then twice as long up to a minute; meanwhile the level delivered is low.
func (s *Sensor) Run(ctx context.Context, deliver func(Level)) error {
	defer s.set(Off, "")
	j := newJudge(s.o, time.Now().Add(s.o.WarmUp-s.uptime()))
	wait := firstWait
	for {
		began := time.Now()
		err := s.session(ctx, j, deliver)
		if ctx.Err() != nil {
			return nil
		}
		if l, ok := j.gone(time.Now()); ok {
			deliver(l)
		}
		s.set(Missing, err.Error())
		if time.Since(began) >= longRun {
			wait = firstWait
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait + rand.N(wait/4)):
		}
		wait = min(2*wait, lastWait)
	}
}

// session lasts from opening the line to its failure.
func (s *Sensor) session(ctx context.Context, j *judge, deliver func(Level)) error {
	edges := make(chan Level, 64)
	l, err := s.open(s.o, func(e Level) {
		select {
		case edges <- e:
		default:
			s.mu.Lock()
			s.health.Lost++
			s.mu.Unlock()
		}
	})
	if err != nil {
		return err
	}
	defer l.Close()
	s.log.Debug("sensor line open", "line", s.o.Line, "kernel_debounce", l.Debounced())

	var readAt time.Time // an edge older than the last reading is contained in it
	read := func(changed time.Time) error {
		readAt = time.Now()
		high, err := l.High()
		if err != nil {
			return fmt.Errorf("pir: read line %d: %w", s.o.Line, err)
		}
		if changed.IsZero() {
			changed = readAt
		}
		s.observe(j, Level{At: changed, High: high}, deliver)
		return nil
	}
	if err := read(time.Time{}); err != nil {
		return err
	}
	tick := time.NewTicker(resync)
	defer tick.Stop()
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	defer settled.Stop()
	var changed time.Time // the last edge of a line that still bounces; zero when it is quiet
	soft := s.o.Debounce > 0 && !l.Debounced()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-edges:
			switch {
			case soft:
				changed = e.At
				settled.Reset(s.o.Debounce)
			case !e.At.Before(readAt):
				s.observe(j, e, deliver)
			}
		case <-settled.C:
			if err := read(changed); err != nil {
				return err
			}
			changed = time.Time{}
		case <-tick.C:
			if !changed.IsZero() {
				continue
			}
			if err := read(time.Time{}); err != nil {
				return err
			}
		}
	}
}

// observe passes one reading through the judge.
func (s *Sensor) observe(j *judge, l Level, deliver func(Level)) {
	out, tell := j.level(l)
	state, why := j.state()
	s.mu.Lock()
	s.health.Edges = j.edges
	s.mu.Unlock()
	s.set(state, why)
	if tell {
		deliver(out)
	}
}

// set changes the state; only a change is logged.
func (s *Sensor) set(state, why string) {
	s.mu.Lock()
	same := s.health.State == state && (s.health.Err == why || state == Stuck || state == Chattering)
	s.health.State, s.health.Err = state, why
	s.mu.Unlock()
	switch {
	case same:
	case why != "":
		s.log.Warn("sensor "+state, "line", s.o.Line, "reason", why)
	default:
		s.log.Info("sensor "+state, "line", s.o.Line)
	}
}

// check refuses what no driver can do.
func (o Options) check() error {
	switch o.Pull {
	case "", "up", "down", "off":
	default:
		return fmt.Errorf("pir: pull %q: want up, down or off", o.Pull)
	}
	if o.Line < 0 {
		return fmt.Errorf("pir: line %d: want the BCM number, 0 or more", o.Line)
	}
	return nil
}
