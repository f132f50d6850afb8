package systemd

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

type entry struct {
	message  string
	priority journal.Priority
	fields   map[string]string
}

func recorder(level slog.Leveler) (*journalHandler, *[]entry) {
	entries := &[]entry{}
	return &journalHandler{level: level, fallback: &bytes.Buffer{}, send: func(m string, p journal.Priority, f map[string]string) error {
		*entries = append(*entries, entry{m, p, f})
		return nil
	}}, entries
}

func TestJournalFields(t *testing.T) {
	h, got := recorder(slog.LevelInfo)
	log := slog.New(h).With("camera", "garden")
	log.Debug("not this")
	log.Info("motion", "event_id", "01K", "trigger", "pir")
	log.Warn("link lost", "err", errors.New("broken pipe"), "next_try", 5*time.Second)
	log.WithGroup("queue").Error("full", "message", "m", slog.Group("disk", "used", 7), "9lives", true, "", "no key", "ä", 1)
	want := []entry{
		{"motion camera=garden event_id=01K trigger=pir", journal.PriInfo, map[string]string{"CAMERA": "garden", "EVENT_ID": "01K", "TRIGGER": "pir"}},
		{`link lost camera=garden err="broken pipe" next_try=5s`, journal.PriWarning, map[string]string{"CAMERA": "garden", "ERR": "broken pipe", "NEXT_TRY": "5s"}},
		{"full camera=garden queue_message=m queue_disk_used=7 queue_9lives=true queue_ä=1", journal.PriErr,
			map[string]string{"CAMERA": "garden", "QUEUE_MESSAGE": "m", "QUEUE_DISK_USED": "7", "QUEUE_9LIVES": "true", "QUEUE": "1"}},
	}
	if len(*got) != len(want) {
		t.Fatalf("%d entries, want %d: %v", len(*got), len(want), *got)
	}
	for i, w := range want {
		w.fields["SYSLOG_IDENTIFIER"] = "pirwatch"
		g := (*got)[i]
		if g.message != w.message || g.priority != w.priority || !maps.Equal(g.fields, w.fields) {
			t.Errorf("entry %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
}

func TestFieldNames(t *testing.T) {
	for in, want := range map[string]string{
		"event_id": "EVENT_ID", "Pic-ID": "PIC_ID", "_pid": "PID", "message": "PIRWATCH_MESSAGE", "priority": "PIRWATCH_PRIORITY",
		"9lives": "PIRWATCH_9LIVES", "": "", "_": "", strings.Repeat("x", 100): strings.Repeat("X", 64),
	} {
		if got := fieldName(in); got != want {
			t.Errorf("fieldName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWhatTheJournalDoesNotTakeIsNotLost(t *testing.T) {
	var out bytes.Buffer
	h := &journalHandler{fallback: &out, send: func(string, journal.Priority, map[string]string) error { return errors.New("no journal") }}
	slog.New(h).Info("motion", "event_id", "01K")
	if out.String() != "motion event_id=01K\n" {
		t.Errorf("wrote %q", out.String())
	}
}

// The standard library's own rules for handlers. Time is the journal's to keep,
// and its fields do not nest: the names of groups stand before those in them.
func TestHandlerRules(t *testing.T) {
	var got *[]entry
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		if strings.HasSuffix(t.Name(), "/zero-time") {
			t.Skip("the journal keeps the time")
		}
		var h *journalHandler
		h, got = recorder(slog.LevelInfo)
		return h
	}, func(t *testing.T) map[string]any {
		e := (*got)[0]
		m := map[string]any{slog.TimeKey: time.Now(), slog.LevelKey: e.priority, slog.MessageKey: strings.Fields(e.message)[0]}
		delete(e.fields, "SYSLOG_IDENTIFIER")
		for name, v := range e.fields {
			at, name := m, name
			for _, group := range []string{"G", "H"} {
				if rest, ok := strings.CutPrefix(name, group+"_"); ok {
					if at[group] == nil {
						at[group] = map[string]any{}
					}
					at, name = at[group].(map[string]any), rest
				}
			}
			at[strings.ToLower(name)] = v
		}
		return m
	})
}

func TestRepeatsAreMuted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, got := recorder(slog.LevelInfo)
		log := slog.New(Muting(h, time.Minute))
		for range 5 {
			log.Warn("camera missing", "err", "no such device")
			log.Info("motion")
		}
		log.Warn("camera missing", "err", "busy") // another cause is news
		log.With("camera", "b").Warn("camera missing", "err", "no such device")
		time.Sleep(time.Minute)
		log.Warn("camera missing", "err", "no such device")
		var lines []string
		for _, e := range *got {
			if e.priority == journal.PriWarning {
				lines = append(lines, e.message)
			}
		}
		want := `camera missing err="no such device"|camera missing err=busy|camera missing camera=b err="no such device"|camera missing err="no such device" repeated=4`
		if s := strings.Join(lines, "|"); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
		if len(*got)-len(lines) != 5 {
			t.Errorf("%d of 5 infos passed", len(*got)-len(lines))
		}
	})
}

func TestMutingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, got := recorder(slog.LevelInfo)
		m := Muting(h, time.Minute)
		for i := range 3 * mostRepeats {
			slog.New(m).Warn("w", "i", i)
		}
		if n := len(m.(*muting).table.seen); n != mostRepeats {
			t.Errorf("the table has %d entries", n)
		}
		if len(*got) != 3*mostRepeats {
			t.Errorf("%d of %d different warnings written", len(*got), 3*mostRepeats)
		}
	})
}
