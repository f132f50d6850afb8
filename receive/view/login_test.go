package view

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	s := serve(t, Options{Listen: "0.0.0.0:0", Token: secret, Archive: store(t)})
	for path, want := range map[string]int{
		"/": 401, "/index.html": 401, "/app.js": 401, "/vendor/mqtt.min.js": 401, "/api/info": 401, "/api/days": 401, "/api/events": 401,
		"/api/picture?camera=front&id=E0-00": 401, "/api/zip?camera=front&event=E0": 401, "/mqtt": 401,
		"/style.css": 200, "/login.js": 200, "/icon.svg": 200, "/nothing": 404, "/web/app.js": 404,
	} {
		res, body := ask(t, s, "GET", path, "")
		if res.StatusCode != want || strings.Contains(body, "E0") || strings.Contains(body, "front") {
			t.Errorf("%s without a login: %s, want %d", path, res.Status, want)
		}
		if path == "/" && (!strings.Contains(body, "login.js") || strings.Contains(body, "app.js")) {
			t.Errorf("not the login form: %s", body)
		}
	}
	for _, c := range []struct{ name, body, kind, origin, site string }{
		{"wrong", `{"token":"wrong"}`, "application/json", "", ""},
		{"empty", `{"token":""}`, "application/json", "", ""},
		{"none", `{}`, "application/json", "", ""},
		{"no JSON", secret, "application/json", "", ""},
		{"a form", "token=" + secret, "application/x-www-form-urlencoded", "", ""},
		{"another site", `{"token":"` + secret + `"}`, "application/json", "http://evil.example", "cross-site"},
	} {
		s.logins.tries = map[netip.Prefix]*tries{}
		res, _ := ask(t, s, "POST", "/api/login", c.body, "Content-Type: "+c.kind, "Origin: "+c.origin, "Sec-Fetch-Site: "+c.site)
		if res.StatusCode < 400 || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s", c.name, res.Status)
		}
	}
	if res, _ := ask(t, s, "POST", "/api/login", `{"token":"`+strings.Repeat("x", 10_000)+`"}`, "Content-Type: application/json"); res.StatusCode != 400 {
		t.Errorf("a huge login: %s", res.Status)
	}
	cookie := login(t, s, secret)
	for _, path := range []string{"/", "/app.js", "/api/info", "/api/events", "/api/picture?camera=front&id=E0-00"} {
		if res, _ := ask(t, s, "GET", path, "", cookie); res.StatusCode != 200 {
			t.Errorf("%s with a login: %s", path, res.Status)
		}
	}
	if res, _ := ask(t, s, "GET", "/api/info", "", cookie+"x"); res.StatusCode != 401 {
		t.Errorf("with another cookie: %s", res.Status)
	}
	ws := pageSocket(t, s, "http://"+strings.Trim(strings.TrimPrefix(s.URL(), "http://"), "/"), cookie)
	res, _ := ask(t, s, "POST", "/api/logout", "", cookie)
	if res.StatusCode != 204 {
		t.Errorf("logout: %s", res.Status)
	}
	if got := res.Header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("the browser keeps the pictures after logging out: Clear-Site-Data %q", got)
	}
	if res, _ := ask(t, s, "GET", "/api/info", "", cookie); res.StatusCode != 401 {
		t.Errorf("after logging out: %s", res.Status)
	}
	if !ends(t, ws) {
		t.Error("the websocket outlived its login")
	}
}

// TestTwoPagesOnOneMachine: browsers send a host's cookies to all of its ports.
func TestTwoPagesOnOneMachine(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	pages := []*Server{serve(t, Options{Token: secret}), serve(t, Options{Token: "another " + secret})}
	for _, s := range pages {
		res, err := client.Post(s.URL()+"api/login", "application/json", strings.NewReader(fmt.Sprintf(`{"token":%q}`, s.o.Token)))
		if err != nil || res.StatusCode != http.StatusNoContent {
			t.Fatalf("login: %+v, %v", res, err)
		}
		res.Body.Close()
	}
	for i, s := range pages {
		res, err := client.Get(s.URL() + "api/info")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("page %d after logging in to both: %s", i+1, res.Status)
		}
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	l := newLogins(secret)
	now := noon
	from := netip.MustParsePrefix("192.0.2.7/32")
	tried := 0
	for end := now.Add(time.Hour); now.Before(end); now = now.Add(100 * time.Millisecond) {
		if _, wait := l.try(now, from, "wrong"); wait == 0 {
			tried++
		}
	}
	if tried < 10 || tried > 80 {
		t.Errorf("%d tries in an hour", tried)
	}
	if cookie, wait := l.try(now, from, secret); cookie != "" || wait <= 0 || wait > longestPause {
		t.Errorf("the right one within the pause: %q, %v", cookie, wait)
	}
	if cookie, _ := l.try(now, netip.MustParsePrefix("192.0.2.8/32"), secret); cookie == "" {
		t.Error("another address must not wait")
	}
	if cookie, _ := l.try(now.Add(longestPause), from, secret); cookie == "" {
		t.Error("the right one after the pause was refused")
	}
	for i := range 5000 { // the tables stay bounded
		l.try(now, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), "wrong")
		l.try(now, from, secret)
	}
	if len(l.tries) > maxAddresses || len(l.sessions) > maxSessions {
		t.Errorf("%d addresses, %d sessions", len(l.tries), len(l.sessions))
	}
	cookie, _ := l.try(now, from, secret)
	if l.find(now.Add(sessionLasts-time.Minute), cookie) == nil || l.find(now.Add(sessionLasts+time.Minute), cookie) != nil {
		t.Error("a session does not last as long as it should")
	}
}

// TestSessionInUseStays: a browser that forgets its cookies and logs in anew
// every day pushes out its own old sessions, not the owner's.
func TestSessionInUseStays(t *testing.T) {
	l := newLogins(secret)
	from := netip.MustParsePrefix("192.0.2.7/32")
	phone, _ := l.try(noon, from, secret)
	for i := range 2 * maxSessions {
		now := noon.Add(time.Duration(i) * time.Hour)
		l.try(now, from, secret)
		if l.find(now, phone) == nil {
			t.Fatalf("the session in use was given up after %d logins", i+1)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	s := serve(t, Options{Token: secret})
	var res *http.Response
	for range freeTries + 2 {
		res, _ = ask(t, s, "POST", "/api/login", `{"token":"no"}`, "Content-Type: application/json")
	}
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600)
	s := serve(t, Options{Token: secret, CertFile: cert, KeyFile: keyFile})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	res, err := client.Post(s.URL()+"api/login", "application/json", strings.NewReader(`{"token":"`+secret+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 204 || !res.Cookies()[0].Secure {
		t.Errorf("%s, cookies %v", res.Status, res.Cookies())
	}
}
