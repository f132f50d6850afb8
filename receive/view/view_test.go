package view

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pirwatch/receive/archive"
)

// echo is a broker that sends back what it gets.
func echo(t *testing.T) func(context.Context) (net.Conn, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func store(t *testing.T) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.TempDir(), archive.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	for i := range 3 {
		event := fmt.Sprintf("E%d", i)
		at := noon.Add(time.Duration(i) * time.Hour)
		if err := errors.Join(
			a.SavePicture("front", at, event+"-00", []byte("\xff\xd8picture "+event)),
			a.SaveSummary("front", at, event, fmt.Appendf(nil, `{"event_id":%q,"trigger":"<script>"}`, event)),
		); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// serve runs a server until the test ends.
func serve(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Dial == nil {
		o.Dial = echo(t)
	}
	s, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// ask makes a request as a plain client; headers are "Name: value".
func ask(t *testing.T, s *Server, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, strings.TrimSuffix(s.URL(), "/")+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// login returns the Cookie header of a new session.
func login(t *testing.T, s *Server, token string) string {
	t.Helper()
	res, body := ask(t, s, "POST", "/api/login", fmt.Sprintf(`{"token":%q}`, token), "Content-Type: application/json")
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("login: %s %s", res.Status, body)
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || len(c.Value) < 26 {
		t.Errorf("session cookie %+v", c)
	}
	return "Cookie: " + c.Name + "=" + c.Value
}

const secret = "correct horse battery"

func TestNew(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no port", Options{Listen: "localhost"}, "want host:port"},
		{"open to all without a login", Options{Listen: "0.0.0.0:0"}, "a token or password is needed"},
		{"every address without a login", Options{Listen: ":0"}, "a token or password is needed"},
		{"a name without a login", Options{Listen: "camera.lan:0"}, "a token or password is needed"},
		{"short token", Options{Listen: "127.0.0.1:0", Token: "short"}, "at least 8 characters"},
		{"half a certificate", Options{Listen: "127.0.0.1:0", CertFile: "x.pem"}, "needed together"},
		{"no certificate", Options{Listen: "127.0.0.1:0", CertFile: "none.pem", KeyFile: "none.pem"}, "none.pem"},
		{"port taken", Options{Listen: taken.Addr().String()}, "in use"},
	} {
		c.o.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("no") }
		_, err := New(c.o, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if got := errors.Is(err, ErrInUse); got != (c.name == "port taken") {
			t.Errorf("%s: is ErrInUse: %v", c.name, got)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := serve(t, Options{Archive: store(t)})
	for _, path := range []string{"/", "/app.js", "/api/info", "/nothing", "/api/nothing", "/api/picture?camera=front&id=E0-00"} {
		res, _ := ask(t, s, "GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		csp := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "trusted-types 'none'", "ws://" + s.Addr().String()} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy lacks %q: %s", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: policy is loose: %s", path, csp)
		}
	}
}

// TestFirstLoad keeps the whole page under its size, and free of other servers.
func TestFirstLoad(t *testing.T) {
	s := serve(t, Options{})
	sum := 0
	for path, f := range s.files {
		sum += len(f.gz)
		res, body := ask(t, s, "GET", path, "", "Accept-Encoding: gzip")
		if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != "gzip" || f.kind == "" || res.Header.Get("Content-Type") != f.kind {
			t.Errorf("%s: %s, %s", path, res.Status, res.Header)
		}
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := ask(t, s, "GET", path, ""); got != string(plain) {
			t.Errorf("%s: differs without compression", path)
		}
		if res, _ := ask(t, s, "GET", path, "", "If-None-Match: "+f.etag); res.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %s for a known version", path, res.Status)
		}
		if strings.HasPrefix(path, "/vendor/") {
			continue
		}
		for _, bad := range []string{"https://", "innerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="} {
			if bytes.Contains(plain, []byte(bad)) {
				t.Errorf("%s has %q", path, bad)
			}
		}
	}
	t.Logf("first load: %d bytes compressed in %d files", sum, len(s.files))
	if sum > 200_000 {
		t.Errorf("the page has %d bytes compressed, more than 200 kB", sum)
	}
}

// TestVendored ties the packed MQTT.js to the version in package-lock.json:
// the sum is that of dist/mqtt.min.js in mqtt-5.16.0.
func TestVendored(t *testing.T) {
	f, err := os.Open("web/vendor/mqtt.min.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, z); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != "f3cbeae580d3010048938ee370f2db0c15d16e6f7fc147cb32ae5510e571b387" {
		t.Errorf("mqtt.min.js has sha256 %s", got)
	}
	lock, err := os.ReadFile("web/vendor/package-lock.json")
	if err != nil || !strings.Contains(string(lock), "sha512-") {
		t.Errorf("package-lock.json: %v", err)
	}
	var p struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal(lock, &p); err != nil || p.Packages["node_modules/mqtt"].Version != "5.16.0" {
		t.Errorf("package-lock.json pins mqtt %q, %v", p.Packages["node_modules/mqtt"].Version, err)
	}
}

// TestReassembler runs the page's reassembler over the vectors that the Go one passes.
func TestReassembler(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	dir := t.TempDir() // as .mjs, so that any node takes them for modules
	for _, name := range []string{"chunk.js", "sha256.js"} {
		data, err := os.ReadFile(filepath.Join("web", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"type":"module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, "testdata/vectors.mjs", filepath.Join(dir, "chunk.js"), "../../publish/chunk/testdata/vectors.json").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func TestHost(t *testing.T) {
	s := serve(t, Options{})
	proxied := serve(t, Options{Token: secret}) // a login makes any name safe, as a proxy's
	_, port, _ := net.SplitHostPort(s.Addr().String())
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "[::1]:" + port: 200, "localhost": 200, "x.localhost": 200, "127.1.2.3": 200,
		"evil.example": 421, "evil.example:" + port: 421, "127.0.0.1.evil.example": 421, "192.168.1.2": 421, "localhost.evil.example": 421,
		"a;b": 421, "a'b": 421, "cam.example;script-src": 421,
	} {
		if res, _ := ask(t, s, "GET", "/api/info", "", "Host: "+host); res.StatusCode != want {
			t.Errorf("host %q: %s, want %d", host, res.Status, want)
		}
	}
	cookie := login(t, proxied, secret)
	for host, want := range map[string]int{"cam.example": 200, "192.168.1.2:80": 200, "cam.example;script-src": 421} {
		if res, _ := ask(t, proxied, "GET", "/api/info", "", cookie, "Host: "+host); res.StatusCode != want {
			t.Errorf("with a login, host %q: %s, want %d", host, res.Status, want)
		}
	}
}

func TestAPI(t *testing.T) {
	s := serve(t, Options{Archive: store(t), Base: "home/pirwatch", Version: "1.2.3", User: "page"})
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/api/info", 200, `{"archive":true,"base":"home/pirwatch","cameras":["front"],"login":false,"user":"page","version":"1.2.3"}`},
		{"/api/days", 200, `{"days":[{"camera":"front","date":"2026-11-22","bytes":24576}]}`},
		{"/api/events?limit=1", 200, `"event_id":"E2"`},
		{"/api/events?camera=front&from=2026-11-22T12:30:00Z&to=2026-11-22T13:30:00Z", 200, `"event_id":"E1"`},
		{"/api/events?camera=other", 200, `{"events":[]}`},
		{"/api/events?camera=front&event=E1", 200, `"pic_id":"E1-00"`},
		{"/api/events?camera=front&event=E9", 200, `{"events":[]}`},
		{"/api/events?from=yesterday", 400, "from: want a time"},
		{"/api/events?to=x", 400, "to: want a time"},
		{"/api/events?limit=0", 400, "limit"},
		{"/api/events?limit=many", 400, "limit"},
		{"/api/picture?camera=front&id=E1-00", 200, "\xff\xd8picture E1"},
		{"/api/picture?camera=front&id=E9-00", 404, "does not have it"},
		{"/api/picture?camera=..&id=../../../etc/passwd", 404, "does not have it"},
		{"/api/picture?camera=../../..&id=etc/passwd", 404, "does not have it"},
		{"/api/picture?camera=front&id=" + strings.Repeat("x", 500), 400, "too long"},
		{"/api/picture", 400, "camera is empty"},
		{"/api/zip?camera=front&event=../E1", 404, "does not have it"},
		{"/api/zip?camera=front&day=../..", 400, "want YYYY-MM-DD"},
		{"/api/zip?camera=front&day=2026-11-23", 404, "does not have it"},
		{"/api/nothing", 404, ""},
		{"/../view_test.go", 404, ""},
		{"/%2e%2e/view_test.go", 404, ""},
		{"/vendor/../../server.go", 404, ""},
		{"/vendor/", 404, ""},
	} {
		res, body := ask(t, s, "GET", c.path, "")
		if res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %s %.300s, want %d with %q", c.path, res.Status, body, c.status, c.want)
		}
		if strings.Contains(body, "<script>") && !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: wire data as %s", c.path, res.Header.Get("Content-Type"))
		}
	}
	for _, c := range []struct{ path, name, want string }{
		{"/api/zip?camera=front&event=E1", "pirwatch-front-E1.zip", "front/2026-11-22/E1.json front/2026-11-22/E1-00.jpg"},
		{"/api/zip?camera=front&day=2026-11-22", "pirwatch-front-2026-11-22.zip", "E0.json E0-00.jpg E1.json E1-00.jpg E2.json E2-00.jpg"},
	} {
		res, body := ask(t, s, "GET", c.path, "")
		if got := res.Header.Get("Content-Disposition"); got != `attachment; filename="`+c.name+`"` {
			t.Errorf("%s: %s", c.path, got)
		}
		z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
		if err != nil || len(z.File) != len(strings.Fields(c.want)) {
			t.Errorf("%s: %v", c.path, err)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if res, _ := ask(t, s, method, "/api/info", ""); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, res.Status)
		}
	}
	none := serve(t, Options{})
	if res, body := ask(t, none, "GET", "/api/events", ""); res.StatusCode != 404 || !strings.Contains(body, "no archive") {
		t.Errorf("without an archive: %s %s", res.Status, body)
	}
}

// TestRawRequests sends what no client library would.
func TestRawRequests(t *testing.T) {
	s := serve(t, Options{Archive: store(t)})
	host := s.Addr().String()
	for _, c := range []struct{ request, want string }{
		{"GET /../../../../etc/passwd HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n", " 30"}, // cleaned by redirect
		{"GET //etc/passwd HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n", " 30"},
		{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", " 400"},
		{"GET http://evil.example/ HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n", " 421"},
		{"GET / HTTP/1.1\r\nHost: " + host + "\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", " 431"},
		{"BREW / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n", " 405"},
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(conn, c.request)
		line, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1"+c.want) {
			t.Errorf("%.60q: %q %v, want%s", c.request, line, err, c.want)
		}
	}
}
