// Package view serves pirwatch's page: the files of web, the archive's events
// and pictures, and a same-origin websocket whose bytes go to the broker as
// they are. The browser is the MQTT client, with its own credentials; the
// server knows none and reads nothing of what passes.
//
// What guards it: off loopback nothing but the login form is shown without a
// login; without one the Host header must name loopback (against DNS
// rebinding); the websocket takes the page's own origin alone; a strict
// Content-Security-Policy with trusted types keeps names and payloads from the
// wire from ever being HTML; connections, websockets, bodies, listings and
// times are limited.
package view

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"pirwatch/receive/archive"
)

const (
	maxConns    = 256
	maxSockets  = 32
	maxReaders  = 4 // readers of the archive at a time
	maxZips     = 4 // downloads beside them, which may take hours
	dialTimeout = 10 * time.Second
	stopTimeout = 3 * time.Second
)

// Store is the past that the page shows; *archive.Archive is one.
type Store interface {
	Cameras() []string
	Days(camera string, limit int) []archive.Day
	Events(camera string, from, to time.Time, limit int) ([]archive.Event, error)
	Event(camera, eventID string) (archive.Event, error)
	Find(camera, picID string) ([]byte, time.Time, error)
	ZipEvent(w io.Writer, camera, eventID string) error
	ZipDay(w io.Writer, camera, date string) error
}

// Options say what is served where.
type Options struct {
	Listen  string                                      // host:port; port 0 takes a free one
	Dial    func(ctx context.Context) (net.Conn, error) // to the broker's MQTT listener
	Archive Store                                       // nil: no past events
	Base    string                                      // topics stand under it; "" is pirwatch
	Version string

	// Token is the token or password that the login form asks for, at least 8
	// characters. "" means no login, which only a loopback address may have.
	Token string
	// User is the MQTT user that a token in the page's address belongs to
	// (http://…/#token=…, which browsers never send to a server).
	User string

	CertFile, KeyFile string // PEM; both or none
}

// ErrInUse is the cause of New's error where another program has the port.
var ErrInUse = errors.New("the port is in use")

// Server is one listener; make it with New, and call Run once.
type Server struct {
	o        Options
	log      *slog.Logger
	listener net.Listener
	handler  http.Handler
	files    map[string]*asset
	logins   *logins
	cookie   string // its name

	sockets chan struct{} // a slot each
	readers chan struct{}
	zips    chan struct{}
	piping  sync.WaitGroup
	ctx     context.Context // ends with Run
	stop    context.CancelFunc
}

// New checks the options and opens the port.
func New(o Options, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Base == "" {
		o.Base = "pirwatch"
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("view: listen address %q: %w; want host:port, as 127.0.0.1:8080", o.Listen, err)
	}
	if o.Dial == nil {
		return nil, errors.New("view: no way to the broker given")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("view: a certificate and a key are needed together")
	}
	if o.Token == "" && !isLoopback(host) {
		return nil, fmt.Errorf("view: %s can be reached from elsewhere, so a token or password is needed; or listen on 127.0.0.1", o.Listen)
	}
	if o.Token != "" && len(o.Token) < 8 {
		return nil, errors.New("view: the token or password is too short: at least 8 characters")
	}
	files, err := assets()
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, log: log, files: files, logins: newLogins(o.Token),
		sockets: make(chan struct{}, maxSockets), readers: make(chan struct{}, maxReaders), zips: make(chan struct{}, maxZips),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		if inUse(err) {
			return nil, fmt.Errorf("view: listen on %s: %w: %w", o.Listen, ErrInUse, err)
		}
		return nil, fmt.Errorf("view: listen on %s: %w", o.Listen, err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s.cookie = cookieName + port
	l = netutil.LimitListener(l, maxConns)
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("view: certificate %s: %w", o.CertFile, err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	s.listener = l
	s.handler = s.routes()
	return s, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// inUse knows Windows' number too, which syscall does not map.
func inUse(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == syscall.EADDRINUSE || errno == 10048)
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is the page's address, with the loopback address where it listens on all.
func (s *Server) URL() string {
	scheme := "http"
	if s.o.CertFile != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// Run serves until ctx ends, then closes every websocket and returns within
// seconds. Call it once; it closes the listener.
func (s *Server) Run(ctx context.Context) error {
	defer s.stop()
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(logWriter{s.log}, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(s.listener) }()
	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("view: serve %s: %w", s.o.Listen, err)
	case <-ctx.Done():
		s.stop()
		grace, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
		<-failed
		err = ctx.Err()
	}
	s.stop()
	s.piping.Wait()
	return err
}

// logWriter hands net/http's complaints (mostly strangers' broken TLS) to the log.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("view: " + strings.TrimSpace(string(p)))
	return len(p), nil
}

// routes builds the handler: what is open to all, and what needs a login.
func (s *Server) routes() http.Handler {
	open := http.NewServeMux()
	open.HandleFunc("POST /api/login", s.login)
	open.HandleFunc("/", s.file)

	private := http.NewServeMux()
	private.HandleFunc("POST /api/logout", s.logout)
	private.HandleFunc("GET /api/info", s.info)
	private.HandleFunc("GET /api/days", s.days)
	private.HandleFunc("GET /api/events", s.events)
	private.HandleFunc("GET /api/picture", s.picture)
	private.HandleFunc("GET /api/zip", s.zip)
	private.HandleFunc("GET /mqtt", s.mqtt)
	for _, path := range []string{"/api/", "/mqtt"} {
		open.Handle(path, s.guarded(private))
	}
	return s.checked(http.NewCrossOriginProtection().Handler(open))
}

// checked refuses requests that name another host, and sets the headers of every answer.
func (s *Server) checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if !validHost(r.Host) || (s.logins.none && !namesLoopback(r.Host)) {
			h.Set("Content-Security-Policy", "default-src 'none'")
			http.Error(w, "This server does not answer to that name.", http.StatusMisdirectedRequest)
			return
		}
		h.Set("Content-Security-Policy", policy(r.Host))
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute))
		next.ServeHTTP(w, r)
	})
}

// policy lets the page load its own files and talk to its own server. The
// websocket's address is written out for browsers whose 'self' leaves it out.
func policy(host string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; manifest-src 'self'; connect-src 'self' ws://" + host + " wss://" + host +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

// validHost admits what can stand in a policy: names, addresses, a port.
func validHost(host string) bool {
	if host == "" || len(host) > 260 {
		return false
	}
	return strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == ""
}

// namesLoopback tells whether a Host header is one that only this machine's
// own browsers send.
func namesLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	return isLoopback(name) || strings.HasSuffix(name, ".localhost")
}
