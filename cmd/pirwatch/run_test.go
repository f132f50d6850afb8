package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
	"pirwatch/configs"
	"pirwatch/publish/chunk"
	"pirwatch/systemd"
)

// hook is a log handler that does something when it hears certain words.
type hook struct {
	words string
	do    func()
}

func (h hook) Enabled(context.Context, slog.Level) bool { return true }
func (h hook) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h hook) WithGroup(string) slog.Handler            { return h }
func (h hook) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, h.words) {
		h.do()
	}
	return nil
}

// A signal that comes while the parts are started anew does not end the daemon,
// whatever is in the file by then; nor does a port that somebody else has.
func TestReloadTwice(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "pirwatch.toml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	good := fmt.Sprintf("name = \"front\"\nstate_dir = %q\n[camera]\ndriver = \"scene\"\n[sensor]\ndriver = \"off\"\n[motion]\ntrigger = \"frames\"\n[metrics]\nlisten = %q\n",
		dir, taken.Addr().String())
	write(good)
	config, err := configs.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	crashes, err := systemd.CountStart("")
	if err != nil {
		t.Log(err)
	}
	hup := make(chan os.Signal, 1)
	log := slog.New(hook{"started anew", func() {
		write("nonsense")
		hup <- syscall.SIGHUP
	}})
	write(good + "[health]\ninterval = \"30s\"\n")
	hup <- syscall.SIGHUP
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next, err := (&runCommand{Config: path}).watch(ctx, config, hup, systemd.NewNotifier(), crashes, log)
	if err != nil {
		t.Fatal(err)
	}
	if next == nil {
		t.Fatal("the daemon ends instead of going on with the new configuration")
	}
	if next.Health.Interval != configs.Duration(30*time.Second) {
		t.Errorf("health.interval is %v", next.Health.Interval)
	}
}

// resting is a camera that is closed until a trigger.
type resting struct{}

func (resting) Idle() bool { return true }

func (resting) Run(ctx context.Context, _ func(capture.Frame)) error {
	<-ctx.Done()
	return nil
}

// Health speaks the protocol's words: a camera that rests on purpose is well.
func TestHealthOfACameraThatRests(t *testing.T) {
	config := configs.Default()
	config.StateDir, config.Sensor.Driver = t.TempDir(), "off"
	d, err := newDaemon(config, equipment{source: resting{}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.camera.Run(ctx, func(capture.Frame) {}) }()
		time.Sleep(15 * time.Second)
		if state := d.camera.Health().State; state != capture.StateIdle {
			t.Fatalf("the camera is %s", state)
		}
		if h := d.collect(); h.Camera != "ok" {
			t.Errorf("health says %q", h.Camera)
		}
		cancel()
		<-done
	})
}

// A still camera has a limit of its own: the camera's keeper must not take the
// time that it needs to start for a stall.
func TestStillCameraIsNotWaitedFor(t *testing.T) {
	s := newStillCamera(configs.Default(), nil)
	s.Shoot()
	if !s.Idle() {
		t.Error("pictures are waited for by somebody else than Shoot")
	}
}

// One envelope for both kinds of old pages.
func TestEnvelopes(t *testing.T) {
	for profile, want := range map[string]chunk.Envelope{"standard": chunk.Bare, "recipe": chunk.String, "watson": chunk.String} {
		config := configs.Default()
		config.Wire.Profile = profile
		if got, err := envelopeOf(config); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", profile, got, err, want)
		}
	}
}
