package queue

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// Pauses between attempts to heal a disk.
const (
	firstRetry  = time.Second
	lastRetry   = time.Minute
	stableAfter = 2 * time.Minute // well for so long: the next pause is the first again
)

// health is what is known of the disk. Guarded by Queue.mu.
type health struct {
	state    string // one of the disk states
	noWrites bool   // no records are written until retryAt
	detached bool   // no file is open, nothing at all is written until retryAt
	text     string // of the last error
	retryAt  time.Time
	tries    int       // since the disk was last well for stableAfter
	healedAt time.Time // zero: was well from the start
	logged   time.Time
}

// errSync is an error after which it is unknown what reached the disk.
type errSync struct{ error }

func (e errSync) Unwrap() error { return e.error }

// canWrite says whether a write is worth trying. Called with mu held.
func (q *Queue) canWrite() bool { return q.store != nil && !q.health.noWrites }

func (q *Queue) retryAt() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.health.state == diskOK {
		return time.Time{}
	}
	return q.health.retryAt
}

// trouble notes that the disk refused, and closes all files unless it is
// merely full, so that the owner can check and mount it again. Called with
// disk held.
func (q *Queue) trouble(err error) {
	state := diskState(err)
	unsure := errSync{}
	detach := errors.As(err, &unsure) || state != diskFull
	if detach {
		q.store.detach()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.note(state, err)
	q.health.detached = q.health.detached || detach
	q.health.noWrites = true
	q.fitRAM()
}

// noteFull notes that no file can grow; segments that exist may have room, or
// get some when the next pictures are given up or delivered.
func (q *Queue) noteFull(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.note(diskFull, err)
	q.health.noWrites = false
}

// note sets the state and when to try again, and logs what is new. Called with
// mu held.
func (q *Queue) note(state string, err error) {
	h := &q.health
	if h.state == diskOK && time.Since(h.healedAt) > stableAfter {
		h.tries = 0
	}
	pause := min(firstRetry<<min(h.tries, 10), lastRetry)
	pause = pause*3/4 + rand.N(pause/2)
	h.tries++
	h.retryAt = time.Now().Add(pause)
	h.text = err.Error()
	if state != h.state || !q.muted(&h.logged) {
		h.logged = time.Now()
		q.log.Warn("queue: disk trouble, pictures are kept in RAM as far as they fit",
			"disk", state, "dir", q.o.Dir, "error", err, "retry_in", pause.Round(time.Second))
	}
	h.state = state
	q.kickSpooler()
}

// heal tries the disk again if it is time to.
func (q *Queue) heal(now time.Time) {
	q.mu.Lock()
	state, at := q.health.state, q.health.retryAt
	q.mu.Unlock()
	if state == diskOK || at.After(now) {
		return
	}
	q.disk.Lock()
	defer q.disk.Unlock()
	if q.store.attached() {
		if err := q.store.probe(); diskState(err) == diskFull {
			q.noteFull(err)
			return
		} else if err != nil {
			q.trouble(err)
			return
		}
	} else {
		q.store.detach()
		if err := q.attach(); err != nil {
			q.trouble(errSync{err})
			return
		}
	}
	q.store.noGrowth = false
	q.mu.Lock()
	q.health.state, q.health.healedAt = diskOK, time.Now()
	q.health.noWrites, q.health.detached = false, false
	q.mu.Unlock()
	q.log.Info("queue: the disk works again", "dir", q.o.Dir, "was", state)
	q.writeAside()
	q.signal()
	q.kickSpooler()
}

// attach takes the folder, recovers what it holds and makes that safe. Until
// the folder was read once it does so even if nothing can be written, so that
// what a read-only disk holds is delivered. Called with disk held.
func (q *Queue) attach() error {
	s, begin := q.store, time.Now()
	first := !s.scanned
	if first { // later, a folder that is not there is a disk not mounted
		if err := makeDirs(s.fs, s.dir); err != nil {
			return err
		}
	}
	var err error
	if s.lock, err = s.fs.Lock(s.dir); err != nil {
		return err
	}
	if first {
		err = s.fs.Writable(s.dir)
	} else {
		err = s.probe()
	}
	if err != nil && !first {
		return err
	}
	all, scanErr := s.scan()
	if scanErr != nil {
		return errors.Join(err, scanErr)
	}
	q.reconcile(all)
	q.logFound(all, time.Since(begin))
	if err != nil {
		return err
	}
	return q.secure()
}

// secure syncs what was recovered: a killed process may have left it in the
// page cache only. Nothing is written if nothing is dirty.
func (q *Queue) secure() error {
	s := q.store
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	for _, g := range s.segments {
		if g.foreign {
			continue
		}
		if err := s.openForWrite(g); err != nil {
			return err
		}
		s.touch(g) // a free one too: its header may be unsynced
		if g.live == 0 {
			continue
		}
		if s.active == nil || s.room(g) > s.room(s.active) {
			s.active = g
		}
	}
	if err := s.sync(); err != nil {
		return err
	}
	q.tellSynced()
	if err := s.prune(); err != nil {
		return err
	}
	q.drainRemovals()
	return s.flush(false)
}

// makeDirs makes the folder and its parents as needed, each with a name that
// survives a power cut.
func makeDirs(fsys fileSystem, dir string) error {
	parent := filepath.Dir(dir)
	err := fsys.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeDirs(fsys, parent); err != nil {
			return err
		}
		err = fsys.Mkdir(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	existed := err != nil
	err = fsys.SyncDir(parent)
	if existed && errors.Is(err, fs.ErrPermission) {
		return nil // not ours, so not made by us
	}
	return err
}
