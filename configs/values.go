package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span, written with its units: "500ms", "5s", "1h30m", "30d".
type Duration time.Duration

// Std returns the span as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the span as a configuration would: "5s", "1h30m", "30d".
func (d Duration) String() string {
	t := time.Duration(d)
	if t != 0 && t%(24*time.Hour) == 0 {
		return strconv.FormatInt(int64(t/(24*time.Hour)), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalText writes the span with its units.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [time.ParseDuration] does, and whole days ("30d").
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err == nil && n >= 0 && n <= 36500 {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	t, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration; write a number with a unit (ms, s, m, h, d), such as \"500ms\", \"5s\" or \"1h30m\"", s)
	}
	if t < 0 {
		return fmt.Errorf("%q is negative; a duration is 0s or longer", s)
	}
	*d = Duration(t)
	return nil
}

// Size is a number of bytes, written with its unit: "64MB". kB, MB and GB are
// powers of 1000; KiB, MiB and GiB powers of 1024.
type Size int64

// Bytes returns the size as a plain number.
func (s Size) Bytes() int64 { return int64(s) }

// sizeUnits are tried from the largest to the smallest when writing.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
}

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	if s != 0 {
		for _, u := range sizeUnits {
			if int64(s)%u.bytes == 0 {
				return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
			}
		}
	}
	return "0B"
}

// MarshalText writes the size with its unit.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a number and a unit; the unit's case does not matter.
func (s *Size) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a size; write a number with a unit (B, kB, MB, GB, KiB, MiB, GiB), such as \"64MB\"", text)
	in := strings.TrimSpace(string(text))
	digits := strings.TrimRight(in, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(in[len(digits):])
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(digits, "eExX_+") {
		return bad
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, unit) {
			if n*float64(u.bytes) > 1<<50 {
				return fmt.Errorf("%q is more than any disk holds; write a size such as \"64MB\"", text)
			}
			*s = Size(n * float64(u.bytes))
			return nil
		}
	}
	return bad
}

// Dimensions is the size of a picture in pixels, written "500x281"; the zero
// value, written "", leaves a picture as it is.
type Dimensions struct{ Width, Height int }

// String writes the dimensions as a configuration would.
func (d Dimensions) String() string {
	if d == (Dimensions{}) {
		return ""
	}
	return fmt.Sprintf("%dx%d", d.Width, d.Height)
}

// MarshalText writes the dimensions as a configuration would.
func (d Dimensions) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "WIDTHxHEIGHT", each from 16 to 8192, or "".
func (d *Dimensions) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Dimensions{}
		return nil
	}
	w, h, ok := strings.Cut(strings.ToLower(string(text)), "x")
	width, err1 := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	if !ok || err1 != nil || err2 != nil || min(width, height) < 16 || max(width, height) > 8192 {
		return fmt.Errorf("%q is not a picture size; write width and height in pixels, each from 16 to 8192, such as \"500x281\"", text)
	}
	*d = Dimensions{width, height}
	return nil
}

// TimeOfDay is a moment of the day: by the clock ("22:30"), or by the sun with
// an offset ("sunset", "sunrise-30m").
type TimeOfDay struct {
	Sun    string        // "sunrise", "sunset", or "" for the clock
	Offset time.Duration // from sunrise or sunset (may be negative), else since midnight
}

// String writes the moment as a configuration would.
func (t TimeOfDay) String() string {
	switch {
	case t.Sun == "":
		return fmt.Sprintf("%02d:%02d", t.Offset/time.Hour, t.Offset%time.Hour/time.Minute)
	case t.Offset > 0:
		return t.Sun + "+" + Duration(t.Offset).String()
	case t.Offset < 0:
		return t.Sun + "-" + Duration(-t.Offset).String()
	}
	return t.Sun
}

// MarshalText writes the moment as a configuration would.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads "HH:MM", "sunrise" or "sunset", the latter two with an
// offset of at most 6 h.
func (t *TimeOfDay) UnmarshalText(text []byte) error {
	s := string(text)
	for _, sun := range []string{"sunrise", "sunset"} {
		rest, ok := strings.CutPrefix(s, sun)
		if !ok {
			continue
		}
		if rest == "" {
			*t = TimeOfDay{Sun: sun}
			return nil
		}
		offset, err := time.ParseDuration(rest)
		if (rest[0] == '+' || rest[0] == '-') && err == nil && offset.Abs() <= 6*time.Hour {
			*t = TimeOfDay{Sun: sun, Offset: offset}
			return nil
		}
	}
	if clock, err := time.Parse("15:04", s); err == nil && len(s) == 5 {
		*t = TimeOfDay{Offset: time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute}
		return nil
	}
	return fmt.Errorf("%q is not a time of day; write \"22:30\", \"sunset\" or \"sunrise-30m\" (at most 6h from the sun)", s)
}

// Polygon is an area of the picture: at least three corners [x, y] in fractions
// of its width and height, from the top left.
type Polygon [][2]float64
