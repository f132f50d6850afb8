package lamp

import (
	"errors"
	"fmt"
	"sync"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// Lamp holds one output line.
type Lamp struct {
	o Options

	mu sync.Mutex
	l  *gpiocdev.Line
	on bool
}

// Open requests the line as an output, dark. Where that fails the lamp may be
// kept all the same: each Set asks for the line again.
func Open(o Options) (*Lamp, error) {
	l := &Lamp{o: o}
	return l, l.request()
}

func (l *Lamp) request() error {
	options := []gpiocdev.LineReqOption{gpiocdev.WithConsumer("pirwatch lamp"), gpiocdev.AsOutput(level(l.on))}
	if l.o.ActiveLow {
		options = append(options, gpiocdev.AsActiveLow)
	}
	line, err := gpiocdev.RequestLine(l.o.Chip, l.o.Line, options...)
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("lamp: line %d of %s is in use: stop what uses it, or wire the lamp to another line: %w", l.o.Line, l.o.Chip, err)
	case errors.Is(err, gpiocdev.ErrInvalidOffset):
		return fmt.Errorf("lamp: %s has no line %d: give the BCM number, not the header's pin", l.o.Chip, l.o.Line)
	case err != nil:
		return fmt.Errorf("lamp: request line %d of %s: %w", l.o.Line, l.o.Chip, err)
	}
	l.l = line
	return nil
}

// Set switches the lamp. A chip that went away is asked for again each time.
func (l *Lamp) Set(on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = on
	if l.l == nil {
		return l.request()
	}
	if err := l.l.SetValue(level(on)); err != nil {
		l.l.Close()
		l.l = nil
		return fmt.Errorf("lamp: switch line %d of %s: %w", l.o.Line, l.o.Chip, err)
	}
	return nil
}

// Close leaves the lamp dark and gives the line back.
func (l *Lamp) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.l == nil {
		return nil
	}
	err := errors.Join(l.l.SetValue(0), l.l.Close())
	l.l = nil
	return err
}

func level(on bool) int {
	if on {
		return 1
	}
	return 0
}
