package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
)

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.toml")
	if err := os.WriteFile(wrong, []byte("[motion]\nsensitivity = 900\n[broker]\nurl = \"http://x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.toml")
	if err := os.WriteFile(overlay, []byte("[picture]\nmax_bytes = \"1kB\"\n[picture.overlay]\ntext = \"{when}\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string // on either stream
	}{
		{[]string{"--version"}, exitGood, "pirwatch "},
		{[]string{"--help"}, exitGood, "demo"},
		{[]string{"run", "--help"}, exitGood, "--config"},
		{nil, exitUsage, "expected one of"},
		{[]string{"dance"}, exitUsage, "unexpected argument dance"},
		{[]string{"run", "--colour"}, exitUsage, "unknown flag --colour"},
		{[]string{"run", "--config", filepath.Join(dir, "none.toml")}, exitConfig, "there is no such file"},
		{[]string{"run", "--config", wrong}, exitConfig, "wrong.toml:2:1: motion.sensitivity"},
		{[]string{"run", "--config", overlay}, exitConfig, "overlay.toml:1:"},
		{[]string{"run", "--config", overlay}, exitConfig, "{when}"},
		{[]string{"check", "--config", wrong}, exitConfig, "wrong.toml:4:1: broker.url"},
		{[]string{"demo", "--mqtt", "192.0.2.1:1883"}, exitFailed, "serves this machine only"},
		{[]string{"demo", "--source", filepath.Join(dir, "none.avi")}, exitUsage, "none.avi"},
		{[]string{"receive", "--out", dir, "--broker", "mqtt://me:secret@127.0.0.1"}, exitUsage, "use --password-file"},
		{[]string{"receive", "--out", dir, "--broker", "gopher://x"}, exitUsage, "gopher"},
		{[]string{"view", "--broker", "mqtt://127.0.0.1", "--listen", "nowhere"}, exitUsage, "want host:port"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := start(c.args, &out, &errs); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			said := out.String() + errs.String()
			if !strings.Contains(said, c.says) {
				t.Errorf("said %q, want %q in it", said, c.says)
			}
			if strings.Contains(said, "secret") {
				t.Error("a password was printed")
			}
		})
	}
}

// lines collects what the demo prints, and may be read meanwhile.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// The README's first command: the scene's visitor becomes an event, and a
// stranger on the demo's broker puts its pictures together.
func TestDemo(t *testing.T) {
	var out lines
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- (&demoCommand{Listen: "127.0.0.1:0", MQTT: "127.0.0.1:0"}).Run(ctx, streams{&out, &out})
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	}()
	line := regexp.MustCompile(`mosquitto_sub -h (\S+) -p (\d+)`)
	await(t, "the demo's address", func() bool { return line.MatchString(out.String()) })
	addr := line.FindStringSubmatch(out.String())

	var mu sync.Mutex
	pictures := map[string]bool{}
	var closed struct {
		Phase  string   `json:"phase"`
		PicIDs []string `json:"pic_ids"`
		Queued int      `json:"queued"`
	}
	assembler := chunk.NewAssembler(chunk.Limits{})
	link, err := mqtt.Connect(ctx, mqtt.Options{URL: "mqtt://" + addr[1] + ":" + addr[2], ClientID: "stranger", CleanSession: true}, func(m mqtt.Message) {
		mu.Lock()
		defer mu.Unlock()
		switch m.Topic {
		case "pirwatch/demo/chunk":
			result, err := assembler.Add(time.Now(), m.Payload)
			if err != nil {
				t.Errorf("piece: %v", err)
			}
			if result.Done != nil {
				pictures[result.Done.PicID] = true
			}
		case "pirwatch/demo/last_event":
			json.Unmarshal(m.Payload, &closed)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close(context.Background())
	if err := link.Subscribe(ctx, map[string]byte{"pirwatch/demo/#": 1}); err != nil {
		t.Fatal(err)
	}
	await(t, "a whole event", func() bool {
		mu.Lock()
		defer mu.Unlock()
		if closed.Phase != "closed" || closed.Queued > 0 || len(closed.PicIDs) == 0 {
			return false
		}
		for _, id := range closed.PicIDs {
			if !pictures[id] {
				return false
			}
		}
		return true
	})
	for _, says := range []string{"event started", "event ended", "http://127.0.0.1:"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("the demo did not say %q:\n%s", says, out.String())
		}
	}
}
