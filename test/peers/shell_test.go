//go:build peers

package peers

import (
	"encoding/base64"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The commands that docs/clients.md shows for a shell, and the cover as text.
func TestShell(t *testing.T) {
	b := mosquitto(t)
	sub := subscribe(t, b.addr, "pirwatch/front/+")
	cam := watch(t, b.addr, sceneConfig(320, 180)+"[wire]\nbase64 = true\ndatauri = true\n")
	waitClosed(t, sub, "pirwatch/front/last_event", 1)
	publishTo(t, b.addr, "pirwatch/front/armed/set", "OFF")
	delivered := func() bool {
		last := sub.last("pirwatch/front/last_event")
		return sub.last("pirwatch/front/armed") == "OFF" && sub.last("pirwatch/front/motion") == "OFF" &&
			strings.Contains(last, `"phase":"closed"`) && strings.Contains(last, `"queued":0`)
	}
	await(t, "the disarmed camera to have delivered all", time.Minute, delivered)

	host, port, _ := strings.Cut(b.addr, ":")
	fetch := func(topic string) string {
		t.Helper()
		out, err := exec.Command(need(t, "mosquitto_sub"), "-h", host, "-p", port, "-W", "60", "-t", topic, "-C", "1", "-N").Output()
		if err != nil {
			t.Fatalf("mosquitto_sub %s: %v", topic, err)
		}
		return string(out)
	}
	cover := parse[summary](t, []byte(sub.last("pirwatch/front/last_event"))).Cover
	jpeg := ""
	for path, data := range jpegs(t, cam.dir) {
		if strings.HasSuffix(path, "/"+cover+".jpg") {
			jpeg = string(data)
		}
	}
	if jpeg == "" {
		t.Fatalf("the archive has no %q", cover)
	}
	text := base64.StdEncoding.EncodeToString([]byte(jpeg))
	for topic, want := range map[string]string{"image": jpeg, "image/base64": text, "image/datauri": "data:image/jpeg;base64," + text} {
		if got := fetch("pirwatch/front/" + topic); got != want {
			t.Errorf("%s has %d bytes, want the %d of %s", topic, len(got), len(want), cover)
		}
	}

	publishTo(t, b.addr, "pirwatch/front/capture", "PRESS")
	await(t, "a burst at a press, disarmed as the camera is", time.Minute, func() bool {
		return strings.Contains(sub.last("pirwatch/front/last_event"), `"trigger":"manual"`) && delivered()
	})
}
