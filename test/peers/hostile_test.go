//go:build peers

package peers

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settings is what the settings' topics say.
func settings(sub *subscription) map[string]string {
	now := map[string]string{}
	for _, name := range []string{"armed", "trigger", "cooldown", "sensitivity", "masks"} {
		now[name] = sub.last("pirwatch/front/" + name)
	}
	return now
}

// peakMemory is the most bytes that a process has held in RAM so far.
func peakMemory(t testing.TB, p *process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no VmHWM in %s", text)
	}
	kb, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// Commands that nobody in his right mind sends: the settings stay, memory stays
// within bounds, and the camera goes on watching.
func TestHostileCommands(t *testing.T) {
	b := mosquitto(t)
	sub := subscribe(t, b.addr, "pirwatch/front/+")
	cam := watch(t, b.addr, sceneConfig(320, 180))
	waitClosed(t, sub, "pirwatch/front/last_event", 1)
	want := map[string]string{
		"armed": "ON", "trigger": "frames", "cooldown": "1", "sensitivity": "50", "masks": `{"ignore":[],"watch":[],"privacy":[]}`,
	}
	if now := settings(sub); !maps.Equal(now, want) {
		t.Fatalf("settings %v, want %v", now, want)
	}
	before := peakMemory(t, cam.process)

	const mega = 1 << 20
	payloads := []string{
		"", "null", "true", "[]", "{}", `""`, `"ON"`, "on", "ON ", "1.5", "-1", "NaN", "Infinity", "1e999", "0x10", "９",
		"\x00\xff\xfe", "{\"ignore\":[[[0,0],[1,0],[1e400,0]]]}", `{"ignore":{"a":1}}`, `{"ignore":[[["0","0"],[1,0],[0,1]]]}`,
		`{"pic_id":7}`, `{"pic_id":"../../../../etc/passwd"}`, `{"pic_id":"a-01","pos":[-1,99999999999999999999]}`, `{"pic_id":"a-01","pos":"all"}`,
		strings.Repeat("A", mega), strings.Repeat("9", mega), strings.Repeat("[", mega), strings.Repeat(`{"ignore":`, mega/10),
		`{"ignore":[` + strings.Repeat(`[[0,0],[1,0],[0,1]],`, mega/20) + `[[0,0],[1,0],[0,1]]]}`,
		`{"pic_id":"a-01","pos":[` + strings.Repeat("0,", mega/2) + `0]}`,
	}
	topics := []string{"armed/set", "trigger/set", "cooldown/set", "sensitivity/set", "masks/set", "capture", "tune", "resend", "nothing/set"}
	file := filepath.Join(t.TempDir(), "payload")
	host, port, _ := strings.Cut(b.addr, ":")
	pub := need(t, "mosquitto_pub")
	for _, payload := range payloads {
		if err := os.WriteFile(file, []byte(payload), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, topic := range topics {
			if topic == "masks/set" && payload == "{}" {
				continue // asks for no masks, and may
			}
			run(t, time.Minute, pub, "-h", host, "-p", port, "-q", "1", "-t", "pirwatch/front/"+topic, "-f", file)
		}
	}

	// A thousand a second for ten seconds, of every kind, good ones among them.
	flood := exec.Command(pub, "-h", host, "-p", port, "-q", "1", "-t", "pirwatch/front/sensitivity/set", "-l")
	in, err := flood.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 100 {
		for j := range 50 {
			fmt.Fprintf(in, "%d\n{\"n\":%d}\n", 1+j, i)
		}
		<-tick.C
	}
	in.(io.Closer).Close()
	if err := flood.Wait(); err != nil {
		t.Fatal(err)
	}

	await(t, "a good command to be carried out after the flood", 2*time.Minute, func() bool {
		publishTo(t, b.addr, "pirwatch/front/sensitivity/set", "50")
		return maps.Equal(settings(sub), want)
	})
	if after := peakMemory(t, cam.process); after > before+64<<20 {
		t.Errorf("%d MB at most before, %d MB after", before>>20, after>>20)
	} else {
		t.Logf("%d MB at most before, %d MB after", before>>20, after>>20)
	}
	seen := len(sub.on("pirwatch/front/history"))
	await(t, "further events", 3*time.Minute, func() bool { return len(sub.on("pirwatch/front/history")) > seen+1 })
	out := cam.out.String()
	for _, word := range []string{"panic", "goroutine ", "ERROR"} {
		if strings.Contains(out, word) {
			t.Errorf("the log has %q:\n%s", word, out)
		}
	}
	t.Logf("%d lines in the log", strings.Count(out, "\n"))
	for line := range strings.Lines(out) {
		if len(line) > 2000 {
			t.Errorf("a line of %d characters in the log: %.200s…", len(line), line)
		}
	}

	// A broker marks a message as retained only for those who subscribe later: so
	// the camera must find it there, as it would after each loss of the link.
	cam.kill()
	publishTo(t, b.addr, "pirwatch/front/armed/set", "OFF", "-r")
	cam.start(t)
	await(t, "the log to tell of the retained command", time.Minute, func() bool {
		return strings.Contains(cam.out.String(), "the message is retained")
	})
	seen = len(sub.on("pirwatch/front/history"))
	await(t, "an event after the restart", 3*time.Minute, func() bool { return len(sub.on("pirwatch/front/history")) > seen })
	if now := settings(sub); !maps.Equal(now, want) {
		t.Errorf("settings after the restart %v, want %v", now, want)
	}
}
