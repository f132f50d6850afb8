// Package schedule knows when the camera is armed by the time of day, and where
// the sun is. It reads no clock.
package schedule

import (
	"slices"
	"strings"
	"time"
)

// Moment is a time of day: an offset from midnight, or from sunrise or sunset.
type Moment struct {
	Sun    string // "", "sunrise" or "sunset"
	Offset time.Duration
}

// Span is a part of the day in which the camera is armed. It goes past midnight
// where To is not after From.
type Span struct {
	Days     []string // "mon" … "sun", on which it begins; none = every day
	From, To Moment
}

// Schedule is a list of spans at one place.
type Schedule struct {
	Spans []Span
	Sun   Sun
}

// Empty says that nothing is scheduled.
func (s Schedule) Empty() bool { return len(s.Spans) == 0 }

// At says whether the camera is armed at t, whose zone is the owner's, and when
// that changes next: a week on where it does not.
func (s Schedule) At(t time.Time) (armed bool, next time.Time) {
	type interval struct{ from, to time.Time }
	var all []interval
	for day := -2; day <= 8; day++ {
		date := t.AddDate(0, 0, day)
		for _, span := range s.Spans {
			if len(span.Days) > 0 && !slices.Contains(span.Days, strings.ToLower(date.Weekday().String()[:3])) {
				continue
			}
			from, to := s.when(span.From, date), s.when(span.To, date)
			if !to.After(from) {
				to = s.when(span.To, date.AddDate(0, 0, 1))
			}
			if to.After(from) {
				all = append(all, interval{from, to})
			}
		}
	}
	slices.SortFunc(all, func(a, b interval) int { return a.from.Compare(b.from) })
	next = t.AddDate(0, 0, 7)
	for _, i := range all {
		switch {
		case !i.to.After(t):
		case armed && i.from.After(next):
			return armed, next
		case !i.from.After(t):
			if !armed || i.to.After(next) {
				armed, next = true, i.to
			}
		case armed:
			next = latest(next, i.to) // it joins the one before
		default:
			return false, i.from
		}
	}
	return armed, next
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// when puts a moment on a date.
func (s Schedule) when(m Moment, date time.Time) time.Time {
	rise, set := s.Sun.Day(date)
	switch m.Sun {
	case "sunrise":
		return rise.Add(m.Offset)
	case "sunset":
		return set.Add(m.Offset)
	}
	// By the clock and not by adding to midnight: on two days a year they differ.
	year, month, day := date.Date()
	return time.Date(year, month, day, int(m.Offset/time.Hour), int(m.Offset%time.Hour/time.Minute), 0, 0, date.Location())
}
