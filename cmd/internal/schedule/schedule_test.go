package schedule

import (
	"testing"
	"time"
	_ "time/tzdata"
)

var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}()

func clock(hour, minute int) Moment {
	return Moment{Offset: time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute}
}

func TestAt(t *testing.T) {
	night := []Span{{From: clock(22, 0), To: clock(6, 0)}}
	// The almanac has sunset at 15:56 and sunrise at 07:51: the library is within three minutes.
	dark := []Span{{From: Moment{Sun: "sunset"}, To: Moment{Sun: "sunrise", Offset: -30 * time.Minute}}}
	work := []Span{
		{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: clock(8, 0), To: clock(12, 0)},
		{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: clock(12, 0), To: clock(17, 0)},
	}
	here := Sun{52.52, 13.40}
	for _, c := range []struct {
		name  string
		spans []Span
		sun   Sun
		at    string
		armed bool
		next  string
	}{
		{"before a night", night, here, "2026-11-29 21:59", false, "2026-11-29 22:00"},
		{"a night begins", night, here, "2026-11-29 22:00", true, "2026-11-30 06:00"},
		{"past midnight", night, here, "2026-11-30 03:00", true, "2026-11-30 06:00"},
		{"a night ends", night, here, "2026-11-30 06:00", false, "2026-11-30 22:00"},
		{"spans that touch are one", work, here, "2026-11-30 09:00", true, "2026-11-30 17:00"},
		{"the weekend is long", work, here, "2026-11-27 17:00", false, "2026-11-30 08:00"},
		{"a Friday night reaches into Saturday", []Span{{Days: []string{"fri"}, From: clock(20, 0), To: clock(8, 0)}}, here, "2026-11-28 07:00", true, "2026-11-28 08:00"},
		{"an hour is lost in spring", night, here, "2026-03-29 01:00", true, "2026-03-29 06:00"},
		{"round the clock", []Span{{From: clock(0, 0), To: clock(0, 0)}}, here, "2026-11-29 12:00", true, "2026-12-08 00:00"},
		{"by the sun", dark, here, "2026-11-29 12:00", false, "2026-11-29 15:58"},
		{"until before sunrise", dark, here, "2026-11-29 20:00", true, "2026-11-30 07:22"},
		{"polar night is dark up to its noon", dark, Sun{69.65, 18.96}, "2026-12-20 12:30", true, "2026-12-21 11:30"},
		{"midnight sun is never dark", dark, Sun{69.65, 18.96}, "2026-06-20 12:00", false, "2026-06-27 12:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.ParseInLocation("2006-01-02 15:04", c.at, berlin)
			if err != nil {
				t.Fatal(err)
			}
			armed, next := Schedule{c.spans, c.sun}.At(at)
			if got := next.Format("2006-01-02 15:04"); armed != c.armed || got != c.next {
				t.Errorf("armed %v until %s, want %v until %s", armed, got, c.armed, c.next)
			}
		})
	}
}

func TestUp(t *testing.T) {
	sun := Sun{52.52, 13.40}
	at := time.Date(2026, 11, 29, 5, 0, 0, 0, berlin)
	up, next := sun.Up(at)
	if got := next.Format("15:04"); up || got != "07:51" {
		t.Errorf("at five in the morning: up %v until %s, want down until 07:51", up, got)
	}
	up, next = sun.Up(at.Add(7 * time.Hour))
	if got := next.Format("15:04"); !up || got != "15:58" {
		t.Errorf("at noon: up %v until %s, want up until 15:58", up, got)
	}
	// A summer evening in Seattle, told by a machine that was left at UTC.
	up, next = Sun{47.6, -122.3}.Up(time.Date(2026, 6, 20, 2, 0, 0, 0, time.UTC))
	if got := next.Format("15:04"); !up || got < "04:05" || got > "04:16" {
		t.Errorf("on a summer evening far west: up %v until %s, want up until ten past four", up, got)
	}
}
