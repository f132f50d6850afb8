package configs

import (
	"testing"
	"time"
)

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0s": 0, "500ms": time.Second / 2, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "90s": 90 * time.Second, "24h": 24 * time.Hour,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || d.Std() != want {
			t.Errorf("%q: %v, %v; want %v", in, d.Std(), err, want)
		}
		var again Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%q is written as %q, which reads as %v, %v", in, d, again, err)
		}
	}
	for _, in := range []string{"", "5", "5 s", "-5s", "d", "-1d", "1.5d", "5x", "99999d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, d)
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]Size{
		"0B": 0, "64MB": 64e6, "64mb": 64e6, "64 MB": 64e6, "1.5GB": 1.5e9, "1KiB": 1024, "64MiB": 64 << 20, "500kB": 5e5, "7B": 7, "256GB": 256e9,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", in, s, err, want)
		}
		var again Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%q is written as %q, which reads as %d, %v", in, s, again, err)
		}
	}
	for _, in := range []string{"", "64", "MB", "-1MB", "1e9B", "0x10B", "1_000B", "64M", "inf B", "nanB"} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %d", in, s)
		}
	}
}

func TestTimesOfDay(t *testing.T) {
	for in, want := range map[string]TimeOfDay{
		"00:00": {}, "06:30": {Offset: 6*time.Hour + 30*time.Minute}, "23:59": {Offset: 23*time.Hour + 59*time.Minute},
		"sunset": {Sun: "sunset"}, "sunrise-30m": {"sunrise", -30 * time.Minute}, "sunset+1h30m": {"sunset", 90 * time.Minute},
	} {
		var got TimeOfDay
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want || got.String() != in {
			t.Errorf("%q: %v (%q), %v", in, got, got.String(), err)
		}
	}
	for _, in := range []string{"", "24:00", "6:30", "06:30:00", "noon", "sunset 1h", "sunset+7h", "sunset1h", "sunrise-"} {
		var got TimeOfDay
		if err := got.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

func TestDimensions(t *testing.T) {
	var d Dimensions
	if err := d.UnmarshalText([]byte("500x281")); err != nil || d != (Dimensions{500, 281}) || d.String() != "500x281" {
		t.Errorf("%v, %v", d, err)
	}
	if err := d.UnmarshalText(nil); err != nil || d != (Dimensions{}) {
		t.Errorf("%v, %v", d, err)
	}
	for _, in := range []string{"500", "500x", "x281", "0x0", "500x281x3", "99999x10", "-500x281"} {
		if err := d.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, d)
		}
	}
}
