package control

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func configured() Settings {
	return Settings{Armed: true, Trigger: "either", Cooldown: 10 * time.Second, Sensitivity: 50}
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, configured())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommands(t *testing.T) {
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	for _, c := range []struct{ name, payload, want, err string }{
		{"armed", "OFF", "OFF", ""},
		{"armed", "ON", "ON", ""},
		{"armed", "on", "ON", "want ON or OFF"},
		{"armed", "", "ON", "want ON or OFF"},
		{"trigger", "both", "both", ""},
		{"trigger", "diff", "either", "want pir, frames, either or both"},
		{"cooldown", "0", "0", ""},
		{"cooldown", "3600", "3600", ""},
		{"cooldown", "30.0", "30", ""},
		{"cooldown", "3601", "10", "a whole number of seconds from 0 to 3600"},
		{"cooldown", "-1", "10", "from 0 to 3600"},
		{"cooldown", "1.5", "10", "a whole number"},
		{"cooldown", "NaN", "10", "a whole number"},
		{"cooldown", "1e99", "10", "a whole number"},
		{"sensitivity", "1", "1", ""},
		{"sensitivity", "101", "50", "from 1 to 100"},
		{"sensitivity", "\x00\xff", "50", `"\x00\xff"`},
		{"sensitivity", strings.Repeat("9", 1<<20), "50", "want at most 16384"},
		{"masks", `{"ignore":[[[0,0],[1,0],[0.5,1]]]}`, `{"ignore":[[[0,0],[1,0],[0.5,1]]],"watch":[],"privacy":[]}`, ""},
		{"masks", `{}`, `{"ignore":[],"watch":[],"privacy":[]}`, ""},
		{"masks", `{"ignore":[[[0,0],[1,0]]]}`, `{"ignore":[],"watch":[],"privacy":[]}`, "has 2 corners: want 3 to 64"},
		{"masks", `{"watch":[[[0,0],[1,0],[0.5,1.01]]]}`, `{"ignore":[],"watch":[],"privacy":[]}`, "fractions of the picture"},
		{"masks", `{"secret":[]}`, `{"ignore":[],"watch":[],"privacy":[]}`, `unknown field "secret"`},
		{"masks", `{} {}`, `{"ignore":[],"watch":[],"privacy":[]}`, "text after"},
		{"masks", deep[:16000], `{"ignore":[],"watch":[],"privacy":[]}`, "want {"},
		{"masks", `{"ignore":[` + strings.Repeat(`[[0,0],[1,0],[0,1]],`, 40) + `[[0,0],[1,0],[0,1]]]}`, `{"ignore":[],"watch":[],"privacy":[]}`, "at most 32"},
		{"volume", "11", "", "no such setting"},
	} {
		t.Run(c.name+"="+c.payload[:min(20, len(c.payload))], func(t *testing.T) {
			s := open(t, "")
			now, err := s.Command(c.name, []byte(c.payload), false, time.Time{})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if err != nil && (len(err.Error()) > 400 || s.Rejected() != 1) {
				t.Errorf("%d rejected, a message of %d characters", s.Rejected(), len(err.Error()))
			}
			if got := string(now.State(c.name)); got != c.want {
				t.Errorf("state %s, want %s", got, c.want)
			}
		})
	}
}

func TestRetainedCommandIsRefused(t *testing.T) {
	s := open(t, "")
	now, err := s.Command("armed", []byte("OFF"), true, time.Time{})
	if !errors.Is(err, ErrRetained) || !now.Armed {
		t.Errorf("armed %v, error %v", now.Armed, err)
	}
}

// Only what was set survives against a changed configuration.
func TestSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	s := open(t, path)
	for name, payload := range map[string]string{"sensitivity": "70", "armed": "OFF", "masks": `{"ignore":[[[0,0],[1,0],[0,1]]]}`} {
		if _, err := s.Command(name, []byte(payload), false, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	changed := configured()
	changed.Cooldown, changed.Sensitivity = 99*time.Second, 20
	s, err := Open(path, changed)
	if err != nil {
		t.Fatal(err)
	}
	now := s.Settings()
	if now.Armed || now.Sensitivity != 70 || now.Cooldown != 99*time.Second || len(now.Masks.Ignore) != 1 {
		t.Errorf("after the restart: %+v", now)
	}
	if again := s.Reconfigure(configured()); again.Sensitivity != 70 || again.Cooldown != 10*time.Second {
		t.Errorf("after the reload: %+v", again)
	}
}

func TestBadFile(t *testing.T) {
	for _, c := range []struct{ text, err string }{
		{"{", "was moved to"},
		{`{"set":{"sensitivity":"900","cooldown":"7"}}`, "sensitivity"},
	} {
		path := filepath.Join(t.TempDir(), "settings.json")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, configured())
		if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want the path and %q", err, c.err)
		}
		if now := s.Settings(); now.Sensitivity != 50 || !now.Armed {
			t.Errorf("settings %+v", now)
		}
	}
}

func TestNotKept(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "gone", "settings.json"))
	now, err := s.Command("sensitivity", []byte("70"), false, time.Time{})
	if !errors.Is(err, ErrNotKept) || now.Sensitivity != 70 {
		t.Errorf("sensitivity %d, error %v", now.Sensitivity, err)
	}
}

// The same command again writes nothing, unless the write before had failed.
func TestRepeatedCommandWritesOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "settings.json")
	s := open(t, path)
	set := func() error {
		_, err := s.Command("sensitivity", []byte("70"), false, time.Time{})
		return err
	}
	if err := set(); !errors.Is(err, ErrNotKept) {
		t.Fatalf("error %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := set(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatalf("not kept at the second try: %v", err)
	}
	if err := set(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("written again for the same command")
	}
}

// A switch thrown by hand holds until the schedule's next change.
func TestSchedule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	s := open(t, path)
	at := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	until := at.Add(2 * time.Hour)
	if now, _ := s.Schedule(at, false); now.Armed {
		t.Fatal("the schedule did not disarm")
	}
	if _, err := s.Command("armed", []byte("ON"), false, until); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if now, _ := s.Schedule(at.Add(time.Hour), false); !now.Armed {
		t.Error("the schedule overruled the hand before its next change")
	}
	if now, _ := s.Schedule(until, true); !now.Armed {
		t.Error("not armed by the schedule")
	}
	if now, _ := s.Schedule(until.Add(time.Hour), false); now.Armed {
		t.Error("the hand still holds after the schedule's change")
	}
}
