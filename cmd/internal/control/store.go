package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ErrRetained is the refusal of a command that the broker had kept: acted on,
// it would be obeyed again at each connect.
var ErrRetained = errors.New("the message is retained: send commands without the retain flag")

// Store keeps the settings. What was set over MQTT is kept in a file and wins
// over the configuration; all else follows the configuration. Safe for
// concurrent use.
type Store struct {
	path string

	mu       sync.Mutex
	set      map[string][]byte // as set over MQTT, by name
	until    time.Time         // a set "armed" holds until then; zero = for good
	now      Settings
	kept     bool // the file has what is in set and until
	rejected uint64
}

// file is what is written: each setting's payload as it came.
type file struct {
	Set        map[string]string `json:"set"`
	ArmedUntil time.Time         `json:"armed_until,omitzero"`
}

// Open reads what was set earlier. The configured settings must be good. A file
// that cannot be read or makes no sense is moved aside and told; the store is
// usable all the same. An empty path keeps nothing.
func Open(path string, configured Settings) (*Store, error) {
	s := &Store{path: path, set: map[string][]byte{}, now: configured}
	if path == "" {
		return s, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var f file
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		bad := path + ".bad"
		if moved := os.Rename(path, bad); moved != nil {
			bad = "nowhere: " + moved.Error()
		}
		return s, fmt.Errorf("settings %s: %w; starting from the configuration, the file was moved to %s", path, err, bad)
	}
	s.until = f.ArmedUntil
	var errs []error
	for name, payload := range f.Set {
		next, err := s.now.with(name, []byte(payload))
		if err != nil {
			errs = append(errs, fmt.Errorf("settings %s: %s: %w; left as configured", path, name, err))
			continue
		}
		s.now, s.set[name] = next, []byte(payload)
	}
	return s, errors.Join(errs...)
}

// Settings returns what is in force.
func (s *Store) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Overridden says whether a setting was set over MQTT.
func (s *Store) Overridden(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, set := s.set[name]
	return set
}

// Rejected counts the commands that were refused.
func (s *Store) Rejected() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rejected
}

// Command carries out `<name>/set`. It returns the settings in force; with an
// error they are as before, unless the error is [ErrNotKept]. until is when the
// schedule changes next, if there is one: a set "armed" holds until then.
func (s *Store) Command(name string, payload []byte, retained bool, until time.Time) (Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := error(nil)
	next := s.now
	if retained {
		err = ErrRetained
	} else {
		next, err = s.now.with(name, payload)
	}
	if err != nil {
		s.rejected++
		return s.now, fmt.Errorf("command %s/set: %w", name, err)
	}
	if name != "armed" {
		until = s.until
	}
	// The same again costs no write: a flood must not wear out the card.
	if set, there := s.set[name]; s.kept && there && bytes.Equal(set, payload) && until.Equal(s.until) {
		return s.now, nil
	}
	s.now, s.set[name], s.until = next, slices.Clone(payload), until
	return s.now, s.save()
}

// Schedule tells what the schedule says at the given wall time. It returns the
// settings in force, which differ if no command from MQTT stands against it.
func (s *Store) Schedule(at time.Time, armed bool) (Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, set := s.set["armed"]
	if set && at.Before(s.until) {
		return s.now, nil
	}
	s.now.Armed = armed
	if !set {
		return s.now, nil
	}
	delete(s.set, "armed")
	s.until = time.Time{}
	return s.now, s.save()
}

// Reconfigure takes over a configuration that was read again: what was set over
// MQTT stays.
func (s *Store) Reconfigure(configured Settings) Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = configured
	for name, payload := range s.set {
		if next, err := s.now.with(name, payload); err == nil {
			s.now = next
		}
	}
	return s.now
}

// ErrNotKept says that a setting is in force but would not survive a restart.
var ErrNotKept = errors.New("the setting is in force, but could not be kept for the next start")

// save writes the file anew and syncs it before it takes the old one's place.
func (s *Store) save() error {
	s.kept = s.path == ""
	if s.kept {
		return nil
	}
	f := file{Set: map[string]string{}, ArmedUntil: s.until}
	for name, payload := range s.set {
		f.Set[name] = string(payload)
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = replaceFile(s.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	s.kept = true
	return nil
}

func replaceFile(path string, text []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".settings-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
