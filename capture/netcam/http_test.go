package netcam

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/scene"
)

// pictures are a few small JPEGs.
var pictures = sync.OnceValue(func() (jpegs [][]byte) {
	s := scene.New(scene.Options{Width: 64, Height: 36})
	for i := range 5 {
		j, _ := s.Frame(i)
		jpegs = append(jpegs, j)
	}
	return jpegs
})

// take runs a source until it has delivered n pictures or failed.
func take(t *testing.T, o Options, n int) ([]capture.Frame, error) {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	s, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return takeFrom(t, s, n)
}

func takeFrom(t *testing.T, s capture.Source, n int) ([]capture.Frame, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var frames []capture.Frame
	err := s.Run(ctx, func(f capture.Frame) {
		frames = append(frames, f)
		if len(frames) == n {
			cancel()
		}
	})
	if len(frames) == n {
		if err != nil && err != context.Canceled {
			t.Errorf("ended by us: %v", err)
		}
		err = nil
	}
	return frames, err
}

// stream answers with pictures until the client goes; head comes before each.
func stream(w http.ResponseWriter, r *http.Request, head func(jpeg []byte) string) {
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
	for i := 0; r.Context().Err() == nil; i++ {
		j := pictures()[i%5]
		fmt.Fprint(w, head(j))
		w.Write(j)
		io.WriteString(w, "\r\n")
		w.(http.Flusher).Flush()
	}
}

func honest(jpeg []byte) string {
	return fmt.Sprintf("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(jpeg))
}

// lie answers with a picture of which it says a wrong length.
func lie(w http.ResponseWriter, length int) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", length)
	rw.Write(pictures()[0])
	rw.Flush()
	io.Copy(io.Discard, conn)
}

func TestHTTPGood(t *testing.T) {
	camera := http.NewServeMux()
	camera.HandleFunc("/snapshot", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		w.Write(pictures()[0])
	})
	camera.HandleFunc("/untyped", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(len(pictures()[0])))
		w.Write(pictures()[0])
	})
	camera.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) { stream(w, r, honest) })
	camera.HandleFunc("/bare", func(w http.ResponseWriter, r *http.Request) {
		stream(w, r, func([]byte) string { return "" })
	})
	camera.HandleFunc("/liar", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		stream(w, r, func([]byte) string {
			n++
			return fmt.Sprintf("--other\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", []int64{3, 1 << 40, -1, 0}[n%4])
		})
	})
	camera.HandleFunc("/longer", func(w http.ResponseWriter, r *http.Request) { lie(w, 9999999) }) // and keeps the line open
	camera.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/snapshot", http.StatusFound) })
	server := httptest.NewServer(camera)
	defer server.Close()
	for _, path := range []string{"/snapshot", "/untyped", "/stream", "/bare", "/liar", "/longer", "/moved"} {
		frames, err := take(t, Options{URL: server.URL + path, Interval: time.Millisecond}, 7)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for i, f := range frames {
			want := pictures()[0]
			if !strings.Contains("/snapshot/untyped/longer/moved", path) {
				want = pictures()[i%5]
			}
			if string(f.Data) != string(want) || f.Width != 64 || f.Height != 36 || f.At.IsZero() || f.Format != capture.JPEG {
				t.Errorf("%s, picture %d: %dx%d, %d bytes at %v", path, i, f.Width, f.Height, len(f.Data), f.At)
			}
		}
	}
}

func TestHTTPBad(t *testing.T) {
	release := make(chan struct{})
	camera := http.NewServeMux()
	hold := func(r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}
	camera.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html><body>Hello") })
	camera.HandleFunc("/busy", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) })
	camera.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) { hold(r) })
	camera.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
		w.Write(pictures()[0])
		w.Write(pictures()[1][:100])
		w.(http.Flusher).Flush()
		hold(r)
	})
	camera.HandleFunc("/trickles", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		for r.Context().Err() == nil {
			for _, b := range pictures()[0][:len(pictures()[0])-2] {
				if _, err := w.Write([]byte{b}); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				if !sleep(r.Context(), 5*time.Millisecond) {
					return
				}
			}
		}
	})
	camera.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		w.Write(pictures()[0][:200])
	})
	camera.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) { lie(w, 100) })
	camera.HandleFunc("/ends", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
		w.Write(pictures()[0])
	})
	camera.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { // one picture without an end
		w.Header().Set("Content-Type", "image/jpeg")
		j := pictures()[0]
		w.Write(j[:len(j)-2])
		block := make([]byte, 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	camera.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	other := httptest.NewServer(camera)
	defer other.Close()
	camera.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/login", http.StatusFound)
	})
	server := httptest.NewServer(camera)
	defer server.Close()
	defer close(release)
	closed, _ := net.Listen("tcp", "127.0.0.1:0")
	nobody := "http://" + closed.Addr().String()
	closed.Close()

	short := 300 * time.Millisecond
	for _, test := range []struct {
		url     string
		timeout time.Duration
		frames  int
		want    string
	}{
		{server.URL + "/page", 0, 0, "text/html, not with pictures"},
		{server.URL + "/busy", 0, 0, "503 Service Unavailable"},
		{server.URL + "/none", 0, 0, "404 Not Found"},
		{server.URL + "/silent", short, 0, "timeout awaiting response headers"},
		{server.URL + "/stalls", short, 1, "no whole picture within 300ms"},
		{server.URL + "/trickles", short, 0, "no whole picture within 300ms"},
		{server.URL + "/cut", 0, 0, "ends without a whole picture (200 bytes came"},
		{server.URL + "/short", 0, 0, "ends without a whole picture (100 bytes came"},
		{server.URL + "/ends", 0, 1, "ended its stream"},
		{server.URL + "/endless?token=hidden", 2 * time.Second, 0, ""},
		{server.URL + "/login", 0, 0, "none is configured"},
		{strings.Replace(server.URL, "//", "//us%20er:pa%2Fss@", 1) + "/login", 0, 0, "refuses the user name or the password"},
		{strings.Replace(server.URL, "//", "//us%20er:pa%2Fss@", 1) + "/away", 0, 0, "leads to " + other.URL},
		{nobody + "/?user=admin&password=hidden", 0, 0, "connection refused"},
	} {
		frames, err := take(t, Options{URL: test.url, Timeout: test.timeout, Interval: time.Millisecond}, -1)
		if err == nil || !strings.Contains(err.Error(), test.want) || len(frames) != test.frames {
			t.Errorf("%s: %d pictures, %v; want %d, %q", test.url, len(frames), err, test.frames, test.want)
		}
		if u, _ := url.Parse(test.url); err != nil && !strings.Contains(err.Error(), u.Host) {
			t.Errorf("%s: %v does not name the camera", test.url, err)
		}
		for _, secret := range []string{"hidden", "pa/ss", "pa%2Fss", "us%20er:", `Get "`} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v shows %s", test.url, err, secret)
			}
		}
	}
}

// guard demands a login of a kind, computing digests by its own means.
func guard(kind string, then http.HandlerFunc) (http.HandlerFunc, *[]string) {
	var log []string
	nonce, used := "first", 0
	return func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		switch {
		case kind == "basic":
			if u, p, ok := r.BasicAuth(); ok && u == "us er" && p == `pa"ss` {
				log = append(log, "in")
				then(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
		default:
			c := parseChallenges(given)
			if len(c) == 1 && c[0].scheme == "digest" {
				p := c[0].params
				l := login{user: "us er", password: `pa"ss`, challenge: params{"realm": "a camera", "nonce": nonce, "qop": "auth"},
					algorithm: algorithms[kind], cnonce: func() string { return p["cnonce"] }, count: uint32(used)}
				want, _ := l.digest("GET", r.URL.RequestURI())
				if p["nonce"] == nonce && p["response"] == parseChallenges(want)[0].params["response"] && p["nc"] == fmt.Sprintf("%08x", used+1) {
					used++
					log = append(log, "in")
					if used == 3 { // a nonce serves three times
						nonce, used = nonce+"x", 0
					}
					then(w, r)
					return
				}
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="a camera", nonce="%s", qop="auth", algorithm=%s`, nonce, kind))
		}
		log = append(log, "401")
		w.WriteHeader(http.StatusUnauthorized)
	}, &log
}

func TestLogin(t *testing.T) {
	for kind, want := range map[string]string{
		"basic":        "401 in in in in in in in",
		"MD5":          "401 in in in 401 in in in 401 in",
		"SHA-256":      "401 in in in 401 in in in 401 in",
		"MD5-SESS":     "401 in in in 401 in in in 401 in",
		"SHA-256-SESS": "401 in in in 401 in in in 401 in",
	} {
		h, log := guard(kind, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			w.Write(pictures()[0])
		})
		server := httptest.NewServer(h)
		if _, err := take(t, Options{URL: server.URL + "/a?b=c", Username: "us er", Password: `pa"ss`, Interval: time.Millisecond}, 7); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		server.Close()
		if got := strings.Join(*log, " "); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
		server = httptest.NewServer(h)
		*log = nil
		if _, err := take(t, Options{URL: server.URL, Username: "us er", Password: "wrong"}, -1); err == nil || !strings.Contains(err.Error(), "refuses the user name") {
			t.Errorf("%s with a wrong password: %v", kind, err)
		}
		server.Close()
		if n := len(*log); n > 3 {
			t.Errorf("%s: a wrong password was tried %d times", kind, n)
		}
	}
}

func TestHTTPS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stream(w, r, honest) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, err := take(t, Options{URL: server.URL}, 1); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	if _, err := take(t, Options{URL: server.URL, TLS: &tls.Config{RootCAs: roots}}, 3); err != nil {
		t.Error(err)
	}
}

func TestRateLimit(t *testing.T) {
	p := newPacer(10)
	t0 := time.Now()
	taken := 0
	for i := range 250 { // 25 a second for ten seconds
		if p.takes(t0.Add(time.Duration(i) * 40 * time.Millisecond)) {
			taken++
		}
	}
	if taken < 80 || taken > 101 {
		t.Errorf("%d of 250 taken, want about 100", taken)
	}
	unlimited := newPacer(0)
	for range 2 {
		if !unlimited.takes(t0) {
			t.Error("no limit leaves pictures out")
		}
	}
}

// One connection serves for many snapshots.
func TestSnapshotsShareAConnection(t *testing.T) {
	var opened atomic.Int32
	camera := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		w.Header().Set("Content-Length", fmt.Sprint(len(pictures()[0])))
		w.Write(pictures()[0])
	}))
	camera.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	camera.Start()
	defer camera.Close()
	if _, err := take(t, Options{URL: camera.URL, Interval: time.Millisecond}, 10); err != nil || opened.Load() != 1 {
		t.Errorf("%d connections for ten snapshots, %v", opened.Load(), err)
	}
}

// A picture that claims 100 megapixels reaches nobody who would decode it.
func TestHugePictureIsRefused(t *testing.T) {
	huge := append([]byte(nil), pictures()[0]...)
	i := strings.Index(string(huge), "\xff\xc0\x00")
	copy(huge[i+5:], "\x27\x10\x27\x10")
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
		w.Write(huge)
		w.Write(pictures()[0])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer camera.Close()
	src, err := New(Options{URL: camera.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := capture.NewCamera(src, capture.CameraOptions{}, nil)
	c.Run(ctx, func(f capture.Frame) {
		if f.Width != 64 {
			t.Errorf("a picture of %dx%d was delivered", f.Width, f.Height)
		}
		cancel()
	})
	if h := c.Health(); h.Garbage != 1 || h.Frames != 1 {
		t.Errorf("health %+v", h)
	}
}

func TestNewRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"":                          `begins with ""`,
		"ftp://u:secret@host/":      `begins with "ftp"`,
		"http:///x":                 "no host",
		"http://u:secret@h:port/":   "invalid port",
		"rtsp://u:secret@h/\n'file": "invalid control character",
		"http://u:se%zzcret@h/":     "invalid",
	} {
		_, err := New(Options{URL: address}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "zzcret") {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}

// Sessions leave nothing behind.
func TestNoLeak(t *testing.T) {
	camera := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stream(w, r, honest) }))
	defer camera.Close()
	src, err := New(Options{URL: camera.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	takeFrom(t, src, 2)
	before := runtime.NumGoroutine()
	for range 50 {
		takeFrom(t, src, 2)
	}
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before+5 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
