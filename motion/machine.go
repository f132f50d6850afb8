// Package motion decides when something moves and which movements become
// events. It is told what the PIR sensor and the frame differencing saw, and
// answers with changes; it does no I/O and reads no clock.
//
// Two things are kept apart. The motion state is the truth about movement, ON
// at the first sign and OFF after a hold-off without one. Events are what
// pictures are taken of; a cool-down limits their rate, and triggers that it
// swallows are counted.
package motion

import (
	"slices"
	"time"
)

// Options are the owner's settings; durations are of the monotonic clock.
type Options struct {
	Mode        Mode
	HoldOff     time.Duration // motion is over when nothing moved for this long
	BothWindow  time.Duration // in mode both, the most that PIR and frames may lie apart
	Longest     time.Duration // an event this long is closed and the next begun
	Cooldown    time.Duration // from the end of an event to the next one's start
	CooldownMax time.Duration // the cool-down doubles up to this while triggers keep coming
	Quiet       time.Duration // without a trigger for this long, the cool-down is back at its start
}

// Kind is what a Change tells.
type Kind uint8

// The kinds of change. Within one answer they come in the order in which they
// have to be told.
const (
	Moving     Kind = iota + 1 // the motion state is now ON
	Still                      // the motion state is now OFF
	Started                    // an event has begun
	Ended                      // the event is over
	Suppressed                 // a trigger fell into the cool-down
)

// Change is one thing that happened.
type Change struct {
	Kind Kind
	At   time.Time
	By   Witness // Started: who triggered; Ended: all who saw it
	// Suppressed counts, with Started, the triggers swallowed since the event before.
	Suppressed int
	// Continued, with Started, says that the motion of the event before goes on.
	Continued bool
}

// Machine holds the state. It is not safe for concurrent use: the loop that
// owns it is one goroutine. Times given to it must not run backwards.
type Machine struct {
	o     Options
	armed bool

	pirHigh bool
	pirRose time.Time // zero if not since arming
	framesM bool      // the last decision was motion
	framesT time.Time // the last decision of motion; zero if none since arming

	moving bool
	last   time.Time // the last sign of motion

	open       bool
	by         Witness
	began      time.Time
	endManual  time.Time // when a manual event ends, if nothing moves
	allowed    time.Time // the cool-down's end
	cooldown   time.Duration
	trigger    time.Time // the last trigger, for Quiet
	suppressed int
}

// New returns a machine that is disarmed.
func New(o Options) *Machine {
	return &Machine{o: o, cooldown: o.Cooldown}
}

// Armed says whether events may start by themselves.
func (m *Machine) Armed() bool { return m.armed }

// Arm arms or disarms. Disarming ends motion and event at once.
func (m *Machine) Arm(at time.Time, on bool) []Change {
	if m.armed == on {
		return nil
	}
	m.armed = on
	m.pirRose, m.framesT, m.framesM = time.Time{}, time.Time{}, false
	if on {
		if m.pirHigh {
			m.pirRose = at
		}
		return m.look(at, m.pirHigh, PIR)
	}
	return m.stop(at)
}

// Stop ends what is open, as before a clean exit.
func (m *Machine) Stop(at time.Time) []Change {
	m.armed = false
	return m.stop(at)
}

func (m *Machine) stop(at time.Time) []Change {
	var out []Change
	if m.moving {
		m.moving = false
		out = append(out, Change{Kind: Still, At: at})
	}
	return append(out, m.end(at)...)
}

// SetMode changes who may trigger.
func (m *Machine) SetMode(mode Mode) {
	m.o.Mode = mode
	m.framesM = false
}

// SetCooldown changes the cool-down's start; one that runs is cut to it.
func (m *Machine) SetCooldown(at time.Time, d time.Duration) {
	m.o.Cooldown, m.cooldown = d, d
	if limit := at.Add(d); m.allowed.After(limit) {
		m.allowed = limit
	}
}

// PIR tells the sensor's level.
func (m *Machine) PIR(at time.Time, high bool) []Change {
	rose := high && !m.pirHigh
	m.pirHigh = high
	if rose {
		m.pirRose = at
	}
	if !high {
		// The level was high until now: the hold-off counts from here.
		if m.moving && m.listens(PIR) {
			m.last = at
		}
		return m.Tick(at)
	}
	return append(m.Tick(at), m.look(at, rose, PIR)...)
}

// Frames tells one decision of the frame differencing.
func (m *Machine) Frames(at time.Time, motion bool) []Change {
	out := m.Tick(at)
	rose := motion && !m.framesM
	m.framesM = motion
	if motion {
		m.framesT = at
		out = append(out, m.look(at, rose, Frames)...)
	}
	return out
}

// Press starts a manual event of the given length, armed or not, and whatever
// the cool-down; during an event it answers nothing, since pictures are being
// taken already. The motion state is not touched.
func (m *Machine) Press(at time.Time, length time.Duration) []Change {
	out := m.Tick(at)
	if m.open {
		return out
	}
	m.endManual = at.Add(length)
	return append(out, m.start(at, Hand, false))
}

// Full ends the event because it has all the pictures it may have; if motion
// goes on the next event follows at once.
func (m *Machine) Full(at time.Time) []Change {
	if !m.open {
		return nil
	}
	return m.turn(at)
}

// Open says whether an event is open.
func (m *Machine) Open() bool { return m.open }

// Next returns when Tick has something to do if nothing else happens before;
// ok is false if it never has.
func (m *Machine) Next() (next time.Time, ok bool) {
	sooner := func(t time.Time) {
		if !ok || t.Before(next) {
			next, ok = t, true
		}
	}
	if m.moving && !m.held() {
		sooner(m.last.Add(m.o.HoldOff))
	}
	if m.open {
		if m.by == Hand {
			sooner(m.endManual)
		} else {
			sooner(m.began.Add(m.o.Longest))
		}
	}
	if m.moving && !m.open && m.held() {
		sooner(m.allowed)
	}
	return next, ok
}

// Tick lets time pass.
func (m *Machine) Tick(at time.Time) []Change {
	var out []Change
	if m.moving && m.held() {
		m.last = at
	}
	if m.moving && at.Sub(m.last) >= m.o.HoldOff {
		m.moving = false
		out = append(out, Change{Kind: Still, At: at})
		if m.open && m.by != Hand {
			out = append(out, m.end(at)...)
		}
	}
	if m.open && m.by == Hand && !at.Before(m.endManual) {
		out = append(out, m.end(at)...)
	}
	if m.open && m.by != Hand && at.Sub(m.began) >= m.o.Longest {
		out = append(out, m.turn(at)...)
	}
	if m.moving && !m.open && m.held() && !at.Before(m.allowed) {
		by := PIR
		if m.o.Mode == Both {
			by |= Frames
		}
		out = append(out, m.start(at, by, false))
	}
	return out
}

// held says whether the PIR's level by itself keeps motion up.
func (m *Machine) held() bool { return m.pirHigh && m.listens(PIR) }

// listens says whether a witness counts in this mode.
func (m *Machine) listens(w Witness) bool {
	switch m.o.Mode {
	case PIROnly:
		return w == PIR
	case FramesOnly:
		return w == Frames
	}
	return true
}

// look weighs a sign of motion from one witness. edge says that the witness
// saw nothing just before.
func (m *Machine) look(at time.Time, sign bool, w Witness) []Change {
	if !m.armed || !m.listens(w) || (!sign && !m.moving) {
		return nil
	}
	by := w
	if m.o.Mode == Both {
		if !m.moving && !m.confirmed(at) {
			return nil
		}
		by = PIR | Frames // motion that both have seen, whoever sees it go on
	}
	var out []Change
	m.last = at
	if !m.moving {
		m.moving = true
		out = append(out, Change{Kind: Moving, At: at})
	}
	switch {
	case m.open && m.by != Hand:
		m.by |= by
	case m.open && !at.Before(m.allowed):
		// What moves makes the manual burst an event of its own.
		out = append(out, m.end(at)...)
		out = append(out, m.start(at, by, false))
	case !at.Before(m.allowed):
		out = append(out, m.start(at, by, false))
	case sign:
		m.relax(at)
		m.suppressed++
		m.trigger = at
		out = append(out, Change{Kind: Suppressed, At: at, By: by})
	}
	return out
}

// confirmed says whether both witnesses saw motion within the window.
func (m *Machine) confirmed(at time.Time) bool {
	pir := m.pirHigh || !m.pirRose.IsZero() && at.Sub(m.pirRose) <= m.o.BothWindow
	frames := !m.framesT.IsZero() && at.Sub(m.framesT) <= m.o.BothWindow
	return pir && frames
}

func (m *Machine) start(at time.Time, by Witness, continued bool) Change {
	c := Change{Kind: Started, At: at, By: by, Suppressed: m.suppressed, Continued: continued}
	if by != Hand {
		m.relax(at)
		if m.suppressed > 0 {
			m.cooldown = min(max(2*m.cooldown, m.o.Cooldown), max(m.o.CooldownMax, m.o.Cooldown))
		}
		m.trigger = at
	}
	m.suppressed = 0
	m.open, m.by, m.began = true, by, at
	return c
}

// relax brings the cool-down back after a quiet time.
func (m *Machine) relax(at time.Time) {
	if !m.trigger.IsZero() && at.Sub(m.trigger) >= m.o.Quiet {
		m.cooldown = m.o.Cooldown
	}
}

// end closes the event and starts the cool-down.
func (m *Machine) end(at time.Time) []Change {
	if !m.open {
		return nil
	}
	m.open = false
	if m.by != Hand {
		m.allowed = at.Add(m.cooldown)
		m.trigger = at
	}
	return []Change{{Kind: Ended, At: at, By: m.by}}
}

// turn closes the event and, while motion goes on, begins the next without a
// cool-down: a thief who takes his time stays in the pictures.
func (m *Machine) turn(at time.Time) []Change {
	by := m.by
	out := m.end(at)
	if m.moving && by != Hand {
		out = append(out, m.start(at, by, true))
	}
	return slices.Clip(out)
}
