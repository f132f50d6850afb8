package systemd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// Handler returns a handler for the journal where standard error is connected to
// it, as in a service, and otherwise one that writes text to standard error.
func Handler(level slog.Leveler) slog.Handler {
	if ok, err := journal.StderrIsJournalStream(); ok && err == nil && journal.Enabled() {
		return JournalHandler(level)
	}
	return slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})
}

// JournalHandler returns a handler that sends each record to the journal with its
// level as priority (syslog(3)) and its attributes as fields, their names in
// upper case: event_id becomes EVENT_ID, which "journalctl EVENT_ID=…" finds. The
// attributes are in the message, too, for those who only read. What the journal
// does not take goes to standard error.
func JournalHandler(level slog.Leveler) slog.Handler {
	return &journalHandler{level: level, send: journal.Send, fallback: os.Stderr}
}

type journalHandler struct {
	level    slog.Leveler
	send     func(message string, p journal.Priority, fields map[string]string) error
	fallback io.Writer
	attrs    []slog.Attr // with their group's name before each key
	group    string
}

func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.level == nil && level >= slog.LevelInfo || h.level != nil && level >= h.level.Level()
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.group += name + "_"
	return &next
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		next.attrs = flatten(next.attrs, h.group, a)
	}
	return &next
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := h.attrs[:len(h.attrs):len(h.attrs)]
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	fields := make(map[string]string, len(attrs)+1)
	var line strings.Builder
	line.WriteString(r.Message)
	for _, a := range attrs {
		value := text(a.Value)
		if name := fieldName(a.Key); name != "" {
			fields[name] = value
		}
		fmt.Fprintf(&line, " %s=%s", a.Key, quoted(value))
	}
	fields["SYSLOG_IDENTIFIER"] = "pirwatch"
	if err := h.send(line.String(), priority(r.Level), fields); err != nil {
		_, err = fmt.Fprintln(h.fallback, line.String())
		return err
	}
	return nil
}

// flatten resolves an attribute; those of a group get its name before theirs.
func flatten(out []slog.Attr, prefix string, a slog.Attr) []slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "_"
		}
		for _, in := range v.Group() {
			out = flatten(out, prefix, in)
		}
		return out
	}
	if a.Key == "" {
		return out
	}
	return append(out, slog.Attr{Key: prefix + a.Key, Value: v})
}

func text(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().UTC().Format(time.RFC3339Nano)
	}
	return v.String()
}

// quoted quotes what would not be told from its neighbours.
func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\n\"=") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// priority maps slog's levels, and what lies between, to syslog's.
func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// reserved are the journal's own fields (systemd.journal-fields(7)); an
// attribute of such a name gets PIRWATCH_ before it.
var reserved = map[string]bool{
	"MESSAGE": true, "MESSAGE_ID": true, "PRIORITY": true, "SYSLOG_IDENTIFIER": true, "SYSLOG_FACILITY": true,
	"SYSLOG_PID": true, "SYSLOG_TIMESTAMP": true, "SYSLOG_RAW": true, "CODE_FILE": true, "CODE_LINE": true, "CODE_FUNC": true,
	"ERRNO": true, "UNIT": true, "USER_UNIT": true, "INVOCATION_ID": true, "DOCUMENTATION": true, "TID": true, "OBJECT_PID": true,
}

// fieldName makes a journal field's name: A-Z, 0-9 and _, at most 64, not begun by
// a digit or _ (those are the journal's own).
func fieldName(key string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(key) {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" {
		return ""
	}
	if reserved[name] || name[0] <= '9' {
		name = "PIRWATCH_" + name
	}
	return name[:min(len(name), 64)]
}
