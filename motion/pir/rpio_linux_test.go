package pir

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The register block as go-rpio maps it where no device tree gives the base: five
// pages from 0x20000000 on, GPIO at 0x20200000.
const (
	fakeBase = 0x20000000
	fakeSize = fakeBase + 0x20c000 + 0x1000
	gpioPage = fakeBase + 0x200000
	gplev0   = 0x34
)

// TestRPIO runs itself again in a mount namespace of its own, where a sparse file
// stands at /dev/mem (as root) or /dev/gpiomem (as nobody).
func TestRPIO(t *testing.T) {
	if kind := os.Getenv("PIR_FAKE_PI"); kind != "" {
		fakePi(t, kind)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root for a mount namespace")
	}
	for _, kind := range []string{"mem", "gpiomem"} {
		t.Run(kind, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestRPIO$", "-test.v")
			cmd.Env = append(os.Environ(), "PIR_FAKE_PI="+kind)
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "--- SKIP") {
				t.Skipf("no mount namespace: %s", out)
			}
			if err != nil || !strings.Contains(string(out), "--- PASS: TestRPIO") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func fakePi(t *testing.T, kind string) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("make the mounts private: %v", err)
	}
	if err := unix.Mount("fakepi", "/dev", "tmpfs", 0, "mode=755,size=8m"); err != nil {
		t.Skipf("mount a tmpfs: %v", err)
	}
	regs := registersFile(t, "/dev/"+kind)
	if kind == "gpiomem" {
		if err := os.WriteFile("/dev/mem", nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setuid(65534); err != nil {
			t.Fatal(err)
		}
	}

	pin := func(bit int, high bool) {
		if high {
			regs[gplev0/4] |= 1 << bit
		} else {
			regs[gplev0/4] &^= 1 << bit
		}
	}
	o := Defaults()
	o.Driver, o.WarmUp = "rpio", 0
	s := New(o, nil)
	s.open = func(o Options, edge func(Level)) (line, error) {
		return openRPIO(o, []byte("raspberrypi,3-model-b\x00brcm,bcm2837\x00"), edge)
	}
	for session := range 2 { // the mapping is opened once and survives a session
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		levels := make(chan Level, 16)
		done := make(chan error)
		go func() { done <- s.Run(ctx, func(l Level) { levels <- l }) }()
		for i, want := range []bool{false, true, false, true, false} {
			pin(17, want)
			pin(18, !want) // the neighbour must not matter
			select {
			case l := <-levels:
				if l.High != want {
					t.Fatalf("session %d, level %d: %v, want %v", session, i, l.High, want)
				}
			case <-ctx.Done():
				t.Fatalf("session %d, level %d: no level; health %+v", session, i, s.Health())
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if fsel := regs[1] >> 21 & 7; fsel != 0 { // GPFSEL1, bits 21 to 23: line 17
		t.Errorf("line 17 has function %d, want 0: input", fsel)
	}

	o.ActiveLow = true
	pin(17, false)
	l, err := openRPIO(o, []byte("brcm,bcm2835"), func(Level) {})
	if err != nil {
		t.Fatal(err)
	}
	if high, err := l.High(); !high || err != nil {
		t.Errorf("active low, line low: %v, %v; want motion", high, err)
	}
	l.Close()
	fmt.Println("registers at", "/dev/"+kind)
}

// registersFile makes the stand-in and maps its GPIO page. /dev/gpiomem ignores
// the offset that go-rpio asks for; the sparse file has the page there anyway.
func registersFile(t *testing.T, path string) *[1024]uint32 {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(fakeSize); err != nil {
		t.Fatal(err)
	}
	page, err := unix.Mmap(int(f.Fd()), gpioPage, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	return (*[1024]uint32)(unsafe.Pointer(unsafe.SliceData(page)))
}
