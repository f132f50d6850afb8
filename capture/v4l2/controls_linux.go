package v4l2

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/blackjack/webcam"
)

// Control ids of v4l2-controls.h.
const (
	cidGain         = 0x00980913
	cidAutoGain     = 0x00980912
	cidAutoWhite    = 0x0098090c
	cidWhite        = 0x0098091a
	cidPowerLine    = 0x00980918
	cidAutoExposure = 0x009a0901
	cidExposure     = 0x009a0902
	cidFocus        = 0x009a090a
	cidAutoFocus    = 0x009a090c
)

// manual are the short names: the control, and the automatic that would undo it,
// with the value that switches it off (exposure's is a menu: 1 is manual).
var manual = map[string]struct {
	id, auto webcam.ControlID
	off      int32
}{
	"exposure":      {cidExposure, cidAutoExposure, 1},
	"gain":          {cidGain, cidAutoGain, 0},
	"focus":         {cidFocus, cidAutoFocus, 0},
	"white_balance": {cidWhite, cidAutoWhite, 0},
}

// controlName is the driver's name as v4l2-ctl writes it.
func controlName(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
			gap = false
		} else {
			gap = true
		}
	}
	return b.String()
}

// control sets what is asked for, automatics first, and goes on after a failure:
// a picture with a wrong gain is better than none.
func control(d device, want map[string]int) error {
	if len(want) == 0 {
		return nil
	}
	has := d.GetControls()
	ids := map[string]webcam.ControlID{}
	for id, c := range has {
		ids[controlName(c.Name)] = id
	}
	names := slices.SortedFunc(maps.Keys(want), func(a, b string) int {
		if x, y := strings.Contains(a, "auto"), strings.Contains(b, "auto"); x != y {
			if x {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var all []error
	for _, name := range names {
		value := int32(want[name])
		id, ok := ids[name]
		if short, known := manual[name]; known {
			if _, ok = has[short.id]; ok {
				id = short.id
				if _, auto := has[short.auto]; auto {
					d.SetControl(short.auto, short.off) // some cameras refuse it and obey all the same
				}
			}
		}
		if !ok {
			all = append(all, fmt.Errorf("the camera has no control %q; it has: %s", name, strings.Join(slices.Sorted(maps.Keys(ids)), ", ")))
			continue
		}
		if id == cidPowerLine {
			switch value {
			case 50:
				value = 1
			case 60:
				value = 2
			}
		}
		c := has[id]
		if c.Max > c.Min && (value < c.Min || value > c.Max) {
			all = append(all, fmt.Errorf("%s %d: want %d to %d", name, want[name], c.Min, c.Max))
			continue
		}
		if err := d.SetControl(id, value); err != nil {
			all = append(all, fmt.Errorf("set %s to %d: %w", name, want[name], err))
		}
	}
	return errors.Join(all...)
}
