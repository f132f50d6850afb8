package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// story is the demo's log: a time, a sentence and what belongs to it, for a
// person who looks on.
type story struct {
	mu    *sync.Mutex
	out   io.Writer
	attrs []slog.Attr
}

func newStory(out io.Writer) *story { return &story{mu: new(sync.Mutex), out: out} }

func (s *story) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (s *story) WithGroup(string) slog.Handler { return s }

func (s *story) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &story{s.mu, s.out, append(append([]slog.Attr(nil), s.attrs...), attrs...)}
}

func (s *story) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%s  ", r.Time.Format("15:04:05"))
	if r.Level >= slog.LevelWarn {
		fmt.Fprintf(&line, "%s: ", strings.ToLower(r.Level.String()))
	}
	line.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		if v := a.Value.String(); v != "" && !a.Equal(slog.Int("suppressed", 0)) {
			fmt.Fprintf(&line, "  %s %s", strings.ReplaceAll(a.Key, "_", " "), v)
		}
		return true
	}
	for _, a := range s.attrs {
		add(a)
	}
	r.Attrs(add)
	line.WriteByte('\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := io.WriteString(s.out, line.String())
	return err
}
