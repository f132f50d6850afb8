package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pirwatch/configs"
)

// answer runs the dialogue with these lines and returns what it said.
func answer(t *testing.T, path string, tools Tools, lines ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := Run(t.Context(), strings.NewReader(strings.Join(lines, "\n")+"\n"), &out, path, tools)
	return out.String(), err
}

func load(t *testing.T, path string) *configs.Config {
	t.Helper()
	c, err := configs.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSetupWritesWhatWasAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "pirwatch.toml")
	var tried []string
	hidden := false
	tools := Tools{
		Browse: func(context.Context) ([]Broker, error) {
			return []Broker{{"Mosquitto", "ha.local", 1883}, {"Other", "b.local", 2000}}, nil
		},
		Cameras: func(context.Context) []Camera {
			return []Camera{{Driver: "rpicam", Name: "imx708"}, {"v4l2", "/dev/v4l/by-id/usb-C920-index0", "C920"}}
		},
		Connect: func(_ context.Context, c *configs.Config) error {
			pw, err := c.BrokerPassword()
			tried = append(tried, "connect "+c.Broker.URL+" "+c.Broker.Username+":"+pw)
			return err
		},
		Shoot: func(_ context.Context, c *configs.Config) ([]byte, error) {
			tried = append(tried, "shoot "+c.Camera.Driver+" "+c.Camera.V4L2.Device)
			return []byte("jpeg"), nil
		},
		Wave: func(_ context.Context, c *configs.Config, seen func()) error {
			tried = append(tried, fmt.Sprint("wave ", c.Sensor.Line))
			seen()
			return context.Canceled
		},
		Hide: func() func() { hidden = true; return func() {} },
	}
	t.Setenv("TMPDIR", t.TempDir())
	said, err := answer(t, path, tools, "Garden!", "garden", "2", "cam", "s3cret", "2", "4", "yes", "yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	want := configs.Default()
	want.Name, want.Broker.URL, want.Broker.Username = "garden", "mqtt://b.local:2000", "cam"
	want.Broker.PasswordFile = filepath.Join(filepath.Dir(path), "mqtt_password")
	want.Camera.Driver, want.Camera.V4L2.Device, want.Sensor.Line = "v4l2", "/dev/v4l/by-id/usb-C920-index0", 4
	if keys := configs.Diff(load(t, path), want); keys != nil {
		t.Errorf("written otherwise: %v", keys)
	}
	if got := strings.Join(tried, "|"); got != "connect mqtt://b.local:2000 cam:s3cret|shoot v4l2 /dev/v4l/by-id/usb-C920-index0|wave 4" {
		t.Errorf("tried %s", got)
	}
	if !hidden || strings.Contains(said, "s3cret") {
		t.Error("the password was shown")
	}
	if pw, err := load(t, path).BrokerPassword(); pw != "s3cret" || err != nil {
		t.Errorf("password %q, %v", pw, err)
	}
	if info, err := os.Stat(want.Broker.PasswordFile); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("password file: %v, %v", info, err)
	}
	if text, _ := os.ReadFile(path); strings.Contains(string(text), "s3cret") || strings.Count(string(text), "\n") != strings.Count(string(configs.Annotated), "\n") {
		t.Error("the file holds the password, or lost its comments")
	}
	for _, part := range []string{"cannot be part of a topic", "mqtt://ha.local  (Mosquitto)", "Pi camera imx708", "It sees you", "To be written: name, broker.url"} {
		if !strings.Contains(said, part) {
			t.Errorf("did not say %q:\n%s", part, said)
		}
	}
	// Again, with Enter at every question: nothing changes, the password stays.
	before, _ := os.ReadFile(path)
	said, err = answer(t, path, tools, make([]string, 20)...)
	if err != nil || !strings.Contains(said, "Nothing has changed") {
		t.Errorf("%v\n%s", err, said)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("Enter at every question changed the file")
	}
}

func TestSetupWithNothingFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pirwatch.toml")
	tools := Tools{
		Browse:  func(context.Context) ([]Broker, error) { return nil, errors.New("no network") },
		Cameras: func(context.Context) []Camera { return nil },
		Shoot: func(context.Context, *configs.Config) ([]byte, error) {
			t.Error("shot without a camera")
			return nil, nil
		},
	}
	said, err := answer(t, path, tools, "porch", "", "no", "", "yes", "", "none", "yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	want := configs.Default()
	want.Name, want.Sensor.Driver = "porch", "off"
	if keys := configs.Diff(load(t, path), want); keys != nil {
		t.Errorf("written otherwise: %v\n%s", keys, said)
	}
}

func TestSetupAsksAgainAfterAFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pirwatch.toml")
	connects, shots, waves := 0, 0, 0
	tools := Tools{
		Connect: func(context.Context, *configs.Config) error {
			if connects++; connects == 1 {
				return errors.New("connection refused")
			}
			return nil
		},
		Cameras: func(context.Context) []Camera { return []Camera{{Driver: "rpicam"}} },
		Shoot: func(_ context.Context, c *configs.Config) ([]byte, error) {
			if shots++; c.Camera.Driver == "rpicam" {
				return nil, errors.New("in use by another process")
			}
			return []byte("x"), nil
		},
		Wave: func(context.Context, *configs.Config, func()) error {
			waves++
			return errors.New("no GPIO chip")
		},
	}
	t.Setenv("TMPDIR", t.TempDir())
	said, err := answer(t, path, tools, "porch",
		"http://x", "10.0.0.1", "-", "no", "10.0.0.2", "-",
		"1", "no", "7", "ftp://x", "rtsp://10.0.0.3/s",
		"seventeen", "17", "yes", "yes", "yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	c := load(t, path)
	if c.Broker.URL != "mqtt://10.0.0.2" || c.Camera.Driver != "netcam" || c.Camera.NetCam.URL != "rtsp://10.0.0.3/s" {
		t.Errorf("written: %+v %+v", c.Broker, c.Camera.NetCam)
	}
	if connects != 2 || shots != 2 || waves != 1 {
		t.Errorf("tried %d, %d, %d times", connects, shots, waves)
	}
	for _, part := range []string{"connection refused", "in use by another process", "no GPIO chip", "There is no camera 7", `"seventeen" is no number`, "is not an address"} {
		if !strings.Contains(said, part) {
			t.Errorf("did not say %q:\n%s", part, said)
		}
	}
}

func TestSetupWritesNothingWhenLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pirwatch.toml")
	for _, lines := range [][]string{{"porch"}, {"porch", "10.0.0.1", "cam", "pw", "auto", "17", "no"}} {
		_, err := answer(t, path, Tools{}, lines...)
		if len(lines) == 1 && !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%v: %v", lines, err)
		}
		if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
			t.Errorf("%v: left %v", lines, files)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w, _ := os.Pipe() // never answers
	defer r.Close()
	defer w.Close()
	if err := Run(ctx, r, &strings.Builder{}, path, Tools{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestSetupRefusesABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pirwatch.toml")
	os.WriteFile(path, []byte("[broker]\nurll = 1\n"), 0o600)
	if _, err := answer(t, path, Tools{}, "x"); err == nil || !strings.Contains(err.Error(), `did you mean "url"?`) {
		t.Errorf("got %v", err)
	}
}

func TestHints(t *testing.T) {
	c := configs.Default()
	hints := Hints(c, "/etc/p.toml", nil)
	if len(hints) != 2 || !strings.Contains(hints[0], "sudo pirwatch setup") || !strings.Contains(hints[0], "/etc/p.toml") || !strings.Contains(hints[1], "no camera is found") {
		t.Errorf("%q", hints)
	}
	if s := Status(hints); s != "no broker is configured, so nothing is sent; run: sudo pirwatch setup" {
		t.Errorf("%q", s)
	}
	c.Broker.URL = "mqtt://x"
	if hints := Hints(c, "/etc/p.toml", []Camera{{Driver: "rpicam"}}); hints != nil || Status(hints) != "" {
		t.Errorf("%q", hints)
	}
}
