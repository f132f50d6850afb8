package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// ParseURL reads a broker's address, and adds the scheme's default port and,
// for websockets, path.
func ParseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "mqtt://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		if e := new(url.Error); errors.As(err, &e) {
			err = e.Err // without the text, which may hold a password
		}
		return nil, fmt.Errorf("broker address: %w: must look like mqtt://host:1883", err)
	}
	port := ""
	switch u.Scheme {
	case "mqtt", "tcp":
		u.Scheme, port = "mqtt", "1883"
	case "mqtts", "ssl", "tls":
		u.Scheme, port = "mqtts", "8883"
	case "ws":
		port = "80"
	case "wss":
		port = "443"
	default:
		return nil, fmt.Errorf("broker address %s: scheme must be mqtt, mqtts, ws or wss", u.Redacted())
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("broker address %s: no host: must look like mqtt://host:1883", u.Redacted())
	}
	web := u.Scheme == "ws" || u.Scheme == "wss"
	switch {
	case web && (u.Path == "" || u.Path == "/"):
		u.Path = "/mqtt"
	case !web && strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("broker address %s: a path is only for ws and wss", u.Redacted())
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// TLSConfig reads certificate files in PEM. Each name may be empty; ca replaces
// the system's authorities, cert and key belong together.
func TLSConfig(ca, cert, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authority %s: no certificate in it: must be PEM", ca)
		}
	}
	if (cert == "") != (key == "") {
		return nil, errors.New("client certificate: certificate and key belong together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// open makes the network connection that MQTT will run on.
func open(ctx context.Context, u *url.URL, o Options) (net.Conn, error) {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := o.Dial(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok && err == nil {
			limitUnsent(tcp)
		}
		return c, err
	}
	switch u.Scheme {
	case "ws", "wss":
		return openWebsocket(ctx, u, o, dial)
	}
	raw, err := dial(ctx, "tcp", u.Host)
	if err != nil || u.Scheme == "mqtt" {
		return raw, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		conf = o.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName = u.Hostname()
	}
	secure := tls.Client(raw, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return secure, nil
}

func openWebsocket(ctx context.Context, u *url.URL, o Options, dial func(context.Context, string, string) (net.Conn, error)) (net.Conn, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSClientConfig: o.TLS, DisableKeepAlives: true}
	target := *u
	target.User = nil // the MQTT login is inside
	ws, _, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		Subprotocols: []string{"mqtt"},
	})
	if err != nil {
		return nil, err
	}
	// The connection outlives ctx, which is only for opening it.
	return websocket.NetConn(context.WithoutCancel(ctx), ws, websocket.MessageBinary), nil
}

// Dial is net.Dialer's, but finds *.local names too: a program without cgo
// cannot ask the system's resolver for them, so getent does.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 15 * time.Second}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !strings.HasSuffix(strings.TrimSuffix(strings.ToLower(host), "."), ".local") {
		return d.DialContext(ctx, network, addr)
	}
	out, err := exec.CommandContext(ctx, "getent", "ahosts", host).Output()
	if err != nil {
		return nil, fmt.Errorf("look up %s with getent: %w: is libnss-mdns installed, and the name right", host, err)
	}
	var last error
	for line := range strings.Lines(string(out)) {
		ip, kind, _ := strings.Cut(line, " ")
		if !strings.Contains(kind, "STREAM") {
			continue
		}
		c, err := d.DialContext(ctx, network, net.JoinHostPort(ip, port))
		if err == nil {
			return c, nil
		}
		last = err
	}
	if last == nil {
		last = fmt.Errorf("look up %s with getent: no address", host)
	}
	return nil, last
}

// explain adds what would be right to errors that owners meet.
func explain(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		record  tls.RecordHeaderError
		remote  *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: give the authority that signed the broker's certificate as CA file", err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore):
		return fmt.Errorf("%w: this machine's clock says %s: it may not have been told the time yet", err, time.Now().UTC().Format(time.DateTime))
	case errors.As(err, &name):
		return fmt.Errorf("%w: use a name that the certificate is for", err)
	case errors.As(err, &record):
		return fmt.Errorf("%w: no TLS on this port; mqtts is usually 8883, mqtt 1883", err)
	case errors.As(err, &remote) && remote.Op == "remote error": // as crypto/tls names an alert
		return fmt.Errorf("%w: the broker broke off the TLS handshake: does it want a client certificate?", err)
	}
	return err
}
