//go:build !linux

package pir

import (
	"errors"
	"time"
)

var errOnlyLinux = errors.New("pir: GPIO lines are read only on Linux")

func open(o Options, edge func(Level)) (line, error) { return nil, errOnlyLinux }

func uptime() time.Duration { return 0 }

// Chip is a GPIO chip of this machine.
type Chip struct {
	Name, Label string
	Lines       int
	Err         error
}

// Chips finds none: GPIO lines are read only on Linux.
func Chips() []Chip { return nil }

// FindChip fails: GPIO lines are read only on Linux.
func FindChip(want string) (string, error) { return "", errOnlyLinux }
