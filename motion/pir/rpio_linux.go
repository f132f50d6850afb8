package pir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/stianeikeland/go-rpio/v4"
)

// pollEvery loses nothing: the pulses of a PIR last seconds.
const pollEvery = 50 * time.Millisecond

// registers is the process's one mapping of the register block. go-rpio keeps it
// in package variables, and its Close writes interrupt registers, so it is opened
// once and left to the end of the process.
var registers struct {
	sync.Mutex
	open bool
}

// compatible is the device tree's list of board and chip, NUL-separated; empty
// where there is no device tree. Not /proc/device-tree: services may not see it.
func compatible() []byte {
	b, _ := os.ReadFile("/sys/firmware/devicetree/base/compatible")
	return b
}

func knownSoC(compatible []byte) error {
	for _, soc := range bytes.Split(compatible, []byte{0}) {
		switch string(soc) {
		case "brcm,bcm2712":
			return errors.New("pir: driver rpio cannot work on a Pi 5, whose GPIO sits in another chip (RP1) that go-rpio does not know: use driver = \"gpiocdev\"")
		case "brcm,bcm2835", "brcm,bcm2836", "brcm,bcm2837", "brcm,bcm2711":
			return nil
		}
	}
	return errors.New("pir: driver rpio works only on a Pi 1 to 4 or Zero, and this machine's device tree names none: use driver = \"gpiocdev\"")
}

type rpioLine struct {
	pin  rpio.Pin
	low  bool // active low
	stop chan struct{}
	done chan struct{}
}

func openRPIO(o Options, compatible []byte, edge func(Level)) (line, error) {
	if err := knownSoC(compatible); err != nil {
		return nil, err
	}
	if o.Line > 53 {
		return nil, fmt.Errorf("pir: line %d: a Pi has lines 0 to 53; give the BCM number", o.Line)
	}
	if err := mapRegisters(); err != nil {
		return nil, err
	}
	pin := rpio.Pin(o.Line)
	pin.Input()
	switch o.Pull {
	case "up":
		pin.PullUp()
	case "down":
		pin.PullDown()
	case "off":
		pin.PullOff()
	}
	l := &rpioLine{pin: pin, low: o.ActiveLow, stop: make(chan struct{}), done: make(chan struct{})}
	last, _ := l.High()
	go l.poll(last, edge)
	return l, nil
}

func mapRegisters() error {
	registers.Lock()
	defer registers.Unlock()
	if registers.open {
		return nil
	}
	err := rpio.Open()
	var opening *fs.PathError // else the file opened, and mapping it failed
	switch errors.As(err, &opening); {
	case err != nil && opening == nil:
		return fmt.Errorf("pir: map the GPIO registers (are /proc/device-tree and /dev/mem or /dev/gpiomem those of a Pi?): %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("pir: no permission for /dev/gpiomem: join the group gpio (sudo usermod -aG gpio USER, then log in again): %w", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("pir: driver rpio needs /dev/mem or /dev/gpiomem, which this kernel does not have; use driver = \"gpiocdev\": %w", err)
	case err != nil:
		return fmt.Errorf("pir: open the GPIO registers: %w", err)
	}
	registers.open = true
	return nil
}

// poll never uses go-rpio's Detect: it can freeze the whole Pi (go-rpio#35, #82).
func (l *rpioLine) poll(last bool, edge func(Level)) {
	defer close(l.done)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			if high, _ := l.High(); high != last {
				last = high
				edge(Level{At: time.Now(), High: high})
			}
		}
	}
}

func (l *rpioLine) High() (bool, error) { return (l.pin.Read() == rpio.High) != l.low, nil }
func (l *rpioLine) Debounced() bool     { return false }

func (l *rpioLine) Close() error {
	close(l.stop)
	<-l.done
	return nil
}
