//go:build linux

package rpicam

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pirwatch/capture"
)

// options make the test binary the camera program, behaving in the manner named.
func options(t *testing.T, manner string) Options {
	t.Setenv("RPICAM_STANDIN", manner)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else a stand-in with the race detector lingers for a second
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Program: self, StillProgram: self, Width: 64, Height: 48, FPS: 10, Quality: 80, Settle: -1}
}

// limit keeps a broken test from hanging; nothing is measured by it.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// pids makes the stand-ins leave their process ids, and says which still live.
func pids(t *testing.T) (alive func() []int) {
	dir := t.TempDir()
	t.Setenv("RPICAM_PIDS", dir)
	return func() (all []int) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			pid, _ := strconv.Atoi(e.Name())
			stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
			if err == nil && !bytes.Contains(stat, []byte(") Z ")) {
				all = append(all, pid)
			}
		}
		return all
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not within 30 s: " + what)
}

func TestStream(t *testing.T) {
	for _, manner := range []string{"ok", "slow", "flood"} {
		t.Run(manner, func(t *testing.T) {
			alive := pids(t)
			o := options(t, manner)
			ctx, cancel := context.WithCancel(limit(t))
			last := 0
			err := New(o, nil).Run(ctx, func(f capture.Frame) {
				if n := number(t, f.Data); n != last+1 {
					t.Errorf("frame %d after %d", n, last)
				}
				if last++; last == 50 {
					cancel()
				}
				if f.Width != 64 || f.Height != 48 || f.Format != capture.JPEG || time.Since(f.At) > time.Minute {
					t.Errorf("frame %+v", f)
				}
				if _, err := jpeg.Decode(bytes.NewReader(f.Data)); err != nil {
					t.Error(err)
				}
			})
			if err != nil || last != 50 {
				t.Errorf("%d frames, %v; want 50, nil, and none after the end", last, err)
			}
			if p := alive(); len(p) > 0 {
				t.Errorf("still running: %v", p)
			}
		})
	}
}

func TestKnownFailures(t *testing.T) {
	for manner, want := range map[string]string{
		"nocam":   "rpicam: the Pi sees no camera: check both ends of the ribbon cable",
		"busy":    "rpicam: the camera is in use by another program: find it with `sudo fuser -v /dev/media*`",
		"timeout": "rpicam: the camera's sensor stopped answering: check that the ribbon cable",
		"dmaheap": "rpicam: the Pi sees no camera",
		"dmabuf":  "rpicam: no access to /dev/dma_heap",
		"cma":     "rpicam: there is too little contiguous memory for the camera: choose a smaller picture",
		"refused": "rpicam: the camera refused its settings",
		"die":     "ended (exit status 1) and did not say why",
		"words":   "ended (exit status 3): ERROR: *** the moon is too bright ***",
		"count:3": "the camera program ended by itself",
		"count:0": "ended (exit status 0) and did not say why",
	} {
		t.Run(manner, func(t *testing.T) {
			alive := pids(t)
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			err := New(options(t, manner), logger).Run(limit(t), func(capture.Frame) {})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("not one line: %q", err)
			}
			if p := alive(); len(p) > 0 {
				t.Errorf("still running: %v", p)
			}
		})
	}
}

func TestProgramNotFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for program, want := range map[string]string{
		"":         "neither rpicam-vid nor libcamera-vid is installed: sudo apt install rpicam-apps-lite",
		"/no/such": "/no/such is not a program that can be run",
	} {
		err := New(Options{Program: program}, nil).Run(limit(t), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", program, err, want)
		}
	}
	// A file that looks like a program but is none.
	junk := filepath.Join(t.TempDir(), "rpicam-vid")
	os.WriteFile(junk, []byte("\x7fELF junk"), 0o755)
	if err := New(Options{Program: junk}, nil).Run(limit(t), nil); err == nil || !strings.HasPrefix(err.Error(), "rpicam: start ") {
		t.Errorf("junk: %v", err)
	}
}

func TestOlderNameIsFound(t *testing.T) {
	o := options(t, "count:2")
	dir := t.TempDir()
	if err := os.Symlink(o.Program, filepath.Join(dir, "libcamera-vid")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	o.Program = ""
	n := 0
	if err := New(o, nil).Run(limit(t), func(capture.Frame) { n++ }); !errors.Is(err, errEnded) || n != 2 {
		t.Errorf("%d frames, %v", n, err)
	}
}

func TestBrokenStream(t *testing.T) {
	for manner, want := range map[string][]int{
		"partial:3": {1, 2, 3},
		"garbage:3": {1, 2, 4, 5, 7, 8},
	} {
		var got []int
		err := New(options(t, manner), nil).Run(limit(t), func(f capture.Frame) { got = append(got, number(t, f.Data)) })
		if !slices.Equal(got, want) || err == nil {
			t.Errorf("%s: frames %v, %v; want %v and an error", manner, got, err, want)
		}
	}
}

func TestHangThatIgnoresSIGINT(t *testing.T) {
	alive := pids(t)
	o := options(t, "hang")
	ctx, cancel := context.WithCancel(limit(t))
	done := make(chan error)
	go func() { done <- New(o, nil).Run(ctx, func(capture.Frame) {}) }()
	eventually(t, "the child runs", func() bool { return len(alive()) == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if p := alive(); len(p) > 0 {
		t.Errorf("still running: %v", p)
	}
}

func TestFamilyAndDeaf(t *testing.T) {
	for _, manner := range []string{"family", "deaf"} {
		t.Run(manner, func(t *testing.T) {
			alive := pids(t)
			n := 0
			err := New(options(t, manner), nil).Run(limit(t), func(capture.Frame) { n++ })
			if !errors.Is(err, errEnded) || n == 0 {
				t.Errorf("%d frames, %v", n, err)
			}
			eventually(t, "the whole group is gone", func() bool { return len(alive()) == 0 })
		})
	}
}

// parent is a daemon that will be killed in an instant.
func parent() {
	os.Setenv("RPICAM_STANDIN", "hang")
	self, _ := os.Executable()
	New(Options{Program: self}, nil).Run(context.Background(), func(capture.Frame) {})
	os.Exit(0)
}

func TestNeverOrphaned(t *testing.T) {
	alive := pids(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "RPICAM_PARENT=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the grandchild runs", func() bool { return len(alive()) == 1 })
	cmd.Process.Kill()
	cmd.Wait()
	eventually(t, "the grandchild is gone", func() bool { return len(alive()) == 0 })
}

func TestArguments(t *testing.T) {
	o := Options{
		Camera: 1, Width: 1280, Height: 720, FPS: 10, Quality: 80, Rotation: 180, HFlip: true, VFlip: true,
		Exposure: "sport", Metering: "average", EV: -0.5, Gain: 8, Shutter: 20 * time.Millisecond, AWB: "daylight",
		Denoise: "cdn_off", HDR: "off", Autofocus: "manual", FocusRange: "full", LensPosition: "0", TuningFile: "/t/imx219.json",
		Extra: []string{"--brightness", "0.1"},
	}
	want := "--nopreview --verbose 1 --output - --camera 1 --width 1280 --height 720 --quality 80 --rotation 180 --hflip --vflip " +
		"--exposure sport --metering average --ev -0.5 --gain 8 --shutter 20000 --awb daylight --denoise cdn_off --hdr off " +
		"--autofocus-mode manual --autofocus-range full --lens-position 0 --tuning-file /t/imx219.json " +
		"--timeout 0 --codec mjpeg --flush --framerate 10 --brightness 0.1"
	if got := strings.Join(o.video(), " "); got != want {
		t.Errorf("video\n got %s\nwant %s", got, want)
	}
	if got := strings.Join(Options{}.video(), " "); got != "--nopreview --verbose 1 --output - --timeout 0 --codec mjpeg --flush" {
		t.Errorf("video of nothing: %s", got)
	}
	if got := strings.Join(Options{Width: 640}.still(), " "); got != "--nopreview --verbose 1 --output - --width 640 --immediate --encoding jpg --thumb none" {
		t.Errorf("still: %s", got)
	}
	// All of them pass the program's own check.
	run := options(t, "count:1")
	o.Program, o.Settle = run.Program, -1
	if err := New(o, nil).Run(limit(t), func(capture.Frame) {}); !errors.Is(err, errEnded) {
		t.Errorf("the program refuses: %v", err)
	}
	o.Extra = []string{"--sepia"}
	if err := New(o, nil).Run(limit(t), nil); err == nil || !strings.Contains(err.Error(), "does not know one of its arguments") {
		t.Errorf("unknown argument: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"rotation 90: a Pi camera turns by 0 or 180 degrees only": {Rotation: 90},
		"want no negative number":                                 {Width: -1},
		"quality 101: want 1 to 100":                              {Quality: 101},
		`extra argument "-o": pirwatch sets that one itself`:      {Extra: []string{"-o", "x.jpg"}},
		`extra argument "--codec=h264"`:                           {Extra: []string{"--codec=h264"}},
		`extra argument "-t5"`:                                    {Extra: []string{"-t5"}},
	} {
		if err := New(o, nil).Run(limit(t), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestSecretsStayHere(t *testing.T) {
	t.Setenv("PIRWATCH_MQTT_PASSWORD", "hunter2")
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
	t.Setenv("NOTIFY_SOCKET", "/run/x")
	t.Setenv("LIBCAMERA_LOG_LEVELS", "RPI:DEBUG")
	env := strings.Join(environment(), "\n")
	if strings.Contains(env, "hunter2") || strings.Contains(env, "CREDENTIALS_DIRECTORY") || strings.Contains(env, "NOTIFY_SOCKET") {
		t.Errorf("environment of the child:\n%s", env)
	}
	if !strings.Contains(env, "LIBCAMERA_LOG_LEVELS=RPI:DEBUG") {
		t.Error("libcamera's own variables are lost")
	}
}

func TestSettling(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		name         string
		settle       time.Duration
		count        int
		every        time.Duration
		first, total int
	}{
		{"by frames", 0, 0, 33 * time.Millisecond, 10, 30},
		{"by time", 0, 0, 500 * time.Millisecond, 2, 30},
		{"not at all", -1, 0, 33 * time.Millisecond, 0, 30},
		{"only time", 3 * time.Second, 0, 100 * time.Millisecond, 30, 60},
		{"only frames", 0, 3, time.Minute, 3, 5},
	} {
		var got []int
		deliver := settling(Options{Settle: c.settle, SettleFrames: c.count}, func(f capture.Frame) { got = append(got, f.Width) })
		for i := range c.total {
			deliver(capture.Frame{Width: i, At: start.Add(time.Duration(i) * c.every)})
		}
		if len(got) != c.total-c.first || got[0] != c.first {
			t.Errorf("%s: %d frames from %d on, want %d from %d on", c.name, len(got), got[0], c.total-c.first, c.first)
		}
	}
}

func TestOtherSettings(t *testing.T) {
	o := options(t, "ok")
	s := New(o, nil)
	ctx, cancel := context.WithCancel(limit(t))
	widths := []int{}
	err := s.Run(ctx, func(f capture.Frame) {
		if len(widths) == 0 || widths[len(widths)-1] != f.Width {
			widths = append(widths, f.Width)
			switch f.Width {
			case 64:
				o.Width = 128
				s.Set(o)
			case 128:
				cancel()
			}
		}
	})
	if err != nil || !slices.Equal(widths, []int{64, 128}) {
		t.Errorf("widths %v, %v", widths, err)
	}
}

func TestStill(t *testing.T) {
	alive := pids(t)
	s := NewStill(options(t, "ok"), nil)
	if n := len(alive()); n != 0 {
		t.Fatalf("%d programs run before the first shot", n)
	}
	for _, n := range []int{1, 4} {
		var at []time.Time
		if err := s.Shoot(limit(t), n, 100*time.Millisecond, func(f capture.Frame) { at = append(at, f.At) }); err != nil || len(at) != n {
			t.Errorf("%d pictures, %v; want %d", len(at), err, n)
		}
		for i := range len(at) {
			if d := at[i].Sub(at[0]); d < time.Duration(i)*100*time.Millisecond-20*time.Millisecond {
				t.Errorf("picture %d after %s: too early", i, d)
			}
		}
		if p := alive(); len(p) > 0 {
			t.Errorf("still running: %v", p)
		}
	}
	s = NewStill(options(t, "nocam"), nil)
	for _, n := range []int{1, 2} {
		if err := s.Shoot(limit(t), n, 0, nil); err == nil || !strings.Contains(err.Error(), "sees no camera") {
			t.Errorf("no camera, %d: %v", n, err)
		}
	}
	s = NewStill(options(t, "count:2"), nil)
	if err := s.Shoot(limit(t), 3, 0, func(capture.Frame) {}); !errors.Is(err, errEnded) {
		t.Errorf("too few: %v", err)
	}
}

func TestList(t *testing.T) {
	got, err := List(limit(t), options(t, "ok"))
	if want := []string{"imx708 [4608x2592 10-bit RGGB]", "ov5647 [2592x1944 10-bit GBRG]"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// TestThousandRestarts: nothing is left of a thousand sessions, half of them ended
// by the program, half by us.
func TestThousandRestarts(t *testing.T) {
	restarts := 1000
	if testing.Short() {
		restarts = 50
	}
	o := options(t, "count:2")
	cycle := func(i int) {
		ctx, cancel := context.WithCancel(limit(t))
		defer cancel()
		err := New(o, nil).Run(ctx, func(capture.Frame) {
			if i%2 == 0 {
				cancel()
			}
		})
		if err != nil && !errors.Is(err, errEnded) {
			t.Fatalf("restart %d: %v", i, err)
		}
	}
	cycle(0) // what is opened once and kept
	fds, goroutines := open(t), runtime.NumGoroutine()
	for i := range restarts {
		cycle(i)
	}
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := open(t); n > fds {
		t.Errorf("%d descriptors open, %d before", n, fds)
	}
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

func open(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestDiagnosisCutsLongLines(t *testing.T) {
	d := &diagnosis{log: orDiscard(nil), known: len(faults)}
	d.read(io.MultiReader(strings.NewReader(strings.Repeat("x", 5*maxLine)), strings.NewReader("\nERROR: short\n")))
	if d.last != "ERROR: short" {
		t.Errorf("last line %q", d.last)
	}
}
