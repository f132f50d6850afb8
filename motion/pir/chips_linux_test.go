package pir

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
)

func TestPick(t *testing.T) {
	pi5 := []Chip{
		{Name: "gpiochip10", Label: "gpio-brcmstb@107d508500", Lines: 32},
		{Name: "gpiochip11", Label: "pinctrl-rp1", Lines: 54},
	}
	for _, c := range []struct {
		name  string
		chips []Chip
		want  string // asked for
		chip  string
		err   string
	}{
		{"Pi 5", pi5, "", "gpiochip11", ""},
		{"by label", pi5, "gpio-brcmstb@107d508500", "gpiochip10", ""},
		{"Pi 4", []Chip{{Name: "gpiochip0", Label: "pinctrl-bcm2711", Lines: 58}}, "", "gpiochip0", ""},
		{"none", nil, "", "", "no GPIO chip (/dev/gpiochip*)"},
		{"not a Pi", []Chip{{Name: "gpiochip0", Label: "INT34C6", Lines: 300}}, "", "", "name one with `chip`: gpiochip0 (INT34C6, 300 lines)"},
		{"wrong name", pi5, "gpiochip3", "", `no GPIO chip "gpiochip3"; there are: gpiochip10`},
		{"permission", []Chip{{Name: "gpiochip0", Err: fs.ErrPermission}}, "", "", "no permission for /dev/gpiochip0: join the group gpio"},
		{"hidden /sys", []Chip{{Name: "gpiochip0", Err: gpiocdev.ErrNotCharacterDevice}}, "", "", "is /sys hidden?"},
	} {
		labels := headerLabels
		if c.want != "" {
			labels = []string{c.want}
		}
		got, err := pick(c.chips, labels, c.want)
		if got != c.chip || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v; want %q, %q", c.name, got, err, c.chip, c.err)
		}
	}
}

func TestKernelTimeStamps(t *testing.T) {
	now := time.Now()
	for name, stamp := range map[string]time.Duration{
		"monotonic": clock(unix.CLOCK_MONOTONIC) - time.Second,
		"realtime":  time.Duration(now.UnixNano()) - time.Second,
	} {
		if d := wall(stamp).Sub(now); d > -900*time.Millisecond && d < -2*time.Second {
			t.Errorf("%s: %s from now, want -1s", name, d)
		}
		if d := wall(stamp).Sub(now); d >= 0 {
			t.Errorf("%s: %s from now: the age is lost", name, d)
		}
	}
	if d := wall(12345).Sub(now); d < 0 || d > time.Minute {
		t.Errorf("a stamp of no clock: %s from now, want now", d)
	}
}

func TestBoardsOfRPIO(t *testing.T) {
	for list, want := range map[string]string{
		"raspberrypi,3-model-b\x00brcm,bcm2837\x00":     "",
		"raspberrypi,4-model-b\x00brcm,bcm2711\x00":     "",
		"raspberrypi,model-zero-w\x00brcm,bcm2835":      "",
		"raspberrypi,5-model-b\x00brcm,bcm2712\x00":     "cannot work on a Pi 5",
		"raspberrypi,500\x00brcm,bcm2712\x00":           "cannot work on a Pi 5",
		"":                                              "names none",
		"friendlyarm,nanopi-r4s\x00rockchip,rk3399":     "names none",
		"example,brcm,bcm2835-lookalike\x00foo,bar\x00": "names none",
	} {
		err := knownSoC([]byte(list))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", list, err, want)
		}
	}
}

func TestTryTellsWhatIsMissing(t *testing.T) {
	o := Defaults()
	o.Chip = "no-such-chip"
	err := Try(o)
	if err == nil || !strings.HasPrefix(err.Error(), "pir: ") {
		t.Errorf("Try: %v", err)
	}
	o.Driver = "wiringpi"
	if err := Try(o); err == nil || !strings.Contains(err.Error(), "want gpiocdev or rpio") {
		t.Errorf("Try: %v", err)
	}
	if !unsupported(gpiocdev.ErrUapiIncompatibility{Feature: "debounce", AbiVersion: 1}) || unsupported(errors.New("other")) {
		t.Error("unsupported")
	}
}
