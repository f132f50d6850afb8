package status

import (
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var regenerate = flag.Bool("regenerate", false, "write testdata anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *regenerate {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

func sample() Health {
	c := 48.3
	return Health{Camera: "ok", FPS: 9.96, Sensor: "ok", Broker: "ok", Disk: "ok", CPUC: &c, Clock: "synced", UptimeS: 86400, Version: "1.0.0",
		QueuePictures: 3, QueueBytes: 450_000, OldestS: 7, Dropped: 1, Suppressed: 2}
}

// The example of protocol.md, key by key and in its order.
func TestHealthIsTheProtocols(t *testing.T) {
	h := sample()
	h.QueuePictures, h.QueueBytes, h.OldestS, h.Dropped, h.Suppressed = 0, 0, 0, 0, 0
	want := `{"camera":"ok","camera_error":"","fps":10,"sensor":"ok","broker":"ok","queue_pictures":0,"queue_bytes":0,"oldest_s":0,` +
		`"dropped":0,"suppressed":0,"incomplete_resends":0,"disk":"ok","cpu_c":48.3,"clock":"synced","uptime_s":86400,"version":"1.0.0"}`
	if got := string(h.JSON()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	h.CPUC, h.NextTry = nil, "2026-11-22T12:08:01.250Z"
	if got := string(h.JSON()); !strings.Contains(got, `"cpu_c":null`) || !strings.Contains(got, `"broker":"ok","next_try":"2026-11-22T12:08:01.250Z"`) {
		t.Errorf("got %s", got)
	}
}

func TestReporterTellsNewsAtOnceAndTheRestByTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := sample()
		var mu sync.Mutex
		set := func(change func()) { mu.Lock(); change(); mu.Unlock() }
		var told []string
		r := NewReporter(time.Minute, func() Health {
			mu.Lock()
			defer mu.Unlock()
			h.UptimeS = int64(time.Since(start) / time.Second) // drifts
			c := 40 + float64(h.UptimeS%7)
			h.CPUC = &c
			return h
		}, func([]byte) { told = append(told, time.Since(start).String()) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(92 * time.Second) // 0 s and 60 s
		set(func() { h.Camera = "missing" })
		r.Changed()
		synctest.Wait() // at once: 92 s
		set(func() { h.Camera = "ok" })
		r.Changed()
		time.Sleep(10 * time.Second)    // settled: 93 s
		set(func() { h.Disk = "full" }) // nobody says so: found within 5 s
		time.Sleep(20 * time.Second)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := strings.Join(told, " "); got != "0s 1m0s 1m32s 1m33s 1m45s" {
			t.Errorf("told at %s", got)
		}
	})
}

func TestMetricsText(t *testing.T) {
	var b strings.Builder
	metrics := append(sample().Metrics(), Metric{"odd", "a \\ and\na break", "gauge", [][2]string{{"a", `q"\` + "\n"}, {"b", "2"}}, math.Inf(1)})
	if err := WriteMetrics(&b, metrics); err != nil {
		t.Fatal(err)
	}
	golden(t, "metrics.txt", b.String())
}

func TestProcessMetrics(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc is on Linux")
	}
	found := map[string]float64{}
	for _, m := range ProcessMetrics() {
		found[m.Name] = m.Value
	}
	for _, name := range []string{"goroutines", "resident_bytes", "open_files"} {
		if found[name] <= 0 {
			t.Errorf("%s = %v", name, found[name])
		}
	}
}

func TestClockConvertsInstantsOfThisBoot(t *testing.T) {
	up, now := 100*time.Second, time.Date(1970, 1, 1, 0, 1, 40, 0, time.UTC)
	c := &Clock{boot: "a", sinceBoot: func() (time.Duration, error) { return up, nil }, now: func() time.Time { return now }}
	i := c.Now()
	if t1, ok := c.Time(i); !ok || !t1.Equal(now) {
		t.Errorf("at once: %v, %v", t1, ok)
	}
	up += 20 * time.Second
	now = time.Date(2026, 11, 22, 12, 0, 20, 0, time.UTC) // the clock was set
	if t1, ok := c.Time(i); !ok || !t1.Equal(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("after the clock was set: %v, %v", t1, ok)
	}
	if _, ok := c.Time(Instant{Boot: "b", Since: time.Second}); ok {
		t.Error("an instant of another boot was converted")
	}
	c.sinceBoot = func() (time.Duration, error) { return 0, errors.New("no clock") }
	if _, ok := c.Time(c.Now()); ok {
		t.Error("an instant of no boot was converted")
	}
}

func TestSyncedOnceStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel, daemon, asked := false, false, 0
		c := &Clock{synced: func() bool { return kernel }, ask: func() bool { asked++; return daemon }}
		for range 100 {
			if c.Synced() {
				t.Error("synced before anybody said so")
			}
			time.Sleep(5 * time.Second)
		}
		if asked != 9 { // 0 s, 60 s, … 480 s
			t.Errorf("asked %d times in 500 s, want 9", asked)
		}
		daemon = true
		time.Sleep(askEvery)
		if !c.Synced() {
			t.Error("the daemon's yes was not taken")
		}
		daemon = false
		if !c.Synced() {
			t.Error("forgotten")
		}
		if c = (&Clock{synced: func() bool { return true }, ask: func() bool { t.Error("asked needlessly"); return false }}); !c.Synced() {
			t.Error("the kernel's yes was not taken")
		}
	})
}

func TestThisMachinesClock(t *testing.T) {
	c := NewClock()
	a := c.Now()
	if runtime.GOOS == "linux" && (a.Boot == "" || a.Since <= 0) {
		t.Errorf("instant %+v", a)
	}
	if w := Word(c.Synced()); w != "synced" && w != "unsynced" {
		t.Errorf("clock %q", w)
	}
	if b := c.Now(); b.Since < a.Since {
		t.Errorf("went back from %v to %v", a.Since, b.Since)
	}
}

func TestTemperature(t *testing.T) {
	dir := t.TempDir()
	zone := func(n, kind, temp string) {
		d := filepath.Join(dir, "thermal_zone"+n)
		if err := errors.Join(os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "type"), []byte(kind+"\n"), 0o644), os.WriteFile(filepath.Join(d, "temp"), []byte(temp+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if got := temperature(dir); got != nil {
		t.Errorf("without zones: %v", *got)
	}
	zone("0", "acpitz", "27800")
	if got := temperature(dir); got == nil || *got != 27.8 {
		t.Errorf("one zone: %v", got)
	}
	zone("1", "cpu-thermal", "48312")
	if got := temperature(dir); got == nil || *got != 48.3 {
		t.Errorf("the processor's zone: %v", got)
	}
	os.WriteFile(filepath.Join(dir, "thermal_zone1", "temp"), []byte("nonsense"), 0o644)
	if got := temperature(dir); got == nil || *got != 27.8 {
		t.Errorf("a broken zone: %v", got)
	}
}

func serve(t *testing.T, s *Server) net.Addr {
	t.Helper()
	ready := make(chan net.Addr, 1)
	s.Serving = func(a net.Addr) { ready <- a }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return <-ready
}

func TestServer(t *testing.T) {
	var alive error
	var missing []string
	s := &Server{Listen: "127.0.0.1:0", PProf: filepath.Join(t.TempDir(), "pprof"),
		Metrics: func() []Metric { return sample().Metrics() }, Alive: func() error { return alive }, Ready: func() []string { return missing }}
	if runtime.GOOS == "windows" {
		s.PProf = ""
	}
	addr := serve(t, s)
	get := func(client *http.Client, url, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	base := "http://" + addr.String()
	web := &http.Client{}
	t.Cleanup(web.CloseIdleConnections)
	check := func(path, host string, code int, part string) {
		t.Helper()
		if c, body := get(web, base+path, host); c != code || !strings.Contains(body, part) {
			t.Errorf("%s: %d %q, want %d with %q", path, c, body, code, part)
		}
	}
	check("/healthz", "", 200, "ok")
	check("/readyz", "", 200, "ok")
	check("/metrics", "", 200, "pirwatch_queue_pictures 3\n")
	check("/metrics", "localhost:1", 200, "pirwatch_up")
	check("/metrics", "evil.example:80", 403, "this machine only")
	check("/debug/pprof/heap", "", 404, "")
	alive, missing = errors.New("no frame for 2m"), []string{"camera: missing", "broker: connecting"}
	check("/healthz", "", 503, "no frame for 2m")
	check("/readyz", "", 503, "camera: missing\nbroker: connecting\n")
	if s.PProf == "" {
		return
	}
	unix := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.PProf)
	}}}
	t.Cleanup(unix.CloseIdleConnections)
	for path, code := range map[string]int{"heap": 200, "goroutine?debug=1": 200, "nonsense": 404} {
		deadline := time.Now().Add(10 * time.Second)
		for _, err := os.Stat(s.PProf); err != nil && time.Now().Before(deadline); _, err = os.Stat(s.PProf) {
			time.Sleep(time.Millisecond)
		}
		if c, body := get(unix, "http://unix/debug/pprof/"+path, ""); c != code || body == "" {
			t.Errorf("%s: %d with %d bytes", path, c, len(body))
		}
	}
	if info, err := os.Stat(s.PProf); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
}

func TestServerSaysWhatItCannotListenOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = (&Server{Listen: l.Addr().String()}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "(metrics.listen)") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "precious")
	os.WriteFile(file, []byte("x"), 0o600)
	if err := (&Server{PProf: file}).Run(t.Context()); err == nil {
		t.Error("a file that is no socket was replaced")
	}
	if data, _ := os.ReadFile(file); string(data) != "x" {
		t.Error("a file that is no socket was removed")
	}
	if err := (&Server{}).Run(t.Context()); err != nil {
		t.Errorf("nothing to serve: %v", err)
	}
}
