//go:build lab && linux

package pi3

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pirwatch/motion/pir"
)

// TestMain is init where it is process 1: it mounts what the drivers look at,
// starts itself anew (go-rpio looks for /proc before main), runs the tests, tells
// the host, and waits to be switched off.
func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	if os.Getenv("PIRWATCH_LAB_PI3") == "" {
		for _, fs := range []struct{ kind, at string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
			os.MkdirAll(fs.at, 0o755)
			if err := unix.Mount(fs.kind, fs.at, fs.kind, 0, ""); err != nil {
				fmt.Println("mount", fs.at, err)
			}
		}
		fmt.Println(unix.Exec("/init", []string{"/init", "-test.v", "-test.timeout=20m"}, []string{"PIRWATCH_LAB_PI3=1"}))
	}
	fmt.Println("\nlab: exit", m.Run())
	for {
		time.Sleep(time.Hour)
	}
}

const patience = 2 * time.Minute

func inside(t *testing.T) {
	if os.Getpid() != 1 {
		t.Skip("runs only on the lab's Pi 3")
	}
}

// registers maps the GPIO block of a BCM2837. Its GPSET and GPCLR move the level
// of any line in this model, an input too: that is how the sensor is played.
func registers(t *testing.T) *[1024]uint32 {
	f, err := os.OpenFile("/dev/mem", os.O_RDWR|os.O_SYNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0x3f200000, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	return (*[1024]uint32)(unsafe.Pointer(unsafe.SliceData(page)))
}

const (
	gpset0 = 0x1c / 4
	gpclr0 = 0x28 / 4
)

func TestChipOfThePi(t *testing.T) {
	inside(t)
	model, _ := os.ReadFile("/sys/firmware/devicetree/base/model")
	t.Logf("%s", strings.TrimRight(string(model), "\x00"))
	name, err := pir.FindChip("")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range pir.Chips() {
		if c.Name == name && (c.Label != "pinctrl-bcm2835" || c.Lines != 54) {
			t.Errorf("the header's chip: %+v", c)
		}
	}
	if err := pir.Try(pir.Defaults()); err != nil {
		t.Error(err)
	}
}

// watch runs a sensor while the line moves.
func watch(t *testing.T, o pir.Options) {
	inside(t)
	if err := pir.Try(o); err != nil {
		t.Fatal(err)
	}
	regs := registers(t)
	regs[gpclr0] = 1 << o.Line
	s := pir.New(o, nil)
	ctx, cancel := context.WithCancel(context.Background())
	levels, done := make(chan pir.Level, 100), make(chan error, 1)
	go func() { done <- s.Run(ctx, func(l pir.Level) { levels <- l }) }()
	for i, want := range []bool{false, true, false, true, false} {
		if want {
			regs[gpset0] = 1 << o.Line
		} else {
			regs[gpclr0] = 1 << o.Line
		}
		select {
		case l := <-levels:
			if l.High != want {
				t.Fatalf("level %d: %v, want %v", i, l.High, want)
			}
		case <-time.After(patience):
			t.Fatalf("no level %d within %s; health %+v", i, patience, s.Health())
		}
	}
	if h := s.Health(); h.State != pir.OK || h.Edges != 4 {
		t.Errorf("health %+v, want ok and 4 edges", h)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRPIOOnTheRegisterBlock(t *testing.T) {
	o := pir.Defaults()
	o.Driver, o.WarmUp = "rpio", 0
	watch(t, o)
}

// The model raises no interrupt for an input: what is proven here is the request
// on the real pinctrl driver, and that the level is read again.
func TestCdevOnThePinctrl(t *testing.T) {
	o := pir.Defaults()
	o.WarmUp, o.Debounce = 0, 0
	watch(t, o)
}
