package pir

import (
	"fmt"
	"time"
)

// clearAfter is how long a stuck line must rest before it is believed again.
const clearAfter = 10 * time.Second

// judge decides which levels are motion. It is free of I/O and clocks: time comes
// with the levels, which must be fed at least every few seconds, changed or not.
type judge struct {
	o         Options
	warmUntil time.Time

	now    time.Time // of the newest level
	seen   bool      // any level seen yet
	high   bool      // newest level
	since  time.Time // when it began
	early  bool      // this pulse began during the warm-up
	edges  uint64
	rises  []time.Time // of the last minute, at most ChatterPerMinute
	chat   bool
	stuck  bool
	told   bool // anything delivered yet
	toldHi bool
}

func newJudge(o Options, warmUntil time.Time) *judge {
	return &judge{o: o, warmUntil: warmUntil}
}

// level takes a reading and returns what to deliver, if anything.
func (j *judge) level(l Level) (Level, bool) {
	if l.At.After(j.now) {
		j.now = l.At
	}
	warming := j.warming()
	if !j.seen || l.High != j.high {
		if j.seen {
			j.edges++
		}
		if l.High {
			j.early = warming
			if j.seen {
				j.rise(l.At)
			}
		}
		j.seen, j.high, j.since = true, l.High, l.At
	}
	j.chatter()
	if j.high {
		j.stuck = j.stuck || j.o.StuckAfter > 0 && j.now.Sub(j.since) >= j.o.StuckAfter
	} else if j.now.Sub(j.since) >= clearAfter {
		j.stuck = false
	}
	return j.tell(l.At, j.high && !j.early && !j.stuck && !warming)
}

// gone is told when the line is lost: nobody can say that there is motion.
func (j *judge) gone(at time.Time) (Level, bool) {
	j.seen = false
	if !j.told {
		return Level{}, false
	}
	return j.tell(at, false)
}

func (j *judge) tell(at time.Time, high bool) (Level, bool) {
	if j.told && high == j.toldHi {
		return Level{}, false
	}
	j.told, j.toldHi = true, high
	return Level{At: at, High: high}, true
}

func (j *judge) rise(at time.Time) {
	if n := j.o.ChatterPerMinute; n > 0 {
		if len(j.rises) >= n {
			j.rises = j.rises[:copy(j.rises, j.rises[1:])]
		}
		j.rises = append(j.rises, at)
	}
}

// chatter begins at the limit and ends at half of it.
func (j *judge) chatter() {
	old := 0
	for old < len(j.rises) && j.now.Sub(j.rises[old]) >= time.Minute {
		old++
	}
	j.rises = j.rises[:copy(j.rises, j.rises[old:])]
	switch n := j.o.ChatterPerMinute; {
	case n <= 0:
	case len(j.rises) >= n:
		j.chat = true
	case len(j.rises) <= n/2:
		j.chat = false
	}
}

func (j *judge) warming() bool { return j.now.Before(j.warmUntil) }

func (j *judge) state() (state, why string) {
	switch {
	case j.stuck:
		return Stuck, fmt.Sprintf("line %d has been active for %s or more and no longer counts as motion: check the sensor's supply and wiring, "+
			"its hold time, and whether `active_low` is right", j.o.Line, j.o.StuckAfter)
	case j.warming():
		return Warming, ""
	case j.chat:
		return Chattering, fmt.Sprintf("line %d had %d pulses or more within a minute: check for a loose wire, a missing pull-down, "+
			"or a Wi-Fi antenna close to the sensor", j.o.Line, j.o.ChatterPerMinute)
	}
	return OK, ""
}
