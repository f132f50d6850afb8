//go:build peers

package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pirwatch/receive/archive"
	"pirwatch/receive/view"
)

// site is the page, served for a real Mosquitto.
type site struct {
	broker *broker
	store  *archive.Archive
	url    string
	dials  atomic.Int64 // connections to the broker
	kicks  atomic.Bool  // each is closed a moment after it began
	mu     sync.Mutex
	conns  []*valve
}

// valve is a connection that can go dead, as one through a sleeping phone's
// network does: nothing comes, and what is sent vanishes.
type valve struct {
	net.Conn
	dead   atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (v *valve) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	if v.dead.Load() {
		<-v.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (v *valve) Write(p []byte) (int, error) {
	if v.dead.Load() {
		return len(p), nil
	}
	return v.Conn.Write(p)
}

func (v *valve) Close() error {
	v.once.Do(func() { close(v.closed) })
	return v.Conn.Close()
}

// dial connects the page to the broker.
func (s *site) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.broker.addr)
	if err != nil {
		return nil, err
	}
	s.dials.Add(1)
	if s.kicks.Load() {
		time.AfterFunc(time.Second, func() { conn.Close() })
	}
	v := &valve{Conn: conn, closed: make(chan struct{})}
	s.mu.Lock()
	s.conns = append(s.conns, v)
	s.mu.Unlock()
	return v, nil
}

// cut closes the pages' connections to the broker.
func (s *site) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
}

func newSite(t testing.TB, o view.Options, conf ...string) *site {
	t.Helper()
	s := &site{broker: mosquitto(t, conf...)}
	var err error
	if s.store, err = archive.Open(t.TempDir(), archive.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	o.Archive, o.Listen, o.Base, o.Version = s.store, "127.0.0.1:0", pageBase, "test"
	o.Dial = s.dial
	server, err := view.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("view: %v", err)
		}
		s.store.Close()
	})
	s.url = server.URL()
	return s
}

// modules installs what the browser tests need, at the locked versions, once.
var modules = sync.OnceValue(func() error {
	lock, err := os.ReadFile("page/package-lock.json")
	if err != nil {
		return err
	}
	stamp := filepath.Join("page/node_modules", ".locked")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, lock) {
		return nil
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = "page"
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return os.WriteFile(stamp, lock, 0o644)
})

// deeds are what a scenario may ask the test to do: its name, and its argument
// and answer as JSON.
type deeds map[string]func(arg json.RawMessage) any

// browse runs a scenario of page/ in a browser. The scenario prints "ASK deed
// argument" where it wants something done, and reads the answer.
func browse(t *testing.T, scenario string, d deeds, args ...string) {
	t.Helper()
	need(t, "node")
	need(t, "npm")
	chromium := need(t, "chromium")
	if err := modules(); err != nil {
		missing(t, err.Error())
	}
	shots, err := filepath.Abs(filepath.Join(root, "test/out/page"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{scenario + ".mjs"}, args...)...)
	cmd.Dir = "page"
	cmd.Env = append(os.Environ(), "PAGE_CHROMIUM="+chromium, "PAGE_SHOTS="+shots)
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		ask, ok := strings.CutPrefix(lines.Text(), "ASK ")
		if !ok {
			t.Log(lines.Text())
			continue
		}
		name, arg, _ := strings.Cut(ask, " ")
		do := d[name]
		if do == nil {
			t.Errorf("%s asks for %q, which the test does not offer", scenario, name)
			break
		}
		answer, err := json.Marshal(do(json.RawMessage(arg)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(in, "%s\n", answer)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", scenario, err, stderr.String())
	}
}

func arg[T any](raw json.RawMessage) (v T) {
	json.Unmarshal(raw, &v)
	return v
}

// cameraDeeds let a scenario play events and see commands.
func cameraDeeds(cams ...*pretend) deeds {
	return deeds{
		"burst": func(raw json.RawMessage) any {
			a := arg[struct {
				Camera   int
				Pictures int
				Trigger  string
				Hours    float64 // ago
				burst
			}](raw)
			b := a.burst
			b.pictures, b.trigger = a.Pictures, a.Trigger
			if b.pictures == 0 {
				b.pictures = 5
			}
			if b.trigger == "" {
				b.trigger = "pir+frames"
			}
			if a.Hours > 0 {
				b.At = time.Now().Add(-time.Duration(a.Hours * float64(time.Hour)))
			}
			return cams[a.Camera].burst(b)
		},
		"live":     func(json.RawMessage) any { cams[0].live(); return true },
		"commands": func(json.RawMessage) any { return cams[0].commands() },
		"say": func(raw json.RawMessage) any {
			a := arg[struct{ Camera, Name, Payload string }](raw)
			cams[0].say(a.Name, a.Payload, true)
			return true
		},
	}
}

// TestPageNow: a burst appears piece by piece, its bytes are the camera's, and
// the switch and the button work.
func TestPageNow(t *testing.T) {
	s := newSite(t, view.Options{})
	front := pretendCamera(t, s.broker.addr, "front", nil)
	browse(t, "now", cameraDeeds(front), s.url)
}

// TestPageFilm: past events come from the archive, play, and download.
func TestPageFilm(t *testing.T) {
	s := newSite(t, view.Options{})
	front := pretendCamera(t, s.broker.addr, "front", s.store)
	back := pretendCamera(t, s.broker.addr, "back", s.store)
	browse(t, "film", cameraDeeds(front, back), s.url)
}

// TestPageArchive: hundreds of past events can be paged through, none twice and
// none left out, though some began at the same instant; a server that hangs is told.
func TestPageArchive(t *testing.T) {
	const n = 301
	s := newSite(t, view.Options{})
	jpeg, _ := pageScene()(30)
	newest := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	for i := range n {
		at := newest.Add(-time.Duration((i+1)/2) * 11 * time.Minute)
		at = at.Add(time.Duration(i%2) * 100 * time.Microsecond) // within the millisecond that browsers count in
		id := fmt.Sprintf("01K%023X", 10_000-i)
		camera := []string{"front", "back"}[i%2]
		if err := errors.Join(
			s.store.SavePicture(camera, at, id+"-00", jpeg),
			s.store.SaveSummary(camera, at, id, fmt.Appendf(nil, `{"phase":"closed","event_id":%q,"started_at":%q,"trigger":"pir","frames":1,"cover":"%s-00","pic_ids":["%s-00"]}`, id, at.Format(time.RFC3339Nano), id, id)),
		); err != nil {
			t.Fatal(err)
		}
	}
	browse(t, "archive", nil, s.url, fmt.Sprint(n))
}

// TestPageTune: the score is plotted, and a mask drawn on one page shows on another.
func TestPageTune(t *testing.T) {
	s := newSite(t, view.Options{})
	front := pretendCamera(t, s.broker.addr, "front", nil)
	browse(t, "tune", cameraDeeds(front), s.url)
}

// TestPageLink: a broker that goes is told, and found again when it is back.
func TestPageLink(t *testing.T) {
	s := newSite(t, view.Options{})
	front := pretendCamera(t, s.broker.addr, "front", nil)
	d := cameraDeeds(front)
	d["stop"] = func(json.RawMessage) any { s.broker.stop(); return true }
	d["start"] = func(json.RawMessage) any { s.broker.start(t); front.connect(); return true }
	d["kick"] = func(raw json.RawMessage) any { s.kicks.Store(arg[bool](raw)); s.cut(); return true }
	d["freeze"] = func(json.RawMessage) any {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, conn := range s.conns {
			conn.dead.Store(true)
		}
		return true
	}
	d["dials"] = func(json.RawMessage) any { return s.dials.Load() }
	browse(t, "link", d, s.url)
}

// TestPageLogin: nothing is shown without the page's login and the broker's.
func TestPageLogin(t *testing.T) {
	dir := t.TempDir()
	passwords := filepath.Join(dir, "passwords")
	run(t, 20*time.Second, need(t, "mosquitto_passwd"), "-b", "-c", passwords, "owner", "night owl 3am")
	os.Chmod(passwords, 0o600)
	s := newSite(t, view.Options{Token: "correct horse battery"}, "allow_anonymous false", "password_file "+passwords)
	browse(t, "login", nil, s.url)
}

// TestPageHostile: names and payloads from strangers stay text, and a flood
// leaves the page responsive.
func TestPageHostile(t *testing.T) {
	s := newSite(t, view.Options{})
	front := pretendCamera(t, s.broker.addr, "front", nil)
	evil := pretendCamera(t, s.broker.addr, `<img src=x onerror="document.title='pwned'">`, s.store)
	d := cameraDeeds(front, evil)
	d["hostile"] = func(json.RawMessage) any {
		const markup = `<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>`
		evil.say("health", `{"camera":"`+markup+`","camera_error":"`+markup+`","sensor":{"a":1},"broker":[],"disk":"`+markup+`","queue_pictures":"many","cpu_c":1e308,"uptime_s":-1,"version":"`+markup+`"}`, true)
		evil.say("event", `{"event_type":"motion_start","event_id":"`+markup+`","at":"`+markup+`","trigger":"`+markup+`","score":"x"}`, false)
		evil.say("last_event", `{"phase":"`+markup+`","event_id":"`+markup+`","started_at":"2026-11-22T12:00:00Z","trigger":"`+markup+`","cover":"`+markup+`","pic_ids":"x","duration_s":"x"}`, true)
		for _, name := range []string{"status", "motion", "armed", "trigger", "cooldown", "sensitivity"} {
			evil.say(name, strings.ReplaceAll(markup, `\"`, `"`), true)
		}
		for _, payload := range []string{``, `null`, `[]`, `{`, `{"ignore":{"a":1}}`, `{"ignore":[[[2,0],["a",1],null]],"watch":7}`, strings.Repeat("[", 60_000)} {
			for _, name := range []string{"masks", "health", "event", "last_event", "history", "score", "chunk", "image", "live", "resend/result"} {
				evil.say(name, payload, false)
			}
		}
		return true
	}
	d["flood"] = func(json.RawMessage) any {
		data := strings.Repeat("A", 3000)
		for i := range 10_000 {
			id := fmt.Sprintf("flood%05d-00", i/2)
			token := evil.link.Publish(evil.topic("chunk"), fmt.Appendf(nil, `{"data":%q,"pic_id":%q,"pos":%d,"size":400}`, data, id, i%2), 1, false)
			if i%100 == 99 {
				<-token.Done()
			}
		}
		return true
	}
	d["whole"] = func(raw json.RawMessage) any {
		a := arg[struct{ Cameras, Megabytes int }](raw)
		jpeg := append([]byte{0xff, 0xd8}, make([]byte, a.Megabytes*1e6)...)
		name := ""
		for i := range a.Cameras {
			name = fmt.Sprintf("stranger%02d", i)
			<-evil.link.Publish(pageBase+"/"+name+"/image", jpeg, 1, false).Done()
		}
		return name
	}
	browse(t, "hostile", d, s.url)
}

// TestPageDemo: the demo's page shows its pictures, to the byte, and obeys.
func TestPageDemo(t *testing.T) {
	demo := start(t, built(t), "demo", "--listen", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
	address := regexp.MustCompile(`http://\S+#token=\S+`)
	await(t, "the demo's address", 30*time.Second, func() bool { return address.MatchString(demo.out.String()) })
	browse(t, "demo", nil, address.FindString(demo.out.String()))
}

// TestPageDaemon: a mask drawn on the page of a daemon on a real Mosquitto
// silences the scene's tree and nothing else, shows in a second browser, and
// survives a restart of the daemon; a restart of the broker is healed.
func TestPageDaemon(t *testing.T) {
	b := mosquitto(t)
	page := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	camera := watch(t, b.addr, fmt.Sprintf(`
[camera]
driver = "scene"
[camera.scene]
visitor_every = "24h" # but for the first, who comes after 3 s
wind = 3.0
[sensor]
driver = "off"
[motion]
trigger = "frames"
hold_off = "1s"
cooldown = "0s"
[detector]
background = "4s"
[live]
interval = "1s"
[view]
listen = %q
`, page))
	begun := time.Now()
	await(t, "the page", 30*time.Second, func() bool {
		conn, err := net.Dial("tcp", page)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	browse(t, "daemon", deeds{
		"begun": func(json.RawMessage) any { return begun },
		"restart": func(json.RawMessage) any {
			camera.stop()
			begun = time.Now()
			camera.start(t)
			return begun
		},
		"broker": func(json.RawMessage) any { b.stop(); b.start(t); return true },
	}, "http://"+page+"/")
}

// TestPageLook keeps a picture of every view in every size and theme, and has
// axe-core look for what keeps people out.
func TestPageLook(t *testing.T) {
	s := newSite(t, view.Options{})
	front := pretendCamera(t, s.broker.addr, "front-door", s.store)
	back := pretendCamera(t, s.broker.addr, "garden", s.store)
	d := cameraDeeds(front, back)
	d["day"] = func(json.RawMessage) any {
		for i, hours := range []float64{51, 49.5, 28, 27.6, 26, 9, 7.5, 7.1, 3, 1} {
			cam := front
			if i%3 == 2 {
				cam = back
			}
			cam.burst(burst{At: time.Now().Add(-time.Duration(hours * float64(time.Hour))), trigger: []string{"pir", "frames", "pir+frames"}[i%3], pictures: 4 + i%5})
		}
		return true
	}
	browse(t, "look", d, s.url)
}
