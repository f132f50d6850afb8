//go:build peers

package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// homeAssistant is a Home Assistant in a root of its own, and its owner's login.
type homeAssistant struct {
	root, config string
	url          string
	token        string
	proc         *process
	ws           *hassSocket
}

// newHomeAssistant prepares one with an empty configuration; start starts it.
func newHomeAssistant(t testing.TB) *homeAssistant {
	t.Helper()
	need(t, "unshare")
	if os.Geteuid() != 0 {
		missing(t, "root, for Home Assistant in a root of its own")
	}
	cache := os.Getenv("PIRWATCH_CACHE")
	if cache == "" {
		base := os.Getenv("XDG_CACHE_HOME")
		if base == "" {
			base = filepath.Join(os.Getenv("HOME"), ".cache")
		}
		cache = filepath.Join(base, "pirwatch-ci")
	}
	dir := filepath.Join(cache, "homeassistant")
	version, err := os.ReadFile(filepath.Join(dir, "built"))
	if err != nil {
		missing(t, "Home Assistant: test/peers/homeassistant/build.sh")
	}
	var year, month int
	if _, err := fmt.Sscanf(string(version), "%d.%d", &year, &month); err != nil || year*100+month < 202605 {
		t.Fatalf("Home Assistant %s: the rules are those of 2026.5 and later; remove %s and run build.sh again", version, dir)
	}
	t.Logf("Home Assistant %s", strings.TrimSpace(string(version)))
	h := &homeAssistant{root: filepath.Join(dir, "root"), config: t.TempDir()}
	port := lastingPort(t)
	h.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	for name, text := range map[string]string{
		"configuration.yaml": fmt.Sprintf("http:\n  server_host: 127.0.0.1\n  server_port: %d\nmobile_app:\nautomation: !include automations.yaml\n", port),
		"automations.yaml":   "[]\n",
	} {
		if err := os.WriteFile(filepath.Join(h.config, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// lastingPort returns a free port below those that the kernel gives to outgoing
// connections, one of which could take it while Home Assistant restarts.
func lastingPort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.N(12000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port from 20000 to 31999")
	return 0
}

// start starts Home Assistant, in a mount namespace of its own so that nothing
// stays mounted, and waits until it answers.
func (h *homeAssistant) start(t testing.TB) {
	t.Helper()
	h.proc = startCmd(t, exec.Command(need(t, "unshare"), "--mount", "sh", "-c",
		`mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --bind "$2" "$1/config" && exec chroot "$1" /opt/ha/bin/hass -c /config`,
		"sh", h.root, h.config))
	await(t, "Home Assistant to answer", 5*time.Minute, func() bool {
		select {
		case <-h.proc.done:
			t.Fatal("Home Assistant ended")
		default:
		}
		resp, err := http.Get(h.url + "/api/onboarding")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK || h.token != "" && resp.StatusCode < 500
	})
	if h.token == "" {
		h.onboard(t)
	}
	await(t, "Home Assistant to run", 5*time.Minute, func() bool {
		var config struct {
			State string `json:"state"`
		}
		return h.call("GET", "/api/config", nil, &config) == nil && config.State == "RUNNING"
	})
	h.ws = openSocket(t, h)
}

// stop ends Home Assistant as a restart does: it saves what it knows.
func (h *homeAssistant) stop(t testing.TB) {
	t.Helper()
	h.ws.close()
	h.proc.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.proc.done:
	case <-time.After(3 * time.Minute):
		t.Error("Home Assistant did not end within three minutes")
		h.proc.kill()
	}
}

// onboard does by script what the owner's first minutes are.
func (h *homeAssistant) onboard(t testing.TB) {
	t.Helper()
	client := h.url + "/"
	var user struct {
		Code string `json:"auth_code"`
	}
	h.must(t, "POST", "/api/onboarding/users", map[string]any{
		"client_id": client, "name": "Owner", "username": "owner", "password": "a password of the test", "language": "en"}, &user)
	resp, err := http.PostForm(h.url+"/auth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {user.Code}, "client_id": {client}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var login struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&login); err != nil || login.Token == "" {
		t.Fatalf("login: status %d, %v", resp.StatusCode, err)
	}
	h.token = login.Token
	h.must(t, "POST", "/api/onboarding/core_config", map[string]any{}, nil)
	h.must(t, "POST", "/api/onboarding/analytics", map[string]any{}, nil)
	h.must(t, "POST", "/api/onboarding/integration", map[string]any{"client_id": client, "redirect_uri": client}, nil)
}

// useBroker sets the MQTT integration up through its dialogue, with what it proposes.
func (h *homeAssistant) useBroker(t testing.TB, addr string) {
	t.Helper()
	host, port, _ := strings.Cut(addr, ":")
	var flow struct {
		ID     string `json:"flow_id"`
		Type   string `json:"type"`
		Result struct {
			State string `json:"state"`
		} `json:"result"`
	}
	h.must(t, "POST", "/api/config/config_entries/flow", map[string]any{"handler": "mqtt"}, &flow)
	h.must(t, "POST", "/api/config/config_entries/flow/"+flow.ID, map[string]any{
		"broker": host, "port": json.Number(port), "protocol": "5",
		"other_settings": map[string]any{"set_client_cert": false, "set_ca_cert": "off", "transport": "tcp"},
	}, &flow)
	if flow.Type != "create_entry" {
		t.Fatalf("the MQTT integration was not set up: %+v", flow)
	}
}

// call is one REST request. result may be nil, or *[]byte for what is no JSON.
func (h *homeAssistant) call(method, path string, body, result any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d: %.300s", method, path, resp.StatusCode, text)
	}
	switch result := result.(type) {
	case nil:
		return nil
	case *[]byte:
		*result = text
		return nil
	}
	return json.Unmarshal(text, result)
}

func (h *homeAssistant) must(t testing.TB, method, path string, body, result any) {
	t.Helper()
	if err := h.call(method, path, body, result); err != nil {
		t.Fatal(err)
	}
}

// act calls an action on an entity.
func (h *homeAssistant) act(t testing.TB, action, entity string, more map[string]any) {
	t.Helper()
	data := map[string]any{"entity_id": entity}
	for k, v := range more {
		data[k] = v
	}
	h.must(t, "POST", "/api/services/"+strings.Replace(action, ".", "/", 1), data, nil)
}

// entity is the state of one.
type entity struct {
	ID         string         `json:"entity_id"`
	State      string         `json:"state"`
	Attributes map[string]any `json:"attributes"`
}

// entities returns the camera's, by id.
func (h *homeAssistant) entities() map[string]entity {
	var all []entity
	if h.call("GET", "/api/states", nil, &all) != nil {
		return nil
	}
	mine := map[string]entity{}
	for _, e := range all {
		if strings.Contains(e.ID, ".pirwatch_front_") {
			mine[e.ID] = e
		}
	}
	return mine
}

// hassSocket is a websocket session that records every change of state.
type hassSocket struct {
	conn *websocket.Conn
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	id      int
	answers map[int]chan json.RawMessage
	changes []entity
}

func openSocket(t testing.TB, h *homeAssistant) *hassSocket {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(h.url, "http")+"/api/websocket", nil)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	s := &hassSocket{conn: conn, stop: cancel, done: make(chan struct{}), answers: map[int]chan json.RawMessage{}}
	go s.read(ctx)
	t.Cleanup(s.close)
	login, _ := json.Marshal(map[string]string{"type": "auth", "access_token": h.token})
	if err := conn.Write(ctx, websocket.MessageText, login); err != nil {
		t.Fatal(err)
	}
	s.ask(t, map[string]any{"type": "subscribe_events", "event_type": "state_changed"})
	return s
}

func (s *hassSocket) close() {
	s.stop()
	<-s.done
}

func (s *hassSocket) read(ctx context.Context) {
	defer close(s.done)
	defer s.conn.CloseNow()
	for {
		_, text, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		var m struct {
			ID    int    `json:"id"`
			Type  string `json:"type"`
			Event struct {
				Data struct {
					New *entity `json:"new_state"`
				} `json:"data"`
			} `json:"event"`
		}
		if json.Unmarshal(text, &m) != nil {
			continue
		}
		s.mu.Lock()
		switch m.Type {
		case "result":
			if answer := s.answers[m.ID]; answer != nil {
				answer <- text
				delete(s.answers, m.ID)
			}
		case "event":
			if m.Event.Data.New != nil {
				s.changes = append(s.changes, *m.Event.Data.New)
			}
		}
		s.mu.Unlock()
	}
}

// ask sends a command and returns its result.
func (s *hassSocket) ask(t testing.TB, command map[string]any) json.RawMessage {
	t.Helper()
	answer := make(chan json.RawMessage, 1)
	s.mu.Lock()
	s.id++
	command["id"] = s.id
	s.answers[s.id] = answer
	s.mu.Unlock()
	text, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, text); err != nil {
		t.Fatal(err)
	}
	select {
	case text = <-answer:
	case <-ctx.Done():
		t.Fatalf("no answer to %v", command)
	}
	result := parse[struct {
		Success bool            `json:"success"`
		Result  json.RawMessage `json:"result"`
	}](t, text)
	if !result.Success {
		t.Fatalf("%v: %s", command, text)
	}
	return result.Result
}

// saw tells whether an entity has been in a state for which f holds.
func (s *hassSocket) saw(id string, f func(entity) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.changes {
		if e.ID == id && f(e) {
			return true
		}
	}
	return false
}

// count tells how many changes of an entity f holds for.
func (s *hassSocket) count(id string, f func(entity) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.changes {
		if e.ID == id && f(e) {
			n++
		}
	}
	return n
}
