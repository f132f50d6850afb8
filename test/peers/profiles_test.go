//go:build peers

package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// printed returns the pictures that a client of test/peers/clients printed, as
// sha256 by pic_id, and fails if one came twice.
func printed(t testing.TB, p *process) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) ([0-9a-f]{64}) \d+ bytes$`).FindAllStringSubmatch(p.out.String(), -1) {
		if got[m[1]] != "" {
			t.Errorf("picture %s was complete twice", m[1])
		}
		got[m[1]] = m[2]
	}
	return got
}

// archived returns the sha256 of every picture in a daemon's archive.
func archived(t testing.TB, c *camera) map[string]string {
	t.Helper()
	got := map[string]string{}
	files, err := filepath.Glob(filepath.Join(c.dir, "archive", "*", "*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		got[hex.EncodeToString(sum[:])] = strings.TrimSuffix(filepath.Base(file), ".jpg")
	}
	return got
}

// sceneConfig draws a small scene in which somebody is soon seen; pictures are
// as small as the size says, for pieces few or many.
func sceneConfig(width, height int) string {
	return fmt.Sprintf(`
[camera]
driver = "scene"
width = %d
height = %d
[sensor]
driver = "off"
[motion]
trigger = "frames"
hold_off = "1s"
cooldown = "1s"
longest_event = "6s"
[home_assistant]
discovery = false
`, width, height)
}

// waitClosed waits for a number of closed events with nothing queued, as the
// retained summary or Watson's tells.
func waitClosed(t testing.TB, sub *subscription, topic string, n int) {
	t.Helper()
	closed := regexp.MustCompile(`"phase":"closed","event_id":"([^"]+)".*"queued":0`)
	await(t, fmt.Sprintf("%d closed events", n), 3*time.Minute, func() bool {
		ids := map[string]bool{}
		for _, m := range sub.on(topic) {
			if found := closed.FindSubmatch(m.payload); found != nil {
				ids[string(found[1])] = true
			}
		}
		return len(ids) >= n
	})
}

// samePictures compares what a client has with the archive: everything, once,
// to the byte. A picture that was sent again under a fresh id counts once.
func samePictures(t testing.TB, p *process, c *camera) {
	t.Helper()
	var want map[string]string
	await(t, "every picture to be whole", 4*time.Minute, func() bool {
		want = archived(t, c)
		have := map[string]bool{}
		for _, sum := range printed(t, p) {
			have[sum] = true
		}
		for sum := range want {
			if !have[sum] {
				return false
			}
		}
		return len(want) >= 3
	})
	for id, sum := range printed(t, p) {
		if want[sum] == "" {
			t.Errorf("picture %s has bytes that no picture of the camera has", id)
		}
	}
}

// others are the three kinds of receiver of a profile: the recipe's page, and
// MQTT.js and Paho for Python with receivers that key on the position.
func others(t testing.TB, brokerAddr, topic, envelope string) []*process {
	t.Helper()
	all := []*process{
		startCmd(t, node(t, "recipe.js", "mqtt://"+brokerAddr, topic, envelope)),
		startCmd(t, node(t, "receive.js", "mqtt://"+brokerAddr, topic, envelope)),
		startCmd(t, python(t, "receive.py", brokerAddr, topic, envelope)),
	}
	for _, p := range all {
		await(t, "the receivers to listen", time.Minute, func() bool { return strings.Contains(p.out.String(), "subscribed") })
	}
	return all
}

// noMoreEvents lets no more events come: a command that falls into a cut is lost, so
// it is said until it is echoed.
func noMoreEvents(t testing.TB, brokerAddr string, sub *subscription, command, payload, echo, want string) {
	t.Helper()
	await(t, "the camera to be disarmed", 2*time.Minute, func() bool {
		if sub.last(echo) == want {
			return true
		}
		publishTo(t, brokerAddr, command, payload)
		time.Sleep(300 * time.Millisecond)
		return false
	})
}

// A page written after the recipe works unmodified, whether a picture fits in
// one piece or takes many, and when the link goes in the middle of one.
func TestRecipeProfile(t *testing.T) {
	for _, c := range []struct {
		name, config string
		cut          bool
	}{
		{"many pieces", sceneConfig(640, 360) + "[wire]\nprofile = \"recipe\"\n", false},
		{"one piece", sceneConfig(64, 64) + "[wire]\nprofile = \"recipe\"\nchunk_size = 100000\n", false},
		{"cut in mid-picture", sceneConfig(640, 360) + "[wire]\nprofile = \"recipe\"\nchunk_size = 1000\n[backoff]\nfirst = \"200ms\"\nlongest = \"1s\"\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := mosquitto(t)
			receivers := others(t, b.addr, "pirwatch/front/chunk", "string")
			sub := subscribe(t, b.addr, "pirwatch/front/last_event", "pirwatch/front/armed")
			addr := b.addr
			if c.cut {
				// The camera's link alone: a page that is cut itself misses pieces,
				// and the recipe knows no asking again.
				addr = newFaultProxy(t, b.addr, linkFault{first: 4, rate: 60_000, every: 2 * time.Second}).Addr().String()
			}
			cam := watch(t, addr, c.config)
			waitClosed(t, sub, "pirwatch/front/last_event", 1)
			noMoreEvents(t, b.addr, sub, "pirwatch/front/armed/set", "OFF", "pirwatch/front/armed", "OFF")
			for _, receiver := range receivers {
				samePictures(t, receiver, cam)
			}
		})
	}
}

// The Watson profile: the device conventions as the broker sees them, and the
// recipe's page on Watson's topic.
func TestWatsonProfile(t *testing.T) {
	b := mosquitto(t, "log_type all")
	receivers := others(t, b.addr, "iot-2/evt/picture/fmt/json", "string")
	sub := subscribe(t, b.addr, "#")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cam := watch(t, b.addr, "profile = \"mosquitto\"\n"+sceneConfig(320, 180)+fmt.Sprintf(
		"[wire]\nprofile = \"watson\"\n[watson]\norg = \"abc123\"\ntype = \"cam\"\nid = \"front\"\ntoken_file = %q\n", token))
	waitClosed(t, sub, "iot-2/evt/last_event/fmt/json", 1)
	publishTo(t, b.addr, "iot-2/cmd/sensitivity/fmt/json", `{"d":{"sensitivity":"61"}}`)
	await(t, "the command's echo", time.Minute, func() bool {
		return sub.last("iot-2/evt/sensitivity/fmt/json") == `{"d":{"sensitivity":"61"}}`
	})
	noMoreEvents(t, b.addr, sub, "iot-2/cmd/armed/fmt/json", `{"d":{"armed":"OFF"}}`, "iot-2/evt/armed/fmt/json", `{"d":{"armed":"OFF"}}`)
	for _, receiver := range receivers {
		samePictures(t, receiver, cam)
	}
	cam.kill()
	await(t, "the last will", time.Minute, func() bool {
		return sub.last("iot-2/evt/status/fmt/json") == `{"d":{"status":"offline"}}`
	})
	log := b.proc.out.String()
	for _, says := range []string{"as d:abc123:cam:front ", "u'use-token-auth'"} {
		if !strings.Contains(log, says) {
			t.Errorf("the broker did not see %q", says)
		}
	}
	for _, m := range sub.all() {
		if m.retained || !strings.HasPrefix(string(m.payload), `{"d":`) || !strings.HasPrefix(m.topic, "iot-2/evt/") && !strings.HasPrefix(m.topic, "iot-2/cmd/") {
			t.Errorf("%s (retained %v): %.80s", m.topic, m.retained, m.payload)
		}
	}
}
