package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/clip"
	"pirwatch/capture/scene"
	"pirwatch/cmd/internal/broker"
	"pirwatch/configs"
	"pirwatch/publish/mqtt"
)

// footprint is what a daemon that runs for months must not let grow.
type footprint struct {
	goroutines, files int
	heap, rss, disk   int64
}

func (f footprint) String() string {
	const mb = 1 << 20
	return fmt.Sprintf("%d goroutines, %d descriptors, heap %.1f MB, RSS %.1f MB, disk %.1f MB",
		f.goroutines, f.files, float64(f.heap)/mb, float64(f.rss)/mb, float64(f.disk)/mb)
}

func measureFootprint(t *testing.T, dir string) (f footprint) {
	t.Helper()
	f.goroutines = runtime.NumGoroutine()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	f.files = len(open)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.heap = int64(m.HeapAlloc)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fmt.Sscan(rest, &f.rss)
	f.rss <<= 10
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				f.disk += info.Size()
			}
		}
		return nil
	})
	return f
}

// haste is how much faster than life everything goes: hours pass in minutes.
const haste = 200

func hasty(d time.Duration) configs.Duration { return configs.Duration(d / haste) }

// untiring is a camera that hastes; measure is called between two frames.
type untiring struct {
	*clip.Source
	frames  int
	measure func(n int)
}

func (u *untiring) Run(ctx context.Context, deliver func(capture.Frame)) error {
	began := time.Now()
	return u.Source.Run(ctx, func(f capture.Frame) {
		if due := began.Add(time.Duration(u.frames) * time.Second / (15 * haste)); u.frames%15 == 0 {
			time.Sleep(time.Until(due))
		}
		f.At = time.Now()
		deliver(f)
		u.frames++
		u.measure(u.frames)
	})
}

// Footage of hours goes through the whole daemon and a broker, and nothing grows:
// 20,000 frames, or with PIRWATCH_LONG over a million, and ten thousand events.
func TestNothingGrows(t *testing.T) {
	most, events := 20_000, uint64(20) // so few on a machine too busy for this haste
	if os.Getenv("PIRWATCH_LONG") != "" {
		most, events = 1_200_000, 10_000
	}
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	state := t.TempDir()
	c := configs.Default()
	c.Name, c.StateDir = "front", state
	c.Camera.Driver, c.Camera.FrozenAfter = "clip", 0
	c.Sensor.Driver = "off"
	c.Motion.Trigger = "frames"
	c.Motion.HoldOff, c.Motion.LongestEvent = hasty(time.Second), hasty(1500*time.Millisecond)
	c.Motion.Cooldown, c.Motion.CooldownMax = 0, 0
	c.Burst.Frames, c.Burst.Interval, c.Burst.Every = 3, hasty(500*time.Millisecond), hasty(2*time.Second)
	c.Burst.PreRoll, c.Burst.PreRollFrames = hasty(2*time.Second), 1
	c.Detector.Learn, c.Detector.Background = hasty(1500*time.Millisecond), hasty(8*time.Second)
	c.Detector.Still, c.Detector.Hold = hasty(5*time.Second), hasty(400*time.Millisecond)
	c.Camera.DetectorFPS = 5 * haste
	c.Pace.PiecesPerSecond = 0
	c.Queue.RAM, c.Queue.Disk = 4<<20, 16<<20
	c.Archive.MaxBytes = 8 << 20
	c.HomeAssistant.Discovery = false

	server, err := broker.Listen("127.0.0.1:0", "pirwatch-front", nil)
	if err != nil {
		t.Fatal(err)
	}
	serving, stopServing := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Run(serving) }()
	defer func() { stopServing(); <-served }()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()

	var seen []footprint
	began := time.Now()
	camera := &untiring{Source: clip.New(footage(t), clip.Options{FullSpeed: true, Loop: true, FPS: 15})}
	camera.measure = func(n int) {
		if n%(most/10) == 0 && n <= most {
			seen = append(seen, measureFootprint(t, state))
		}
		if n == most {
			stop()
		}
	}
	d, err := newDaemon(c, equipment{source: camera, broker: &mqtt.Options{
		URL: "mqtt://" + server.Addr(), ClientID: "pirwatch-front", Username: server.CameraUser, Password: server.CameraPassword,
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	h, s := d.publisher.Health(), d.loop.Stats()
	t.Logf("%d frames, at 15 a second %v of them, and %d events in %v; %d pictures given up, %d more before they were developed",
		camera.frames, (time.Duration(camera.frames) * time.Second / 15).Round(time.Second), s.Events, took.Round(time.Second), h.Dropped, s.Skipped)
	for i, f := range seen {
		t.Logf("after %d frames: %v", (i+1)*most/10, f)
	}
	if len(seen) < 10 || s.Events < events {
		t.Fatalf("only %d measurements and %d events", len(seen), s.Events)
	}
	// The second fifth has filled what has a bound; from there on nothing may grow.
	var early, late footprint
	for i, f := range seen {
		half := &late
		if i < 5 {
			half = &early
		}
		half.goroutines, half.files = max(half.goroutines, f.goroutines), max(half.files, f.files)
		half.heap, half.rss, half.disk = max(half.heap, f.heap), max(half.rss, f.rss), max(half.disk, f.disk)
	}
	const mb = 1 << 20
	if late.goroutines > early.goroutines+5 || late.files > early.files+5 || late.heap > early.heap+12*mb || late.rss > early.rss+24*mb {
		t.Errorf("the second half grew: %v; the first: %v", late, early)
	}
	if bound := c.Queue.Disk.Bytes() + c.Archive.MaxBytes.Bytes() + 4*mb; late.disk > bound {
		t.Errorf("%d bytes on disk, want at most %d", late.disk, bound)
	}
}

// footage is a clip of a busy road, or drawn where that is not at hand.
func footage(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PIRWATCH_CORPUS")
	if dir == "" {
		dir = "../../../shared/corpus/dev"
	}
	path := filepath.Join(dir, "cd_highway", "clip.avi")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	dir = t.TempDir()
	drawn := scene.New(scene.Options{Width: 320, Height: 180, First: time.Second, Every: time.Second})
	for i := range 300 {
		jpeg, _ := drawn.Frame(i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.jpg", i)), jpeg, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
