package motion

import "fmt"

// Mode says which witnesses may start an event. Its text is the wire's.
type Mode string

// The four modes of the `trigger` setting.
const (
	PIROnly    Mode = "pir"
	FramesOnly Mode = "frames"
	Either     Mode = "either"
	Both       Mode = "both" // a PIR pulse and moving pixels within Options.BothWindow of each other
)

// Modes lists all modes, in the order in which a menu would show them.
func Modes() []Mode { return []Mode{PIROnly, FramesOnly, Either, Both} }

// ParseMode checks a mode that came from outside.
func ParseMode(s string) (Mode, error) {
	for _, m := range Modes() {
		if string(m) == s {
			return m, nil
		}
	}
	return "", fmt.Errorf("trigger mode %.40q: want one of pir, frames, either, both", s)
}

// Witness is who saw the motion: a set of bits.
type Witness uint8

// The witnesses; an event that both saw has both bits.
const (
	PIR Witness = 1 << iota
	Frames
	Hand // a person asked for pictures
)

// String gives the word that goes on the wire as `trigger`.
func (w Witness) String() string {
	switch {
	case w&Hand != 0:
		return "manual"
	case w == PIR|Frames:
		return "pir+frames"
	case w == PIR:
		return "pir"
	case w == Frames:
		return "frames"
	}
	return "none"
}
