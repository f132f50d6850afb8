package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	maxEvents   = 500   // in one answer
	maxPictures = 200   // of one event, in one answer
	maxEntries  = 50000 // read of one directory
)

// Day is one day of one camera, dates in UTC.
type Day struct {
	Camera string `json:"camera"`
	Date   string `json:"date"`
	Bytes  int64  `json:"bytes"`
}

// Event is what the archive has of one event.
type Event struct {
	Camera    string          `json:"camera"`
	ID        string          `json:"event_id"`
	Date      string          `json:"date"`
	StartedAt time.Time       `json:"started_at"`
	Summary   json.RawMessage `json:"summary"` // null while it has not come
	Pictures  []Picture       `json:"pictures"`
	More      int             `json:"pictures_more,omitempty"` // pictures beyond the list's bound
}

// Picture is one picture of an event.
type Picture struct {
	ID    string    `json:"pic_id"`
	Bytes int64     `json:"bytes"`
	Taken time.Time `json:"taken"`
}

// file is one of our files in a day.
type file struct {
	file    string // name on disk
	event   string // as on disk
	summary bool
	size    int64
	at      time.Time
}

// group is the files of one event in a day; at is its start.
type group struct {
	event string
	at    time.Time
	files []file
}

// ours recognises a file of the archive's by its name.
func ours(e fs.DirEntry) (file, bool) {
	if !e.Type().IsRegular() {
		return file{}, false
	}
	name, kind, _ := cutLast(e.Name(), '.')
	if kind != "jpg" && kind != "json" {
		return file{}, false
	}
	id, ok := decode(name)
	if !ok {
		return file{}, false
	}
	f := file{file: e.Name(), event: name, summary: kind == "json"}
	if !f.summary {
		event, err := encode("event", EventOf(id))
		if err != nil {
			return file{}, false
		}
		f.event = event
	}
	return f, true
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// group collects a day's files by event.
func (a *Archive) group(k dayKey) ([]*group, error) {
	entries, err := a.readDir(path.Join(k.camera, k.day))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	byEvent := make(map[string]*group)
	var groups []*group
	for _, e := range entries {
		f, ok := ours(e)
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		f.size, f.at = info.Size(), info.ModTime()
		g := byEvent[f.event]
		if g == nil {
			g = &group{event: f.event}
			byEvent[f.event] = g
			groups = append(groups, g)
		}
		g.files = append(g.files, f)
	}
	for _, g := range groups {
		slices.SortFunc(g.files, func(x, y file) int {
			if x.summary != y.summary {
				if x.summary {
					return -1
				}
				return 1
			}
			if c := x.at.Compare(y.at); c != 0 {
				return c
			}
			return strings.Compare(x.file, y.file)
		})
		g.at = g.files[0].at
	}
	return groups, nil
}

// readDir reads at most maxEntries of a directory.
func (a *Archive) readDir(dir string) ([]fs.DirEntry, error) {
	d, err := a.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxEntries)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

// dirs yields the names of the directories in dir.
func (a *Archive) dirs(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		entries, err := a.readDir(dir)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.IsDir() && !yield(e.Name()) {
				return
			}
		}
	}
}

// Cameras lists the cameras that the archive has pictures of, by name.
func (a *Archive) Cameras() []string {
	names := []string{}
	for _, k := range a.oldestFirst() {
		if name, ok := decode(k.camera); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Days lists the days of a camera, or with "" of all cameras, newest first,
// at most limit (500 where it is not positive or larger).
func (a *Archive) Days(camera string, limit int) []Day {
	if limit <= 0 || limit > maxEvents {
		limit = maxEvents
	}
	keys := a.oldestFirst()
	slices.Reverse(keys)
	days := []Day{}
	for _, k := range keys {
		name, ok := decode(k.camera)
		if !ok || (camera != "" && name != camera) {
			continue
		}
		if len(days) == limit {
			break
		}
		a.mu.Lock()
		bytes := a.days[k]
		a.mu.Unlock()
		days = append(days, Day{Camera: name, Date: k.day, Bytes: bytes})
	}
	return days
}

// Events lists the events of a camera, or with "" of all, that started in
// [from, to), newest first, at most limit (500 where it is not positive or
// larger).
func (a *Archive) Events(camera string, from, to time.Time, limit int) ([]Event, error) {
	if limit <= 0 || limit > maxEvents {
		limit = maxEvents
	}
	events := []Event{}
	keys := a.oldestFirst()
	slices.Reverse(keys)
	// An event is filed under its first picture's day, which can be the one before.
	first, last := dayOf(from.Add(-24*time.Hour)), dayOf(to.Add(24*time.Hour))
	for i := 0; i < len(keys); {
		day := keys[i].day
		var found []dated
		for ; i < len(keys) && keys[i].day == day; i++ {
			k := keys[i]
			name, ok := decode(k.camera)
			if !ok || day < first || day > last || (camera != "" && name != camera) {
				continue
			}
			groups, err := a.group(k)
			if err != nil {
				return events, fmt.Errorf("archive: list %s of %s: %w", day, name, a.told(err))
			}
			for _, g := range groups {
				if !g.at.Before(from) && g.at.Before(to) {
					found = append(found, dated{k, g})
				}
			}
		}
		slices.SortFunc(found, func(x, y dated) int { return y.g.at.Compare(x.g.at) })
		for _, f := range found {
			if len(events) == limit {
				return events, nil
			}
			events = append(events, a.event(f.k, f.g))
		}
	}
	return events, nil
}

type dated struct {
	k dayKey
	g *group
}

// Event returns one event of a camera.
func (a *Archive) Event(camera, eventID string) (Event, error) {
	k, g, err := a.findEvent(camera, eventID)
	if err != nil {
		return Event{}, err
	}
	return a.event(k, g), nil
}

func (a *Archive) findEvent(camera, eventID string) (dayKey, *group, error) {
	cam, event, err := a.names(camera, "event_id", eventID)
	if err != nil {
		return dayKey{}, nil, refusal{err}
	}
	keys := slices.DeleteFunc(a.oldestFirst(), func(k dayKey) bool { return k.camera != cam })
	slices.Reverse(keys)
	// A look for the likely names spares reading every day's directory; an
	// event without a summary and without its first pictures is a recent one.
	likely := slices.DeleteFunc(slices.Clone(keys), func(k dayKey) bool {
		for _, end := range []string{".json", "-00.jpg", "-01.jpg", ".jpg"} {
			if _, err := a.root.Lstat(path.Join(k.camera, k.day, event+end)); err == nil {
				return false
			}
		}
		return true
	})
	for _, k := range append(likely, keys[:min(len(keys), 3)]...) {
		groups, err := a.group(k)
		if err != nil {
			return dayKey{}, nil, fmt.Errorf("archive: read %s of %s: %w", k.day, camera, a.told(err))
		}
		for _, g := range groups {
			if g.event == event {
				return k, g, nil
			}
		}
	}
	return dayKey{}, nil, fmt.Errorf("archive: event %.40q of %.40q: %w", eventID, camera, fs.ErrNotExist)
}

// event reads what a group holds.
func (a *Archive) event(k dayKey, g *group) Event {
	camera, _ := decode(k.camera)
	id, _ := decode(g.event)
	e := Event{Camera: camera, ID: id, Date: k.day, StartedAt: g.at.UTC(), Pictures: []Picture{}}
	for _, f := range g.files {
		if f.summary {
			raw, err := a.read(path.Join(k.camera, k.day, f.file), 2*MaxSummary)
			if err == nil && json.Valid(raw) {
				e.Summary = raw
			}
			continue
		}
		if len(e.Pictures) == maxPictures {
			e.More++
			continue
		}
		id, _ := decode(strings.TrimSuffix(f.file, ".jpg"))
		e.Pictures = append(e.Pictures, Picture{ID: id, Bytes: f.size, Taken: f.at.UTC()})
	}
	return e
}

// Find returns a picture and when it was taken; the error is fs.ErrNotExist
// where the archive does not have it.
func (a *Archive) Find(camera, picID string) ([]byte, time.Time, error) {
	name, info, err := a.locate(camera, picID)
	if err != nil {
		return nil, time.Time{}, err
	}
	data, err := a.read(name, MaxPicture)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("archive: read picture %.40q of %.40q: %w", picID, camera, err)
	}
	return data, info.ModTime().UTC(), nil
}

// Has reports whether the archive has a picture.
func (a *Archive) Has(camera, picID string) bool {
	_, _, err := a.locate(camera, picID)
	return err == nil
}

// HasSummary reports whether the archive has an event's summary.
func (a *Archive) HasSummary(camera, eventID string) bool {
	cam, event, err := a.names(camera, "event_id", eventID)
	if err != nil {
		return false
	}
	for _, k := range a.oldestFirst() {
		if k.camera != cam {
			continue
		}
		if info, err := a.root.Lstat(path.Join(cam, k.day, event+".json")); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func (a *Archive) locate(camera, picID string) (string, fs.FileInfo, error) {
	cam, pic, err := a.names(camera, "pic_id", picID)
	if err != nil {
		return "", nil, refusal{err}
	}
	keys := a.oldestFirst()
	slices.Reverse(keys)
	for _, k := range keys {
		if k.camera != cam {
			continue
		}
		name := path.Join(cam, k.day, pic+".jpg")
		if info, err := a.root.Lstat(name); err == nil && info.Mode().IsRegular() {
			return name, info, nil
		}
	}
	return "", nil, fmt.Errorf("archive: picture %.40q of %.40q: %w", picID, camera, fs.ErrNotExist)
}

// read reads a file of at most limit bytes.
func (a *Archive) read(name string, limit int64) ([]byte, error) {
	f, err := a.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}
