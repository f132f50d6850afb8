package schedule

import (
	"time"

	"github.com/nathan-osman/go-sunrise"
)

// Sun is the sun over one place.
type Sun struct {
	Latitude, Longitude float64 // degrees, north and east positive
}

// Day returns sunrise and sunset on the civil day that holds t, in t's zone.
// Where the sun does not set that day it "rises" and "sets" at the day's ends;
// where it does not rise, both are at noon.
func (s Sun) Day(t time.Time) (rise, set time.Time) {
	year, month, day := t.Date()
	rise, set = sunrise.SunriseSunset(s.Latitude, s.Longitude, year, month, day)
	if !rise.IsZero() {
		return rise.In(t.Location()), set.In(t.Location())
	}
	noon := time.Date(year, month, day, 12, 0, 0, 0, t.Location())
	if sunrise.Elevation(s.Latitude, s.Longitude, noon) < 0 {
		return noon, noon
	}
	return time.Date(year, month, day, 0, 0, 0, 0, t.Location()), time.Date(year, month, day+1, 0, 0, 0, 0, t.Location())
}

// Up says whether it is day at t, and when that changes next.
func (s Sun) Up(t time.Time) (up bool, next time.Time) {
	// Yesterday first: where the clock's zone is not the place's, its day may
	// reach past midnight.
	for day := -1; day <= 1; day++ {
		rise, set := s.Day(t.AddDate(0, 0, day))
		if t.Before(rise) {
			return false, rise
		}
		if t.Before(set) {
			return true, set
		}
	}
	// Only where day after day has no sun.
	return false, t.Add(24 * time.Hour)
}
