package view

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"pirwatch/receive/archive"
)

// fail answers with a reason as JSON.
func fail(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": reason})
}

// answer sends a value as JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// failed turns a store's error into an answer.
func (s *Server) failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fail(w, http.StatusNotFound, "the archive does not have it")
	case archive.IsRefusal(err):
		fail(w, http.StatusBadRequest, err.Error())
	default:
		s.log.Warn("view: the archive cannot be read", "err", err)
		fail(w, http.StatusInternalServerError, "the archive cannot be read; the server's log says why")
	}
}

// info tells the page what it stands on.
func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	cameras := []string{}
	if s.o.Archive != nil {
		cameras = s.o.Archive.Cameras()
	}
	answer(w, map[string]any{
		"version": s.o.Version, "base": s.o.Base, "user": s.o.User,
		"archive": s.o.Archive != nil, "login": !s.logins.none, "cameras": cameras,
	})
}

// slot takes one of a few slots for work on the archive, and returns the way
// to give it back; nil means that the request was answered.
func (s *Server) slot(w http.ResponseWriter, r *http.Request, slots chan struct{}) (free func()) {
	if s.o.Archive == nil {
		fail(w, http.StatusNotFound, "no archive is kept here")
		return nil
	}
	wait, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	select {
	case slots <- struct{}{}:
		return sync.OnceFunc(func() { <-slots })
	case <-wait.Done():
		fail(w, http.StatusServiceUnavailable, "the archive is busy; try again")
		return nil
	}
}

func (s *Server) days(w http.ResponseWriter, r *http.Request) {
	free := s.slot(w, r, s.readers)
	if free == nil {
		return
	}
	defer free()
	answer(w, map[string]any{"days": s.o.Archive.Days(r.URL.Query().Get("camera"), 0)})
}

// events answers ?camera=&from=&to=&limit=, or ?camera=&event= with one.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	free := s.slot(w, r, s.readers)
	if free == nil {
		return
	}
	defer free()
	q := r.URL.Query()
	if id := q.Get("event"); id != "" {
		e, err := s.o.Archive.Event(q.Get("camera"), id)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it may come yet
			answer(w, map[string]any{"events": []archive.Event{}})
		case err != nil:
			s.failed(w, err)
		default:
			answer(w, map[string]any{"events": []archive.Event{e}})
		}
		return
	}
	from, err := timeOf(q, "from", time.Time{})
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	to, err := timeOf(q, "to", time.Now().Add(24*time.Hour))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	limit := 100
	if v := q.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 {
			fail(w, http.StatusBadRequest, "limit: want a whole number from 1")
			return
		}
	}
	events, err := s.o.Archive.Events(q.Get("camera"), from, to, limit)
	if err != nil {
		s.failed(w, err)
		return
	}
	free()
	answer(w, map[string]any{"events": events})
}

func timeOf(q url.Values, name string, absent time.Time) (time.Time, error) {
	v := q.Get(name)
	if v == "" {
		return absent, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return t, fmt.Errorf("%s: want a time as 2026-11-22T12:08:01Z", name)
	}
	return t, nil
}

func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	free := s.slot(w, r, s.readers)
	if free == nil {
		return
	}
	defer free()
	q := r.URL.Query()
	jpeg, taken, err := s.o.Archive.Find(q.Get("camera"), q.Get("id"))
	if err != nil {
		s.failed(w, err)
		return
	}
	free() // a slow client keeps nobody from the disk
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(jpeg)))
	h.Set("Last-Modified", taken.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "private, max-age=86400, immutable")
	w.Write(jpeg)
}

// zip answers ?camera=&event= or ?camera=&day= (no camera: all) as a download.
func (s *Server) zip(w http.ResponseWriter, r *http.Request) {
	free := s.slot(w, r, s.zips)
	if free == nil {
		return
	}
	defer free()
	q := r.URL.Query()
	camera, event, day := q.Get("camera"), q.Get("event"), q.Get("day")
	out := &download{w: w, name: strings.ReplaceAll("pirwatch-"+plain(camera)+"-"+plain(event+day)+".zip", "--", "-")}
	var err error
	if event != "" {
		err = s.o.Archive.ZipEvent(out, camera, event)
	} else {
		err = s.o.Archive.ZipDay(out, camera, day)
	}
	if err != nil && !out.begun {
		s.failed(w, err)
	} else if err != nil {
		s.log.Debug("view: a download broke off", "err", err)
		panic(http.ErrAbortHandler) // the browser must not take the torso for whole
	}
}

// download sends its headers with the first byte, and gives every write a
// minute: a slow phone may take hours, a stuck one may not.
type download struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

var _ io.Writer = (*download)(nil)

func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", "application/zip")
		d.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	}
	http.NewResponseController(d.w).SetWriteDeadline(time.Now().Add(time.Minute))
	return d.w.Write(p)
}

// plain reduces a name to what is safe in a header and a file name.
func plain(name string) string {
	out := []byte(name)
	for i, c := range out {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			out[i] = '_'
		}
	}
	return string(out[:min(len(out), 60)])
}
