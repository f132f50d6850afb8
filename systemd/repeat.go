package systemd

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Muting wraps a handler so that a warning or error that comes again with the
// same message and attributes within the period is counted instead of written:
// the next one that is written, or the first after the period, carries the count
// as "repeated". Other levels pass.
func Muting(h slog.Handler, period time.Duration) slog.Handler {
	return &muting{next: h, table: &repeats{period: period, seen: map[string]*repeat{}}}
}

// mostRepeats bounds the table; when it is full, what is new is written unmuted.
const mostRepeats = 256

type repeats struct {
	period time.Duration

	mu   sync.Mutex
	seen map[string]*repeat
}

type repeat struct {
	at    time.Time // when last written
	muted int
}

type muting struct {
	next  slog.Handler
	table *repeats
	with  string // what WithAttrs and WithGroup added, as part of the key
}

func (m *muting) Enabled(ctx context.Context, l slog.Level) bool { return m.next.Enabled(ctx, l) }

func (m *muting) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := m.with
	for _, a := range attrs {
		with += "\x00" + a.String()
	}
	return &muting{next: m.next.WithAttrs(attrs), table: m.table, with: with}
}

func (m *muting) WithGroup(name string) slog.Handler {
	return &muting{next: m.next.WithGroup(name), table: m.table, with: m.with + "\x00" + name}
}

func (m *muting) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		key := m.with + "\x00" + r.Message
		r.Attrs(func(a slog.Attr) bool { key += "\x00" + a.String(); return true })
		muted, write := m.table.note(key)
		if !write {
			return nil
		}
		if muted > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", muted))
		}
	}
	return m.next.Handle(ctx, r)
}

// note says whether an entry is to be written, and how many like it were not.
func (t *repeats) note(key string) (muted int, write bool) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.seen[key]; ok {
		if now.Sub(s.at) < t.period {
			s.muted++
			return 0, false
		}
		muted, s.muted, s.at = s.muted, 0, now
		return muted, true
	}
	if len(t.seen) >= mostRepeats {
		for k, s := range t.seen {
			if now.Sub(s.at) >= t.period {
				delete(t.seen, k)
			}
		}
	}
	if len(t.seen) < mostRepeats {
		t.seen[key] = &repeat{at: now}
	}
	return 0, true
}
