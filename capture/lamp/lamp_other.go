//go:build !linux

package lamp

import "errors"

// Lamp is only to be had on Linux.
type Lamp struct{}

// Open fails: GPIO lines are switched only on Linux.
func Open(Options) (*Lamp, error) {
	return nil, errors.New("lamp: GPIO lines are switched only on Linux")
}

// Set does nothing.
func (*Lamp) Set(bool) error { return nil }

// Close does nothing.
func (*Lamp) Close() error { return nil }
