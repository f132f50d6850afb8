package pir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

// headerLabels are the chips behind the 40-pin header. The number of a chip says
// nothing: that of the Pi 5's RP1 has been 4, 0 and 11 (raspberrypi/linux#6144).
var headerLabels = []string{"pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"}

// Chip is a GPIO chip of this machine.
type Chip struct {
	Name  string // as under /dev
	Label string
	Lines int
	Err   error // why it could not be opened; Label and Lines are then unknown
}

// Chips lists the machine's GPIO chips. Aliases (symbolic links) are left out.
func Chips() []Chip {
	var all []Chip
	for _, name := range gpiocdev.Chips() {
		if fi, err := os.Lstat("/dev/" + name); err != nil || fi.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		c, err := gpiocdev.NewChip(name)
		if err != nil {
			all = append(all, Chip{Name: name, Err: err})
			continue
		}
		all = append(all, Chip{Name: name, Label: c.Label, Lines: c.Lines()})
		c.Close()
	}
	return all
}

// FindChip returns the name of the chip that want names by name, path or label;
// of the Pi's header where want is empty. Its error says which chips there are.
func FindChip(want string) (string, error) {
	labels := headerLabels
	if want != "" {
		labels = []string{want}
		path := "/dev/" + strings.TrimPrefix(want, "/dev/")
		if real, err := filepath.EvalSymlinks(path); err == nil && strings.HasPrefix(real, "/dev/gpiochip") {
			return filepath.Base(real), nil
		}
	}
	chips := Chips()
	return pick(chips, labels, want)
}

func pick(chips []Chip, labels []string, want string) (string, error) {
	if len(chips) == 0 {
		return "", errors.New("pir: this machine has no GPIO chip (/dev/gpiochip*): is this a Pi, and may the service see the device?")
	}
	var seen []string
	for _, c := range chips {
		switch {
		case errors.Is(c.Err, fs.ErrPermission):
			return "", denied(c.Name)
		case errors.Is(c.Err, gpiocdev.ErrNotCharacterDevice):
			seen = append(seen, c.Name+" (unknown to /sys/bus/gpio: is /sys hidden?)")
		case c.Err != nil:
			seen = append(seen, fmt.Sprintf("%s (%v)", c.Name, c.Err))
		case slices.Contains(labels, c.Label):
			return c.Name, nil
		default:
			seen = append(seen, fmt.Sprintf("%s (%s, %d lines)", c.Name, c.Label, c.Lines))
		}
	}
	if want != "" {
		return "", fmt.Errorf("pir: no GPIO chip %q; there are: %s", want, strings.Join(seen, ", "))
	}
	return "", fmt.Errorf("pir: no chip of a Pi's header (%s); name one with `chip`: %s", strings.Join(labels, ", "), strings.Join(seen, ", "))
}

func denied(chip string) error {
	return fmt.Errorf("pir: no permission for /dev/%s: join the group gpio (sudo usermod -aG gpio USER, then log in again): %w", chip, fs.ErrPermission)
}

type cdevLine struct {
	l         *gpiocdev.Line
	debounced bool
}

func openCdev(o Options, edge func(Level)) (line, error) {
	name, err := FindChip(o.Chip)
	if err != nil {
		return nil, err
	}
	c, err := gpiocdev.NewChip(name, gpiocdev.WithConsumer("pirwatch sensor"))
	if errors.Is(err, fs.ErrPermission) {
		return nil, denied(name)
	} else if err != nil {
		return nil, fmt.Errorf("pir: open GPIO chip %s: %w", name, err)
	}
	defer c.Close()
	if o.Line >= c.Lines() {
		return nil, fmt.Errorf("pir: %s (%s) has no line %d, only 0 to %d; on a Pi `line` is the BCM number, not the header's pin", name, c.Label, o.Line, c.Lines()-1)
	}
	request := []gpiocdev.LineReqOption{
		gpiocdev.AsInput,
		gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
			edge(Level{At: wall(e.Timestamp), High: e.Type == gpiocdev.LineEventRisingEdge})
		}),
		gpiocdev.WithBothEdges,
	}
	if o.ActiveLow {
		request = append(request, gpiocdev.AsActiveLow)
	}
	switch o.Pull {
	case "up":
		request = append(request, gpiocdev.WithPullUp)
	case "down":
		request = append(request, gpiocdev.WithPullDown)
	case "off":
		request = append(request, gpiocdev.WithBiasDisabled)
	}
	debounced := o.Debounce > 0
	if debounced {
		l, err := c.RequestLine(o.Line, append(slices.Clone(request), gpiocdev.WithDebounce(o.Debounce))...)
		if err == nil {
			return &cdevLine{l, true}, nil
		}
		if !unsupported(err) { // kernels before 5.10 do not debounce
			return nil, refused(c, name, o.Line, err)
		}
	}
	l, err := c.RequestLine(o.Line, request...)
	if err != nil {
		return nil, refused(c, name, o.Line, err)
	}
	return &cdevLine{l, false}, nil
}

func unsupported(err error) bool {
	var abi gpiocdev.ErrUapiIncompatibility
	return errors.As(err, &abi) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP)
}

func refused(c *gpiocdev.Chip, name string, offset int, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		holder := "another driver or program"
		if info, ierr := c.LineInfo(offset); ierr == nil && info.Consumer != "" {
			holder = fmt.Sprintf("%q", info.Consumer)
			if strings.HasPrefix(info.Consumer, "pirwatch ") {
				return fmt.Errorf("pir: line %d of %s is in use by a running pirwatch (%s): stop that first (sudo systemctl stop pirwatch), or choose another line: %w", offset, name, holder, err)
			}
		}
		return fmt.Errorf("pir: line %d of %s is in use by %s: stop that, or wire the sensor to another line: %w", offset, name, holder, err)
	case unsupported(err):
		return fmt.Errorf("pir: line %d of %s: this kernel cannot set a pull there; use `pull = \"\"` and a resistor of 10 kOhm: %w", offset, name, err)
	}
	return fmt.Errorf("pir: request line %d of %s: %w", offset, name, err)
}

// wall turns a kernel time stamp into a time. It counts CLOCK_MONOTONIC since
// Linux 5.7 and CLOCK_REALTIME before; what is on neither is taken as now.
func wall(stamp time.Duration) time.Time {
	now, mono := time.Now(), clock(unix.CLOCK_MONOTONIC)
	for _, age := range []time.Duration{mono - stamp, time.Duration(now.UnixNano()) - stamp} {
		if age >= 0 && age < 10*time.Second {
			return now.Add(-age)
		}
	}
	return now
}

func (l *cdevLine) High() (bool, error) {
	v, err := l.l.Value()
	return v == 1, err
}

func (l *cdevLine) Debounced() bool { return l.debounced }
func (l *cdevLine) Close() error    { return l.l.Close() }
