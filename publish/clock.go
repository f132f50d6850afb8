package publish

import (
	"math"
	"time"

	"pirwatch/publish/chunk"
)

// Clock tells what the machine knows of the time. A Pi without a clock of its
// own starts with a wrong one and learns better later; what it saw before can
// then be dated as long as it has not been started again.
type Clock interface {
	Synced() bool             // the machine has been told the time
	BootID() string           // names this run of the machine
	SinceBoot() time.Duration // CLOCK_BOOTTIME
}

// rightClock is that of a machine whose time is always right.
type rightClock struct{}

func (rightClock) Synced() bool             { return true }
func (rightClock) BootID() string           { return "" }
func (rightClock) SinceBoot() time.Duration { return 0 }

// stamp is a moment that can be dated later. It outlives the process in the
// queue's metadata.
type stamp struct {
	Wall   int64  `json:"w"` // ms since 1970 as the clock said it
	Synced bool   `json:"s,omitempty"`
	Boot   string `json:"b,omitempty"`
	Since  int64  `json:"t,omitempty"` // ms since that boot
}

// stampOf dates a moment of this process.
func (p *Publisher) stampOf(t time.Time) stamp {
	s := stamp{Wall: t.UnixMilli(), Synced: p.clock.Synced()}
	if !s.Synced {
		s.Boot = p.clock.BootID()
		s.Since = (p.clock.SinceBoot() - time.Since(t)).Milliseconds()
	}
	return s
}

// date returns the moment as well as it is known now, and whether it is right.
func (p *Publisher) date(s stamp) (t time.Time, synced bool) {
	if !s.Synced && s.Boot != "" && p.clock.Synced() && s.Boot == p.clock.BootID() {
		ago := p.clock.SinceBoot() - time.Duration(s.Since)*time.Millisecond
		return time.Now().Add(-ago), true
	}
	return time.UnixMilli(s.Wall), s.Synced
}

func wireTime(t time.Time) string { return t.UTC().Format(chunk.TimeLayout) }

func roundScore(score *float64) *float64 {
	if score == nil {
		return nil
	}
	r := math.Round(*score*1e4) / 1e4
	return &r
}
