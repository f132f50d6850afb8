package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

// Server answers questions about the program: numbers for Prometheus, whether it
// lives, whether it can do its work; and, on a unix socket, Go's profiles.
type Server struct {
	Listen string // host:port on loopback; empty = not served
	PProf  string // path of a unix socket; empty = not served

	Metrics func() []Metric // numbers
	Alive   func() error    // nil while the pipeline moves
	Ready   func() []string // what is missing to do the work; empty = ready
	Log     *slog.Logger

	// Serving, if set, is told the address once all is listened on.
	Serving func(net.Addr)
}

// Run serves until ctx ends. It returns at once, with nil, where nothing is to be
// served.
func (s *Server) Run(ctx context.Context) error {
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	serve := func(network, address string, h http.Handler, errs chan<- error) error {
		l, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
		server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
		go func() { errs <- server.Serve(l) }()
		context.AfterFunc(ctx, func() { server.Close() })
		return nil
	}
	errs := make(chan error, 2)
	if s.Listen != "" {
		if err := serve("tcp", s.Listen, s.handler(), errs); err != nil {
			return fmt.Errorf("serve metrics on %s (metrics.listen): %w", s.Listen, err)
		}
		log.Info("metrics are served", "address", listeners[0].Addr().String())
	}
	if s.PProf != "" {
		// A socket left by a killed run would be in the way; another program's file is not removed.
		if info, err := os.Lstat(s.PProf); err == nil && info.Mode().Type() == os.ModeSocket {
			os.Remove(s.PProf)
		}
		if err := serve("unix", s.PProf, profiles(), errs); err != nil {
			return fmt.Errorf("serve profiles on %s (metrics.pprof): %w", s.PProf, err)
		}
		if err := os.Chmod(s.PProf, 0o600); err != nil {
			return fmt.Errorf("serve profiles on %s (metrics.pprof): %w", s.PProf, err)
		}
		log.Info("profiles are served", "socket", s.PProf)
	}
	if s.Serving != nil && s.Listen != "" {
		s.Serving(listeners[0].Addr())
	}
	for range listeners {
		if err := <-errs; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics: %w", err)
		}
	}
	return nil
}

// handler serves /metrics, /healthz and /readyz.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	plain := func(w http.ResponseWriter, code int, body string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var b strings.Builder
		WriteMetrics(&b, s.Metrics())
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		io.WriteString(w, b.String())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Alive(); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		plain(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if missing := s.Ready(); len(missing) > 0 {
			plain(w, http.StatusServiceUnavailable, strings.Join(missing, "\n")+"\n")
			return
		}
		plain(w, http.StatusOK, "ok\n")
	})
	return local(mux)
}

// local refuses requests that a browser was tricked into sending: they carry a
// name for a host that is not this machine (DNS rebinding).
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this is served to this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// longest is how long a profile or trace may be taken.
const longest = 5 * time.Minute

// profiles serves /debug/pprof as "go tool pprof" asks for it. net/http/pprof
// would do the same, and brings an index page, symbol look-up and registration
// on the default server with it.
func profiles() http.Handler {
	mux := http.NewServeMux()
	take := func(start func(io.Writer) error, stop func()) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			seconds, err := strconv.Atoi(r.FormValue("seconds"))
			if err != nil || seconds < 1 {
				seconds = 30
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			if err := start(w); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
			defer stop()
			select {
			case <-r.Context().Done():
			case <-time.After(min(time.Duration(seconds)*time.Second, longest)):
			}
		}
	}
	mux.HandleFunc("GET /debug/pprof/profile", take(pprof.StartCPUProfile, pprof.StopCPUProfile))
	mux.HandleFunc("GET /debug/pprof/trace", take(trace.Start, trace.Stop))
	mux.HandleFunc("GET /debug/pprof/{name}", func(w http.ResponseWriter, r *http.Request) {
		p := pprof.Lookup(r.PathValue("name"))
		if p == nil {
			http.NotFound(w, r)
			return
		}
		if r.FormValue("gc") == "1" && p.Name() == "heap" {
			runtime.GC()
		}
		debug, _ := strconv.Atoi(r.FormValue("debug"))
		if debug > 0 {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		} else {
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		p.WriteTo(w, debug)
	})
	return mux
}
