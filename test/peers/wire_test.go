//go:build peers

package peers

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// vehicles is a clip of real footage in which cars pass all the time.
const vehicles = "cd_highway"

// clipConfig plays real footage, with short events.
func clipConfig(t testing.TB, clip string) string {
	t.Helper()
	return fmt.Sprintf(`
[camera]
driver = "clip"
[camera.clip]
path = %q
[sensor]
driver = "off"
[motion]
trigger = "frames"
hold_off = "1s"
longest_event = "6s"
cooldown = "1s"
[home_assistant]
discovery = false
`, filepath.Join(corpus(t), clip, "clip.avi"))
}

// assembled is what a subscriber that knows nothing but the format makes of the
// pieces: pictures by name, in the order in which they were complete.
type assembled struct {
	pictures map[string][]byte
	order    []string
	first    map[string]map[string]any // piece 0, by pic_id
}

func assemble(t testing.TB, pieces []message) assembled {
	t.Helper()
	a := assembled{map[string][]byte{}, nil, map[string]map[string]any{}}
	open := map[string]map[int]string{}
	for _, m := range pieces {
		var p struct {
			Data  string `json:"data"`
			PicID string `json:"pic_id"`
			Pos   int    `json:"pos"`
			Size  int    `json:"size"`
		}
		if err := json.Unmarshal(m.payload, &p); err != nil {
			t.Fatalf("piece %.80q: %v", m.payload, err)
		}
		if open[p.PicID] == nil {
			open[p.PicID] = map[int]string{}
		}
		open[p.PicID][p.Pos] = p.Data
		if p.Pos == 0 {
			a.first[p.PicID] = parse[map[string]any](t, m.payload)
		}
		if len(open[p.PicID]) == p.Size && a.pictures[p.PicID] == nil {
			var text strings.Builder
			for i := range p.Size {
				text.WriteString(open[p.PicID][i])
			}
			jpeg, err := base64.StdEncoding.DecodeString(text.String())
			if err != nil {
				t.Fatalf("%s: %v", p.PicID, err)
			}
			a.pictures[p.PicID] = jpeg
			a.order = append(a.order, p.PicID)
		}
	}
	return a
}

// The main job: a clip of real vehicles, a real broker, and subscribers of
// other makes; every picture arrives to the byte, in order, and last_event
// lists exactly those.
func TestRealFootage(t *testing.T) {
	footage, err := os.ReadFile(filepath.Join(corpus(t), vehicles, "clip.avi"))
	if err != nil {
		t.Fatal(err)
	}
	b := mosquitto(t)
	sub := subscribe(t, b.addr, "pirwatch/front/#")
	js := startCmd(t, node(t, "receive.js", "mqtt://"+b.addr, "pirwatch/front/chunk"))
	python := startCmd(t, python(t, "receive.py", b.addr, "pirwatch/front/chunk"))
	await(t, "the subscribers to be there", time.Minute, func() bool {
		return strings.Contains(js.out.String(), "subscribed") && strings.Contains(python.out.String(), "subscribed")
	})
	cam := watch(t, b.addr, clipConfig(t, vehicles))

	var done []summary
	await(t, "two closed events with all pictures acknowledged", 2*time.Minute, func() bool {
		done = nil
		latest := map[string]summary{}
		for _, m := range sub.on("pirwatch/front/last_event") {
			s := parse[summary](t, m.payload)
			latest[s.EventID] = s
		}
		for _, m := range sub.on("pirwatch/front/history") {
			s := latest[parse[summary](t, m.payload).EventID]
			if s.Phase == "closed" && s.Queued == 0 {
				done = append(done, s)
			}
		}
		return len(done) >= 2
	})
	cam.stop()
	got := assemble(t, sub.on("pirwatch/front/chunk"))
	for _, s := range done {
		if s.Published != s.Frames || s.Published != len(s.PicIDs) || s.Dropped != 0 || s.Frames < 3 {
			t.Errorf("event %s: %d frames, %d published, %d dropped, %d names", s.EventID, s.Frames, s.Published, s.Dropped, len(s.PicIDs))
		}
		if s.Trigger != "frames" || s.Score == nil || *s.Score <= 0 || *s.Score > 1 || s.Clock == "" {
			t.Errorf("event %s: trigger %q, score %v, clock %q", s.EventID, s.Trigger, s.Score, s.Clock)
		}
		if !slices.Contains(s.PicIDs, s.Cover) {
			t.Errorf("event %s: the cover %q is none of its pictures", s.EventID, s.Cover)
		}
		var mine []string
		for _, id := range got.order {
			if strings.HasPrefix(id, s.EventID+"-") {
				mine = append(mine, id)
			}
		}
		if !slices.Equal(mine, s.PicIDs) {
			t.Errorf("event %s: arrived %v, last_event lists %v", s.EventID, mine, s.PicIDs)
		}
		for _, id := range s.PicIDs {
			jpeg := got.pictures[id]
			if len(jpeg) == 0 || !bytes.Contains(footage, jpeg) {
				t.Errorf("%s: %d bytes that are no frame of the footage", id, len(jpeg))
				continue
			}
			sum := sha256.Sum256(jpeg)
			hash := hex.EncodeToString(sum[:])
			if got.first[id]["sha256"] != hash || int(got.first[id]["bytes"].(float64)) != len(jpeg) {
				t.Errorf("%s: piece 0 says %v", id, got.first[id])
			}
			for name, other := range map[string]*process{"MQTT.js": js, "Paho for Python": python} {
				await(t, name+" to have "+id, 20*time.Second, func() bool {
					return strings.Contains(other.out.String(), id+" "+hash+" ")
				})
			}
		}
	}
	checkOrder(t, sub, done[0])
	await(t, "the words of a clean stop", 20*time.Second, func() bool {
		return sub.last("pirwatch/front/status") == "offline" && sub.last("pirwatch/front/motion") == "OFF"
	})
	if out := cam.out.String(); strings.Contains(out, "ERROR") {
		t.Errorf("the log has errors:\n%s", out)
	}
}

// checkOrder looks at one event as a subscriber saw it: motion ON, cover, event
// message, pieces, motion OFF, summary.
func checkOrder(t testing.TB, sub *subscription, s summary) {
	t.Helper()
	at := map[string]int{}
	for i, m := range sub.all() {
		name := strings.TrimPrefix(m.topic, "pirwatch/front/")
		switch {
		case name == "motion":
			name += " " + string(m.payload)
		case name == "event":
			e := parse[map[string]any](t, m.payload)
			if e["event_id"] != s.EventID {
				continue
			}
			name += " " + e["event_type"].(string)
		case name == "last_event":
			v := parse[summary](t, m.payload)
			if v.EventID != s.EventID {
				continue
			}
			name += " " + v.Phase
		case name == "chunk" && !bytes.Contains(m.payload, []byte(s.EventID+"-")):
			continue
		}
		if _, seen := at[name]; !seen || name == "motion OFF" && at["event motion_start"] == 0 {
			at[name] = i
		}
	}
	order := []string{"motion ON", "image", "event motion_start", "chunk", "event motion_end", "last_event closed"}
	for i, name := range order {
		if _, ok := at[name]; !ok {
			t.Fatalf("no %s among what came: %v", name, at)
		}
		if i > 0 && at[order[i-1]] > at[name] {
			t.Errorf("%s came before %s", name, order[i-1])
		}
	}
}

// node prepares a script of test/peers/clients, with the packages of its lock file.
func node(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	program := need(t, "node")
	dir := "clients"
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "mqtt")); err != nil {
		missing(t, "MQTT.js: npm ci in test/peers/clients")
	}
	cmd := exec.Command(program, append([]string{script}, args...)...)
	cmd.Dir = dir
	return cmd
}

// python prepares a script of test/peers/clients under a Python with paho-mqtt.
func python(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	program := os.Getenv("PIRWATCH_PYTHON")
	if program == "" {
		program = need(t, "python3")
	}
	if err := exec.Command(program, "-c", "import paho.mqtt.client").Run(); err != nil {
		missing(t, "Eclipse Paho for Python: pip install paho-mqtt, and PIRWATCH_PYTHON naming that Python")
	}
	return exec.Command(program, append([]string{filepath.Join("clients", script)}, args...)...)
}
