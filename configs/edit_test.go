package configs

import (
	"bytes"
	"strings"
	"testing"
)

func TestSetChangesOneValueAndNothingElse(t *testing.T) {
	text := Annotated
	for _, set := range []struct {
		key   string
		value any
		line  string
	}{
		{"broker.url", "mqtt://10.0.0.1", `url = "mqtt://10.0.0.1"`},
		{"broker.url", "mqtt://10.0.0.2", `url = "mqtt://10.0.0.2"`},
		{"name", "garden", `name = "garden"`},
		{"sensor.line", 22, `line = 22`},
		{"sensor.active_low", true, `active_low = true`},
		{"camera.driver", "v4l2", `driver = "v4l2"`},
		{"camera.v4l2.device", `The "C920"\`, `device = "The \"C920\"\\"`},
		{"motion.hold_off", 20 * second, `hold_off = "20s"`},
		{"camera.fps", 15.0, `fps = 15.0`},
	} {
		out, err := Set(text, set.key, set.value)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := bytes.Count(text, []byte("\n")), bytes.Count(out, []byte("\n")); a != b {
			t.Errorf("%s: %d lines became %d", set.key, a, b)
		}
		if !strings.Contains(string(out), "\n"+set.line+"\n") {
			t.Errorf("%s: no line %s", set.key, set.line)
		}
		text = out
	}
	c, err := Parse("p.toml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name, want.Broker.URL, want.Sensor.Line, want.Sensor.ActiveLow = "garden", "mqtt://10.0.0.2", 22, true
	want.Camera.Driver, want.Camera.V4L2.Device, want.Camera.FPS = "v4l2", `The "C920"\`, 15
	want.Motion.HoldOff = 20 * second
	if keys := Diff(c, want); keys != nil {
		t.Errorf("differs in %v", keys)
	}
}

func TestSetAddsWhatIsNotThere(t *testing.T) {
	for _, c := range []struct{ name, in, key, want string }{
		{"empty", "", "broker.url", "\n[broker]\nurl = \"x\"\n"},
		{"top", "# mine\n[broker]\nurl = \"y\"\n", "name", "name = \"x\"\n# mine\n[broker]\nurl = \"y\"\n"},
		{"section", "[broker]\n[camera]\nfps = 5\n", "broker.url", "[broker]\nurl = \"x\"\n[camera]\nfps = 5\n"},
		{"no end of line", "[camera]\nfps = 5", "broker.url", "[camera]\nfps = 5\n\n[broker]\nurl = \"x\"\n"},
		{"header alone", "[broker]", "broker.username", "[broker]username = \"x\"\n"},
		{"dotted", "broker.url = \"y\"\n", "broker.url", "broker.url = \"x\"\n"},
		{"list that looks like headers", "[masks]\nwatch = [\n[[0,0],[1,0],[1,1]]\n]\n", "masks.note", "[masks]\nnote = \"x\"\nwatch = [\n[[0,0],[1,0],[1,1]]\n]\n"},
	} {
		out, err := Set([]byte(c.in), c.key, "x")
		if c.name == "header alone" {
			if err == nil && !strings.Contains(string(out), "[broker]\n") {
				t.Errorf("%s: got %q", c.name, out)
			}
			continue
		}
		if err != nil || string(out) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, out, err, c.want)
		}
	}
	for _, c := range []struct{ in, key string }{
		{"[broker\n", "broker.url"}, {"broker = 1\n", "broker.url"}, {"[masks]\nwatch = []\n", "masks.watch"},
	} {
		if out, err := Set([]byte(c.in), c.key, "x"); err == nil {
			t.Errorf("%q: became %q", c.in, out)
		}
	}
}
