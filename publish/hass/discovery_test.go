package hass

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var regenerate = flag.Bool("regenerate", false, "write the golden files anew")

func front() Camera {
	return Camera{
		Prefix: "homeassistant", ID: "front-door", Name: "Front door", Root: "pirwatch/front-door", Version: "1.0.0",
		Area: "Garden", PageURL: "http://front-door.local:8080/", Live: true, Sensor: true,
		Modes: []string{"pir", "frames", "either", "both"},
	}
}

func TestGolden(t *testing.T) {
	for name, camera := range map[string]Camera{
		"full": front(),
		"bare": {Prefix: "ha", ID: "yard", Name: "yard", Root: "home/pirwatch/yard", Version: "1.0.0"},
	} {
		var got bytes.Buffer
		if err := json.Indent(&got, camera.Discovery(), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		path := "testdata/" + name + ".json"
		if *regenerate {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: not as the golden file has it; go test -regenerate ./publish/hass and read the difference\n%s", name, got.Bytes())
		}
		if errs := Check(camera.Discovery()); len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// Every topic that is named is one that the camera publishes or listens to.
func TestTopicsExist(t *testing.T) {
	published := []string{"status", "motion", "event", "last_event", "image", "live", "health", "armed", "trigger", "cooldown", "sensitivity"}
	heard := []string{"armed/set", "trigger/set", "cooldown/set", "sensitivity/set", "capture"}
	var message struct {
		Avty []map[string]string       `json:"avty"`
		Cmps map[string]map[string]any `json:"cmps"`
	}
	if err := json.Unmarshal(front().Discovery(), &message); err != nil {
		t.Fatal(err)
	}
	count := 0
	check := func(where, key string, topic any) {
		name, ok := strings.CutPrefix(topic.(string), "pirwatch/front-door/")
		list := published
		if key == "cmd_t" {
			list = heard
		}
		if count++; !ok || !slices.Contains(list, name) {
			t.Errorf("%s.%s: %v is no topic of the camera", where, key, topic)
		}
	}
	check("avty", "t", message.Avty[0]["t"])
	for name, cmp := range message.Cmps {
		for key, value := range cmp {
			if key == "t" || strings.HasSuffix(key, "_t") {
				check(name, key, value)
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d topics looked at", count)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`{"avty"`, `{"~":"x","avty"`, `root key "~"`},
		{`"qos":1,"stat_t":"pirwatch/front-door/motion"`, `"stat_t":"pirwatch/front-door/motion"`, "cmps.motion: qos is missing"},
		{`"uniq_id":"pirwatch_front-door_motion"`, `"uniq_id":"pirwatch_front-door_event"`, "is that of cmps.event too"},
		{`"def_ent_id":"binary_sensor.pirwatch_front_door_motion"`, `"obj_id":"x"`, "obj_id is gone"},
		{`"def_ent_id":"binary_sensor.pirwatch_front_door_motion"`, `"def_ent_id":"motion"`, `want it to begin with "binary_sensor."`},
		{`"p":"switch"`, `"p":"swich"`, `platform "swich"`},
		{`"ids":["pirwatch_front-door"]`, `"ids":[]`, "dev: want ids"},
		{`"cu":"http://`, `"cu":"ftp://`, "want an http://"},
		{`"evt_typ":`, `"evt":`, "cmps.event: evt_typ is missing"},
		{`"avty":[`, `"avty":{},"x":[`, "avty: want a list"},
		{`{"avty"`, `"avty"`, "not a JSON object"},
	} {
		good := string(front().Discovery())
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Errorf("%s does not occur", c.old)
			continue
		}
		errs := Check([]byte(bad))
		if !slices.ContainsFunc(errs, func(err error) bool { return strings.Contains(err.Error(), c.want) }) {
			t.Errorf("%s → %s: %v, want %q", c.old, c.new, errs, c.want)
		}
	}
}
