//go:build lab

package guest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pirwatch/capture/lamp"
	"pirwatch/motion/pir"
)

// header is a simulated chip like a Pi's: 54 lines, label pinctrl-bcm2835. What
// is written to a line's pull is what a sensor drives.
type header struct {
	t    *testing.T
	dir  string // in configfs
	live bool
}

func newHeader(t *testing.T) *header {
	inside(t)
	run(t, "modprobe", "gpio-sim")
	if _, err := os.Stat("/sys/kernel/config/gpio-sim"); err != nil {
		run(t, "mount", "-t", "configfs", "none", "/sys/kernel/config")
	}
	h := &header{t: t, dir: "/sys/kernel/config/gpio-sim/pi"}
	for _, d := range []string{"", "bank0", "bank0/line17", "bank0/line18"} {
		if err := os.Mkdir(filepath.Join(h.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, h.dir+"/bank0/num_lines", "54")
	write(t, h.dir+"/bank0/label", "pinctrl-bcm2835")
	write(t, h.dir+"/bank0/line17/name", "PIR")
	h.plug()
	t.Cleanup(func() {
		if h.live {
			h.unplug()
		}
		for _, d := range []string{"bank0/line18", "bank0/line17", "bank0", ""} {
			if err := os.Remove(filepath.Join(h.dir, d)); err != nil {
				t.Error(err)
			}
		}
	})
	return h
}

func (h *header) plug() {
	h.t.Helper()
	write(h.t, h.dir+"/live", "1")
	h.live = true
	name := read(h.t, h.dir+"/bank0/chip_name")
	eventually(h.t, "udev makes /dev/"+name, func() bool { _, err := os.Stat("/dev/" + name); return err == nil })
}

func (h *header) unplug() {
	h.t.Helper()
	write(h.t, h.dir+"/live", "0")
	h.live = false
}

func (h *header) line(n, file string) string {
	return filepath.Join("/sys/devices/platform", read(h.t, h.dir+"/dev_name"), read(h.t, h.dir+"/bank0/chip_name"), "sim_gpio"+n, file)
}

func (h *header) drive(level string) {
	h.t.Helper()
	write(h.t, h.line("17", "pull"), "pull-"+level)
}

// sensor runs a pir.Sensor until the test ends.
type sensor struct {
	*pir.Sensor
	t      *testing.T
	levels chan pir.Level
}

func start(t *testing.T, change func(*pir.Options)) *sensor {
	o := pir.Defaults()
	o.WarmUp = 0
	if change != nil {
		change(&o)
	}
	s := &sensor{Sensor: pir.New(o, nil), t: t, levels: make(chan pir.Level, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func(l pir.Level) { s.levels <- l }) }()
	t.Cleanup(func() {
		cancel()
		if err := within(t, "the sensor stops", done); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *sensor) want(high bool) pir.Level {
	s.t.Helper()
	l := within(s.t, "a level", s.levels)
	if l.High != high {
		s.t.Fatalf("level %v, want %v", l.High, high)
	}
	return l
}

func (s *sensor) state(want string) {
	s.t.Helper()
	eventually(s.t, "state "+want, func() bool { return s.Health().State == want })
}

func TestSensorOnTheKernelsChip(t *testing.T) {
	h := newHeader(t)
	s := start(t, nil)
	s.want(false)
	for range 3 {
		for _, level := range []string{"up", "down"} {
			before := time.Now()
			h.drive(level)
			l := s.want(level == "up")
			// The kernel's stamp, translated: between the change and now.
			if l.At.Before(before) || l.At.After(time.Now()) {
				t.Errorf("the edge is stamped %s after the change", l.At.Sub(before))
			}
		}
	}
	s.state(pir.OK)
	if n := s.Health().Edges; n != 6 {
		t.Errorf("%d edges, want 6", n)
	}
}

func TestHighBeforeTheStart(t *testing.T) {
	h := newHeader(t)
	h.drive("up")
	start(t, func(o *pir.Options) { o.Pull = "" }).want(true)
}

func TestKernelDebounce(t *testing.T) {
	h := newHeader(t)
	s := start(t, func(o *pir.Options) { o.Debounce = 3 * time.Second })
	s.want(false)
	for range 20 { // spikes far shorter than the debounce
		h.drive("up")
		h.drive("down")
	}
	h.drive("up")
	s.want(true)
	h.drive("down")
	s.want(false)
	if n := s.Health().Edges; n != 2 {
		t.Errorf("%d edges, want 2: spikes were counted", n)
	}
}

func TestActiveLow(t *testing.T) {
	h := newHeader(t)
	s := start(t, func(o *pir.Options) { o.ActiveLow, o.Pull = true, "up" })
	s.want(false)
	h.drive("down")
	s.want(true)
	h.drive("up")
	s.want(false)
}

func TestStuckAndRested(t *testing.T) {
	h := newHeader(t)
	s := start(t, func(o *pir.Options) { o.StuckAfter = 3 * time.Second })
	s.want(false)
	h.drive("up")
	s.want(true)
	s.want(false) // declared stuck, the line still high
	s.state(pir.Stuck)
	h.drive("down")
	s.state(pir.OK)
	h.drive("up")
	s.want(true)
}

func TestChatteringLine(t *testing.T) {
	h := newHeader(t)
	s := start(t, func(o *pir.Options) { o.Debounce, o.ChatterPerMinute = 0, 5 })
	s.want(false)
	for range 5 {
		h.drive("up")
		s.want(true)
		h.drive("down")
		s.want(false)
	}
	s.state(pir.Chattering)
}

func TestWarmUpOfThisBoot(t *testing.T) {
	h := newHeader(t)
	s := start(t, func(o *pir.Options) { o.WarmUp = time.Hour })
	s.want(false)
	h.drive("up")
	eventually(t, "the edge is counted", func() bool { return s.Health().Edges == 1 })
	s.state(pir.Warming)
	if len(s.levels) > 0 {
		t.Error("a pulse of the warm-up is delivered")
	}
}

func TestChipGoneAndBack(t *testing.T) {
	h := newHeader(t)
	s := start(t, nil)
	s.want(false)
	h.drive("up")
	s.want(true)
	h.unplug()
	s.want(false) // nobody can say that there is motion
	s.state(pir.Missing)
	h.plug()
	s.state(pir.OK)
	h.drive("up")
	s.want(true)
}

func TestTryOnTheKernelsChip(t *testing.T) {
	h := newHeader(t)
	o := pir.Defaults()
	if err := pir.Try(o); err != nil {
		t.Error(err)
	}
	name := read(t, h.dir+"/bank0/chip_name")
	if got, err := pir.FindChip(""); got != name || err != nil {
		t.Errorf("the header is %q, %v; want %q", got, err, name)
	}
	for _, chip := range []string{name, "/dev/" + name, "pinctrl-bcm2835"} {
		o.Chip = chip
		if err := pir.Try(o); err != nil {
			t.Errorf("chip %q: %v", chip, err)
		}
	}
	o.Chip = "pinctrl-rp1"
	says(t, pir.Try(o), `no GPIO chip "pinctrl-rp1"; there are: `)
	o.Chip, o.Line = "", 54
	says(t, pir.Try(o), "has no line 54, only 0 to 53; on a Pi `line` is the BCM number")
	o.Line = 17
	s := start(t, nil)
	s.want(false)
	says(t, pir.Try(o), `line 17 of `+name+` is in use by a running pirwatch ("pirwatch sensor"): stop that first`)
	o.Driver = "rpio"
	says(t, pir.Try(o), "works only on a Pi 1 to 4 or Zero")
	h.unplug()
	o.Driver = ""
	if err := pir.Try(o); err == nil {
		t.Error("a chip that is not there opens")
	}
}

func TestLamp(t *testing.T) {
	h := newHeader(t)
	chip, err := pir.FindChip("")
	if err != nil {
		t.Fatal(err)
	}
	for _, low := range []bool{false, true} {
		l, err := lamp.Open(lamp.Options{Chip: chip, Line: 18, ActiveLow: low})
		if err != nil {
			t.Fatal(err)
		}
		for _, on := range []bool{false, true, true, false, true} {
			if err := l.Set(on); err != nil {
				t.Fatal(err)
			}
			want := map[bool]string{false: "0", true: "1"}[on != low]
			if got := read(t, h.line("18", "value")); got != want {
				t.Errorf("active low %v, lamp %v: line %s, want %s", low, on, got, want)
			}
		}
		_, err = lamp.Open(lamp.Options{Chip: chip, Line: 18})
		says(t, err, "is in use")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = lamp.Open(lamp.Options{Chip: chip, Line: 99})
	says(t, err, "has no line 99")
}
