//go:build peers

package peers

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// camera is a running `pirwatch run`.
type camera struct {
	*process
	name, dir, config string
}

// watch starts a daemon named front on a broker, with further configuration,
// and stops it with the test.
func watch(t testing.TB, brokerAddr, config string) *camera {
	t.Helper()
	c := &camera{name: "front", dir: t.TempDir()}
	c.config = filepath.Join(c.dir, "pirwatch.toml")
	text := fmt.Sprintf("name = %q\nstate_dir = %q\n[broker]\nurl = \"mqtt://%s\"\n%s", c.name, c.dir, brokerAddr, config)
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start(t)
	return c
}

// start starts the daemon, again after it was stopped or killed.
func (c *camera) start(t testing.TB) {
	t.Helper()
	c.process = start(t, built(t), "run", "--config", c.config)
}

// message is one that a subscriber got.
type message struct {
	topic    string
	payload  []byte
	retained bool
	at       time.Time
}

// subscription is what mosquitto_sub prints, parsed.
type subscription struct {
	mu       sync.Mutex
	messages []message
}

// subscribe runs Mosquitto's own subscriber. Payloads come in hexadecimal,
// since pictures are binary.
func subscribe(t testing.TB, brokerAddr string, topics ...string) *subscription {
	t.Helper()
	host, port, _ := strings.Cut(brokerAddr, ":")
	args := []string{"-h", host, "-p", port, "-q", "1", "-F", "%r %t %x", "-i", fmt.Sprintf("sub-%d", time.Now().UnixNano())}
	for _, topic := range topics {
		args = append(args, "-t", topic)
	}
	cmd := exec.Command(need(t, "mosquitto_sub"), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &subscription{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			retained, rest, _ := strings.Cut(lines.Text(), " ")
			topic, payload, _ := strings.Cut(rest, " ")
			raw, err := hex.DecodeString(payload)
			if err != nil {
				continue
			}
			s.mu.Lock()
			s.messages = append(s.messages, message{topic, raw, retained == "1", time.Now()})
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); <-done })
	return s
}

// all returns what came so far.
func (s *subscription) all() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]message(nil), s.messages...)
}

// on returns what came on one topic.
func (s *subscription) on(topic string) []message {
	var out []message
	for _, m := range s.all() {
		if m.topic == topic {
			out = append(out, m)
		}
	}
	return out
}

// last returns the newest payload on a topic, or "".
func (s *subscription) last(topic string) string {
	if all := s.on(topic); len(all) > 0 {
		return string(all[len(all)-1].payload)
	}
	return ""
}

// publishTo sends one message with Mosquitto's own publisher.
func publishTo(t testing.TB, brokerAddr, topic, payload string, flags ...string) {
	t.Helper()
	host, port, _ := strings.Cut(brokerAddr, ":")
	run(t, 30*time.Second, need(t, "mosquitto_pub"), append([]string{"-h", host, "-p", port, "-q", "1", "-t", topic, "-m", payload}, flags...)...)
}

// summary is last_event or history.
type summary struct {
	Phase     string   `json:"phase"`
	EventID   string   `json:"event_id"`
	StartedAt string   `json:"started_at"`
	EndedAt   string   `json:"ended_at"`
	Trigger   string   `json:"trigger"`
	Score     *float64 `json:"score"`
	Frames    int      `json:"frames"`
	Published int      `json:"published"`
	Queued    int      `json:"queued"`
	Dropped   int      `json:"dropped"`
	Cover     string   `json:"cover"`
	PicIDs    []string `json:"pic_ids"`
	Clock     string   `json:"clock"`
}

func parse[T any](t testing.TB, payload []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return v
}
