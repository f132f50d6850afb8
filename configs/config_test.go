package configs

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uncommented is the annotated file with every commented default made live.
func uncommented() []byte {
	return regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`).ReplaceAll(Annotated, []byte("$1"))
}

func TestAnnotatedFileEqualsTheDefaults(t *testing.T) {
	for name, text := range map[string][]byte{"as shipped": Annotated, "uncommented": uncommented(), "empty": nil} {
		c, err := Parse("pirwatch.toml", text, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if keys := Diff(c, Default()); keys != nil {
			t.Errorf("%s: the file differs from the defaults in %v", name, keys)
		}
	}
}

func TestAnnotatedFileHasEveryKey(t *testing.T) {
	c, err := Parse("pirwatch.toml", uncommented(), nil)
	if err != nil {
		t.Fatal(err)
	}
	walk(c, func(f field) {
		if f.path == "schedule.armed" {
			return // a list of sections: the file has an example of it
		}
		at, ok := c.places[f.path]
		if !ok {
			t.Errorf("the file lacks %s", f.path)
			return
		}
		comment := commentAbove(at.Line)
		if comment == "" {
			t.Errorf("%v: %s has no comment", at, f.path)
		}
		if words := f.tag.Get("one"); words != "" {
			for _, w := range strings.Split(words, ",") {
				if w != "" && !regexp.MustCompile(`\b`+w+`\b`).MatchString(comment) {
					t.Errorf("%v: the comment of %s does not name %q", at, f.path, w)
				}
			}
		}
	})
}

// commentAbove returns the prose above a line, and above the keys that share it.
func commentAbove(line int) string {
	lines := strings.Split(string(Annotated), "\n")
	i := line - 2
	for i >= 0 && strings.HasPrefix(lines[i], "#") && !strings.HasPrefix(lines[i], "# ") {
		i--
	}
	var prose []string
	for i >= 0 && (strings.HasPrefix(lines[i], "# ") || strings.HasPrefix(lines[i], "[")) ||
		i >= 0 && lines[i] == "" && strings.HasPrefix(lines[i+1], "[") {
		prose = append(prose, lines[i])
		i--
	}
	slices.Reverse(prose)
	return strings.Join(prose, "\n")
}

// The protocol's table of defaults, one by one.
func TestDefaultsAreTheProtocols(t *testing.T) {
	c := Default()
	for key, pair := range map[string][2]any{
		"trigger":      {c.Motion.Trigger, "either"},
		"line":         {c.Sensor.Line, 17},
		"polarity":     {c.Sensor.ActiveLow, false},
		"pull":         {c.Sensor.Pull, "down"},
		"debounce":     {c.Sensor.Debounce.String(), "50ms"},
		"warm-up":      {c.Sensor.WarmUp.String(), "1m"},
		"hold-off":     {c.Motion.HoldOff.String(), "10s"},
		"both window":  {c.Motion.BothWindow.String(), "5s"},
		"burst":        {[]any{c.Burst.Frames, c.Burst.Interval.String(), c.Burst.Every.String()}, []any{5, "500ms", "1s"}},
		"pre-roll":     {[]any{c.Burst.PreRoll.String(), c.Burst.PreRollFrames}, []any{"2s", 3}},
		"longest":      {[]any{c.Motion.LongestEvent.String(), c.Burst.MostPictures}, []any{"1m", 60}},
		"cooldown":     {[]any{c.Motion.Cooldown.String(), c.Motion.CooldownMax.String(), c.Motion.Quiet.String()}, []any{"10s", "5m", "10m"}},
		"camera":       {[]any{c.Camera.Width, c.Camera.Height, c.Camera.FPS, c.Camera.DetectorFPS}, []any{1280, 720, 10.0, 5.0}},
		"pace":         {[]any{c.Pace.PiecesPerSecond, c.Pace.Burst, c.Pace.Window}, []any{200.0, 500, 32}},
		"spool":        {[]any{c.Queue.Spool, c.Queue.Deadline.String()}, []any{"on_failure", "2s"}},
		"queue":        {[]any{c.Queue.RAM.String(), c.Queue.Disk.String()}, []any{"16MB", "256MB"}},
		"archive":      {[]any{c.Archive.On, c.Archive.MaxBytes.String()}, []any{true, "256MB"}},
		"wire":         {[]any{c.Topics.Base, c.Wire.ChunkSize, c.Wire.Profile}, []any{"pirwatch", 3000, "standard"}},
		"health":       {c.Health.Interval.String(), "1m"},
		"live":         {c.Live.Interval.String(), "0s"},
		"home":         {[]any{c.HomeAssistant.Discovery, c.HomeAssistant.Prefix}, []any{true, "homeassistant"}},
		"page, served": {[]any{c.View.Listen, c.Metrics.Listen}, []any{"", ""}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: default %v, the protocol says %v", key, pair[0], pair[1])
		}
	}
}

func TestVariablesAreUnique(t *testing.T) {
	seen := map[string]string{}
	walk(Default(), func(f field) {
		if other := seen[f.env()]; other != "" {
			t.Errorf("%s stands for both %s and %s", f.env(), other, f.path)
		}
		seen[f.env()] = f.path
	})
	if len(seen) < 100 {
		t.Errorf("only %d keys found", len(seen))
	}
}

// The tree of this machine is no place for secrets: no key holds one.
func TestNoKeyHoldsASecret(t *testing.T) {
	walk(Default(), func(f field) {
		if regexp.MustCompile(`(password|token|secret)$`).MatchString(f.path) {
			t.Errorf("%s would hold a secret in the file", f.path)
		}
	})
	if bytes.Contains(Annotated, []byte("password =")) {
		t.Error("the file shows a password key")
	}
}

func TestLoadReadsWhatWasWritten(t *testing.T) {
	c, err := Parse("p.toml", []byte(`
name = "garden"
broker.url = "mqtts://broker.example.org:8884"
[camera]
driver = "v4l2"
fps = 15
[camera.v4l2]
device = "C920"
controls = { sharpness = 3 }
[camera.rpicam]
extra_args = ["--sharpness", "1.5"]
[picture]
resize = "500x281"
[motion]
hold_off = "1500ms"
[queue]
disk = "1.5GiB"
[archive]
max_age = "30d"
[masks]
privacy = [[[0, 0], [1, 0.0], [1.0, 0.25]]]
[place]
latitude = 52.5
[[schedule.armed]]
days = ["mon", "sun"]
from = "sunset-30m"
to = "06:30"
`), []string{"PIRWATCH_MOTION_SENSITIVITY=70", "PIRWATCH_CAMERA_V4L2_GAIN=8", "PIRWATCH_NAME=porch", "PIRWATCH_CORPUS=/x", "HOME=/y",
		"PIRWATCH_MASKS_IGNORE=[[[0,0],[1,0],[1,1]]]", "PIRWATCH_HOME_ASSISTANT_DISCOVERY=false"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name = "porch"
	want.Broker.URL = "mqtts://broker.example.org:8884"
	want.Camera.Driver, want.Camera.FPS = "v4l2", 15
	want.Camera.V4L2.Device, want.Camera.V4L2.Gain = "C920", 8
	want.Camera.V4L2.Controls = map[string]int{"sharpness": 3}
	want.Camera.RPiCam.ExtraArgs = []string{"--sharpness", "1.5"}
	want.Picture.Resize = Dimensions{500, 281}
	want.Motion.HoldOff, want.Motion.Sensitivity = second*3/2, 70
	want.Queue.Disk = 3 << 29
	want.Archive.MaxAge = 30 * 24 * 60 * minute
	want.Masks.Privacy = []Polygon{{{0, 0}, {1, 0}, {1, 0.25}}}
	want.Masks.Ignore = []Polygon{{{0, 0}, {1, 0}, {1, 1}}}
	want.Place.Latitude = 52.5
	want.HomeAssistant.Discovery = false
	want.Schedule.Armed = []Span{{Days: []string{"mon", "sun"}, From: TimeOfDay{"sunset", -1800e9}, To: TimeOfDay{"", 6*3600e9 + 1800e9}}}
	if keys := Diff(c, want); keys != nil {
		t.Errorf("read otherwise than written: %v", keys)
	}
	for key, at := range map[string]string{
		"camera.v4l2.device": "p.toml:8:1", "camera.v4l2.controls.sharpness": "p.toml:9:14", "motion.sensitivity": "PIRWATCH_MOTION_SENSITIVITY",
		"schedule.armed[0].to": "p.toml:27:1", "broker.url": "p.toml:3:1", "queue.ram": "p.toml",
	} {
		if got := c.Where(key).String(); got != at {
			t.Errorf("%s was set at %s, told as %s", key, at, got)
		}
	}
}

func TestNameOf(t *testing.T) {
	for _, c := range []struct{ host, id, want string }{
		{"garden", "abc", "garden"},
		{"Garden Cam.fritz.box", "abc", "garden-cam"},
		{"raspberrypi", "0123456789abcdef0123456789abcdef", "raspberrypi-ff84"},
		{"raspberrypi", "1123456789abcdef0123456789abcdef", "raspberrypi-6d89"},
		{"raspberrypi", "", "raspberrypi"},
		{"", "", "camera"},
		{"Käfig_1", "", "k-fig_1"},
		{strings.Repeat("a", 60), "", strings.Repeat("a", 40)},
	} {
		got := NameOf(c.host, c.id)
		if !nameForm.MatchString(got) {
			t.Errorf("NameOf(%q) = %q is no camera name", c.host, got)
		}
		if got != c.want {
			t.Errorf("NameOf(%q, %q) = %q, want %q", c.host, c.id, got, c.want)
		}
	}
}
