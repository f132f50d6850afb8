// Package archive keeps pictures and event summaries on disk, in the one
// layout that the daemon, `receive` and `view` share:
//
//	<dir>/<camera>/<YYYY-MM-DD>/<pic_id>.jpg     the picture as it came
//	<dir>/<camera>/<YYYY-MM-DD>/<event_id>.json  the event's summary
//
// The day is the event's first, in UTC, so an event is never split. A file is
// written under a temporary name and renamed; its modification time is when
// the picture was taken or the event started. Pictures are synced together
// with their event's summary, once: after a power cut an event whose summary
// is there is whole. Camera, picture and event names may come from strangers:
// they are encoded (see encode), and os.Root keeps every access inside dir.
package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"sync"
	"time"
)

const (
	// MaxPicture is the largest picture that is kept, in bytes.
	MaxPicture = 32 << 20
	// MaxSummary is the largest event summary that is kept, in bytes.
	MaxSummary = 64 << 10

	defaultBytes   = 256_000_000
	defaultMinFree = 32 << 20
	maxCameras     = 1000
	maxPending     = 256             // events whose pictures wait for their summary's sync
	maxPendingPics = 200             // pictures of one of them
	pendingFor     = 2 * time.Minute // then an event without a summary is synced all the same
	block          = 4096            // what a file takes on disk is a multiple of this
)

// Options bound the archive. Zero values stand for the defaults.
type Options struct {
	MaxBytes int64         // on disk; 0: 256 MB or a tenth of the free space, whichever is less; negative: no bound
	MaxAge   time.Duration // whole days older than this go; 0: no bound
	MinFree  int64         // bytes to leave free on the file system; 0: 32 MB; negative: no bound
}

// Archive is safe for concurrent use. Disk errors are returned and shown in
// Stats; the next call tries again.
type Archive struct {
	o    Options
	root *os.Root
	log  *slog.Logger

	io      sync.Mutex // one writer at a time; held over disk work
	pending map[eventKey]*pendingEvent

	mu    sync.Mutex // guards what follows; never held over disk work
	days  map[dayKey]int64
	total int64
	stats Stats
}

type dayKey struct{ camera, day string }     // camera as on disk
type eventKey struct{ camera, event string } // both as on disk

// pendingEvent is what was written for an event and not yet synced.
type pendingEvent struct {
	day   string
	files []string
	boxes map[string][4]float64
	since time.Time
}

// Stats counts since Open; Bytes and Days are what is there now.
type Stats struct {
	Bytes     int64  `json:"bytes"` // on disk, rounded up to blocks
	Days      int    `json:"days"`  // directories, over all cameras
	Pictures  uint64 `json:"pictures"`
	Summaries uint64 `json:"summaries"`
	Syncs     uint64 `json:"syncs"`   // groups: one an event
	Pruned    uint64 `json:"pruned"`  // files removed to stay within bounds
	Refused   uint64 `json:"refused"` // names, sizes
	Failed    uint64 `json:"failed"`  // disk errors
	Disk      string `json:"disk"`    // ok, full, readonly, failing
}

// Open opens or creates the archive in dir, removes what an interrupted write
// left behind, and measures what is there.
func Open(dir string, o Options, log *slog.Logger) (*Archive, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("archive: create %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("archive: open %s: %w", dir, err)
	}
	a := &Archive{o: o, root: root, log: log, pending: make(map[eventKey]*pendingEvent), days: make(map[dayKey]int64)}
	a.stats.Disk = "ok"
	torn, err := a.scan()
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("archive: read %s: %w", dir, err)
	}
	if a.o.MaxBytes == 0 {
		a.o.MaxBytes = defaultBytes
		if free, err := freeBytes(dir); err == nil {
			a.o.MaxBytes = min(a.o.MaxBytes, (free+a.total)/10)
		}
	}
	if a.o.MinFree == 0 {
		a.o.MinFree = defaultMinFree
	}
	if torn > 0 {
		log.Warn("archive: removed what an interrupted write had left", "files", torn)
	}
	return a, nil
}

// Close gives back the directory; nothing may be called afterwards.
func (a *Archive) Close() error { return a.root.Close() }

// scan measures every day and removes temporary files and pictures that a
// power cut left empty or full of zeros: only such without a summary can be.
func (a *Archive) scan() (torn int, err error) {
	for camera := range a.dirs(".") {
		if _, ok := decode(camera); !ok {
			continue
		}
		for day := range a.dirs(camera) {
			if !isDay(day) {
				continue
			}
			dir := path.Join(camera, day)
			entries, err := a.readDir(dir)
			if err != nil {
				return torn, err
			}
			whole := make(map[string]bool)
			for _, e := range entries {
				if f, ok := ours(e); ok && f.summary {
					whole[f.event] = true
				}
			}
			k := dayKey{camera, day}
			for _, e := range entries {
				name := path.Join(dir, e.Name())
				if len(e.Name()) > len(tempMark) && e.Name()[:len(tempMark)] == tempMark {
					a.root.Remove(name)
					torn++
					continue
				}
				f, ok := ours(e)
				if !ok {
					continue
				}
				if !f.summary && !whole[f.event] && a.torn(name) {
					a.root.Remove(name)
					torn++
					continue
				}
				if info, err := e.Info(); err == nil {
					a.days[k] += onDisk(info.Size())
					a.total += onDisk(info.Size())
				}
			}
		}
	}
	return torn, nil
}

// torn reports whether a file is no picture but what a power cut makes of one.
func (a *Archive) torn(name string) bool {
	f, err := a.root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [2]byte
	tail := make([]byte, 16)
	info, err := f.Stat()
	if err != nil || info.Size() < int64(len(tail)) {
		return err == nil
	}
	if _, err := f.ReadAt(head[:], 0); err != nil || head != [2]byte{0xFF, 0xD8} {
		return err == nil
	}
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return false
	}
	return !slices.ContainsFunc(tail, func(b byte) bool { return b != 0 })
}

// SavePicture keeps a picture under its own name. It is not synced before its
// event's summary is, or two minutes have passed. The bytes are not kept in
// memory. Saving the same picture again replaces it.
func (a *Archive) SavePicture(camera string, taken time.Time, picID string, jpeg []byte) error {
	cam, pic, err := a.names(camera, "pic_id", picID)
	if err != nil {
		return a.refuse(err)
	}
	event, err := encode("event_id", EventOf(picID))
	if err != nil {
		return a.refuse(err)
	}
	if len(jpeg) == 0 || len(jpeg) > MaxPicture {
		return a.refuse(fmt.Errorf("archive: picture %.40q has %d bytes: 1 to %d are kept", picID, len(jpeg), MaxPicture))
	}
	a.io.Lock()
	defer a.io.Unlock()
	k := eventKey{cam, event}
	p := a.pending[k]
	if p == nil {
		a.makeRoom()
		p = &pendingEvent{day: a.findDay(cam, event, taken), since: time.Now()}
		a.pending[k] = p
	}
	if len(p.files) >= maxPendingPics {
		a.sync(k, p)
		p.files = p.files[:0]
	}
	name := path.Join(cam, p.day, pic+".jpg")
	if err := a.write(name, jpeg, taken, false); err != nil {
		return fmt.Errorf("archive: keep picture %s of %s: %w", picID, camera, err)
	}
	p.files = append(p.files, name)
	a.count(func(s *Stats) { s.Pictures++ })
	return nil
}

// SaveBox remembers where the main moving thing is in a picture (x, y, width,
// height in fractions); it is written with the event's summary, as "boxes".
func (a *Archive) SaveBox(camera, picID string, box [4]float64) {
	cam, _, err := a.names(camera, "pic_id", picID)
	if err != nil {
		return
	}
	event, err := encode("event_id", EventOf(picID))
	if err != nil {
		return
	}
	a.io.Lock()
	defer a.io.Unlock()
	if p := a.pending[eventKey{cam, event}]; p != nil && len(p.boxes) < maxPendingPics {
		if p.boxes == nil {
			p.boxes = make(map[string][4]float64)
		}
		p.boxes[picID] = box
	}
}

// SaveSummary keeps an event's summary, a JSON object, and makes the event
// safe: when it returns nil, the summary, the pictures saved for the event and
// their directories are synced. A later summary of the same event replaces it.
func (a *Archive) SaveSummary(camera string, started time.Time, eventID string, summary []byte) error {
	cam, event, err := a.names(camera, "event_id", eventID)
	if err != nil {
		return a.refuse(err)
	}
	var fields map[string]json.RawMessage
	if len(summary) > MaxSummary {
		return a.refuse(fmt.Errorf("archive: summary of %.40q has %d bytes: at most %d are kept", eventID, len(summary), MaxSummary))
	}
	if err := json.Unmarshal(summary, &fields); err == nil && fields == nil {
		return a.refuse(fmt.Errorf("archive: summary of %.40q is null", eventID))
	} else if err != nil {
		return a.refuse(fmt.Errorf("archive: summary of %.40q is no JSON object: %w", eventID, err))
	}
	a.io.Lock()
	defer a.io.Unlock()
	k := eventKey{cam, event}
	p := a.pending[k]
	if p == nil {
		p = &pendingEvent{day: a.findDay(cam, event, started)}
	} else if day := dayOf(started); day != p.day && day != shift(p.day, 1) && day != shift(p.day, -1) {
		a.move(cam, p, day) // the clock was learnt in mid-event
	}
	name := path.Join(cam, p.day, event+".json")
	summary = withBoxes(summary, fields, p.boxes, func() []byte { old, _ := a.root.ReadFile(name); return old })
	if err := a.write(name, summary, started, true); err != nil {
		return fmt.Errorf("archive: keep summary %s of %s: %w", eventID, camera, err)
	}
	p.files = append(p.files, name)
	if err := a.sync(k, p); err != nil {
		return fmt.Errorf("archive: sync event %s of %s: %w", eventID, camera, err)
	}
	a.count(func(s *Stats) { s.Summaries++ })
	return nil
}

// withBoxes adds the boxes to the summary, those of the file it replaces where
// none are known.
func withBoxes(summary []byte, fields map[string]json.RawMessage, boxes map[string][4]float64, old func() []byte) []byte {
	if fields["boxes"] != nil {
		return summary
	}
	var raw json.RawMessage
	if len(boxes) > 0 {
		raw, _ = json.Marshal(boxes)
	} else {
		var before struct {
			Boxes json.RawMessage `json:"boxes"`
		}
		if json.Unmarshal(old(), &before) != nil || len(before.Boxes) == 0 {
			return summary
		}
		raw = before.Boxes
	}
	fields["boxes"] = raw
	if whole, err := json.Marshal(fields); err == nil {
		return whole
	}
	return summary
}

// Stats returns counters and what is there now.
func (a *Archive) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	s.Bytes, s.Days = a.total, len(a.days)
	return s
}

// Run prunes by age and free space, and syncs events that never got a
// summary, until ctx ends; then it syncs what is left.
func (a *Archive) Run(ctx context.Context) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		a.prune(time.Now())
		select {
		case <-ctx.Done():
			a.syncOlder(0)
			return ctx.Err()
		case <-tick.C:
			a.syncOlder(pendingFor)
			a.probe()
		}
	}
}

func (a *Archive) syncOlder(age time.Duration) {
	a.io.Lock()
	defer a.io.Unlock()
	for k, p := range a.pending {
		if time.Since(p.since) >= age {
			a.sync(k, p)
		}
	}
}

func (a *Archive) count(change func(*Stats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.stats)
}

func (a *Archive) bytes() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}

func (a *Archive) add(k dayKey, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total += n
	if a.days[k] += n; a.days[k] <= 0 {
		a.total -= a.days[k]
		delete(a.days, k)
	}
}

func (a *Archive) known(camera string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := range a.days {
		if k.camera == camera {
			return true
		}
	}
	return false
}

func (a *Archive) cameras() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := make(map[string]bool)
	for k := range a.days {
		seen[k.camera] = true
	}
	return len(seen)
}

func onDisk(size int64) int64 { return (size + block - 1) / block * block }

// Dir is the directory that Open was given.
func (a *Archive) Dir() string { return a.root.Name() }
