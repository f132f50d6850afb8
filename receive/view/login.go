package view

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	cookieName   = "pirwatch_session_" // and the port: browsers send a host's cookies to all of its ports
	sessionLasts = 30 * 24 * time.Hour
	maxSessions  = 64
	maxAddresses = 1024
	freeTries    = 3 // wrong ones from one address before the first pause
	longestPause = time.Minute
)

// session is one logged-in browser; its websockets end with it.
type session struct {
	ctx   context.Context
	end   context.CancelFunc
	until time.Time
	used  time.Time // last
}

// tries counts the wrong logins of one address.
type tries struct {
	wrong int
	next  time.Time // no earlier
}

// logins holds the sessions and slows down guessing. Both tables are bounded.
type logins struct {
	want [sha256.Size]byte // of the token: comparing sums takes the same time whatever is sent
	none bool              // no login is asked for

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]*session // by the sum of the cookie: a look-up's timing tells nothing of it
	tries    map[netip.Prefix]*tries
}

func newLogins(token string) *logins {
	return &logins{
		want: sha256.Sum256([]byte(token)), none: token == "",
		sessions: make(map[[sha256.Size]byte]*session), tries: make(map[netip.Prefix]*tries),
	}
}

// try checks a login from an address and returns the new session's cookie, or
// how long the next try must wait (0: it was just wrong).
func (l *logins) try(now time.Time, from netip.Prefix, token string) (cookie string, wait time.Duration) {
	got := sha256.Sum256([]byte(token))
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tries[from]
	if t != nil && now.Before(t.next) {
		return "", t.next.Sub(now)
	}
	if subtle.ConstantTimeCompare(got[:], l.want[:]) != 1 {
		if t == nil {
			if len(l.tries) >= maxAddresses {
				l.forget(now)
			}
			t = &tries{}
			l.tries[from] = t
		}
		t.wrong++
		if n := t.wrong - freeTries; n >= 0 {
			t.next = now.Add(min(time.Second<<min(n, 10), longestPause))
		} else {
			t.next = now
		}
		return "", 0
	}
	delete(l.tries, from)
	if len(l.sessions) >= maxSessions {
		l.dropIdlest()
	}
	cookie = rand.Text()
	s := &session{until: now.Add(sessionLasts), used: now}
	s.ctx, s.end = context.WithCancel(context.Background())
	l.sessions[sha256.Sum256([]byte(cookie))] = s
	return cookie, 0
}

// forget makes room in the table: first who may try again, else anyone.
func (l *logins) forget(now time.Time) {
	for from, t := range l.tries {
		if now.Sub(t.next) > longestPause {
			delete(l.tries, from)
		}
	}
	for from := range l.tries {
		if len(l.tries) < maxAddresses {
			break
		}
		delete(l.tries, from)
	}
}

// dropIdlest ends the session that was not used for longest.
func (l *logins) dropIdlest() {
	var idlest [sha256.Size]byte
	var used time.Time
	for k, s := range l.sessions {
		if used.IsZero() || s.used.Before(used) {
			idlest, used = k, s.used
		}
	}
	l.sessions[idlest].end()
	delete(l.sessions, idlest)
}

func (l *logins) find(now time.Time, cookie string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := sha256.Sum256([]byte(cookie))
	s := l.sessions[k]
	if s != nil && now.After(s.until) {
		s.end()
		delete(l.sessions, k)
		return nil
	}
	if s != nil {
		s.used = now
	}
	return s
}

func (l *logins) drop(cookie string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := sha256.Sum256([]byte(cookie))
	if s := l.sessions[k]; s != nil {
		s.end()
		delete(l.sessions, k)
	}
}

// everyone is the session where no login is asked for.
var everyone = &session{ctx: context.Background()}

// session returns the request's session, or nil.
func (s *Server) session(r *http.Request) *session {
	if s.logins.none {
		return everyone
	}
	c, err := r.Cookie(s.cookie)
	if err != nil {
		return nil
	}
	return s.logins.find(time.Now(), c.Value)
}

// guarded lets only logged-in browsers through.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.session(r) == nil {
			fail(w, http.StatusUnauthorized, "log in first")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Token string `json:"token"`
	}
	if r.Header.Get("Content-Type") != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "want JSON")
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "want {\"token\":\"…\"}")
		return
	}
	from := address(r)
	cookie, wait := s.logins.try(time.Now(), from, body.Token)
	switch {
	case wait > 0:
		seconds := int((wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		fail(w, http.StatusTooManyRequests, fmt.Sprintf("too many wrong tries; wait %d s", seconds))
	case cookie == "":
		s.log.Warn("view: wrong token or password", "from", from.Addr().String())
		fail(w, http.StatusUnauthorized, "that is not the token or password")
	default:
		http.SetCookie(w, &http.Cookie{
			Name: s.cookie, Value: cookie, Path: "/", MaxAge: int(sessionLasts / time.Second),
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		})
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(s.cookie); err == nil {
		s.logins.drop(c.Value)
	}
	w.Header().Set("Clear-Site-Data", `"cache"`) // the pictures, which may be kept for a day
	http.SetCookie(w, &http.Cookie{Name: s.cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	w.WriteHeader(http.StatusNoContent)
}

// address is who tries: an IPv4 address, or an IPv6 network of /64, all of
// which one guesser may own.
func address(r *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 64
	if ip = ip.Unmap(); ip.Is4() {
		bits = 32
	}
	p, _ := ip.WithZone("").Prefix(bits)
	return p
}
