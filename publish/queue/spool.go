package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// removeAfter is how long removals wait for company before they are written.
const removeAfter = time.Second

// Run is the spooler: it writes what stays unacknowledged for Deadline, and
// removals, in groups of one sync each, and heals the disk. When ctx ends it
// writes everything, syncs, closes the queue and returns what kept it from
// that.
func (q *Queue) Run(ctx context.Context) error {
	if q.store == nil {
		<-ctx.Done()
		return q.Close()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var removeAt time.Time // zero: nothing to remove
	for {
		select {
		case <-ctx.Done():
			return q.Close()
		case <-q.kick:
		case <-timer.C:
		}
		now := time.Now()
		q.heal(now)
		due := q.due()
		if !due.IsZero() && !due.After(now) {
			q.disk.Lock()
			q.commit(nil)
			q.disk.Unlock()
			due = q.due()
		}
		removing := q.removing()
		switch {
		case !removing:
			removeAt = time.Time{}
		case removeAt.IsZero():
			removeAt = now.Add(removeAfter)
		case !removeAt.After(now):
			q.disk.Lock()
			if err := q.flush(false); err != nil {
				q.trouble(err)
			}
			q.disk.Unlock()
			removeAt = now.Add(removeAfter)
		}
		q.tell()
		timer.Reset(soonest(now, due, removeAt, q.retryAt()))
	}
}

// soonest is how long until the first of the times; zero ones do not count.
func soonest(now time.Time, times ...time.Time) time.Duration {
	wait := time.Hour
	for _, t := range times {
		if !t.IsZero() {
			wait = min(wait, t.Sub(now))
		}
	}
	return max(wait, 0)
}

// due is when the oldest item in RAM is to be written; zero if there is none,
// or nowhere to write it.
func (q *Queue) due() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.canWrite() {
		return time.Time{}
	}
	wait := q.o.Deadline
	if q.o.Spool == Always {
		wait = 0
	}
	for _, e := range q.items {
		if q.spoolable(e) {
			return e.at.Add(wait)
		}
	}
	return time.Time{}
}

// spoolable says whether an entry waits to be written. Called with mu held.
func (q *Queue) spoolable(e *entry) bool {
	return !e.spooled() && q.store.fits(blocksOf(e.id, e.event.id, e.size))
}

// removing says whether removals wait and can be written.
func (q *Queue) removing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.removals) > 0 && !q.health.detached
}

// writing is an entry on its way to disk, with its bytes.
type writing struct {
	e       *entry
	item    Item
	loc     loc
	written bool
}

// commit writes every item that is only in RAM, with one sync, unless e, if
// given, is there already: another's commit may have taken it along. Called
// with disk held.
func (q *Queue) commit(e *entry) {
	q.mu.Lock()
	if !q.canWrite() || (e != nil && (e.gone || e.spooled())) {
		q.mu.Unlock()
		return
	}
	var group []writing
	for _, e := range q.items {
		if q.spoolable(e) {
			group = append(group, writing{e: e, item: e.item(e.meta, e.body)})
		}
	}
	q.mu.Unlock()

	if err := q.writeGroup(group); err != nil {
		q.trouble(err)
	}
}

// writeGroup writes the group's records and syncs them at the end, and before
// room must be made: cleaning wants to know where everything lies.
func (q *Queue) writeGroup(group []writing) error {
	done := 0
	for i := range group {
		w := &group[i]
		if q.isGone(w.e) {
			continue
		}
		n := blocksOf(w.e.id, w.item.Event, w.e.size)
		if !q.store.hasRoom(n) {
			if err := q.finish(group[done:i]); err != nil {
				return err
			}
			done = i
		}
		if err := q.write(w, n); err != nil {
			return errors.Join(err, q.finish(group[done:i]))
		}
	}
	return q.finish(group[done:])
}

// finish syncs what was written and notes where it lies. After an error it is
// unknown what reached the disk: nothing of the group counts then.
func (q *Queue) finish(group []writing) error {
	if err := q.store.sync(); err != nil {
		q.forget(group)
		return errSync{err}
	}
	q.settle(group)
	return nil
}

// forget removes the records of a group that is not to count.
func (q *Queue) forget(group []writing) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range group {
		if w.written {
			q.removals = append(q.removals, w.loc)
		}
	}
}

func (q *Queue) isGone(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.gone
}

// settle notes where a synced group lies and lets go of its bytes. Called with
// disk held.
func (q *Queue) settle(group []writing) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range group {
		w := &group[i]
		switch {
		case !w.written:
		case w.e.gone:
			q.removals = append(q.removals, w.loc)
		default:
			if w.e.spooled() { // moved
				q.removals = append(q.removals, w.e.loc)
			} else {
				w.e.meta, w.e.body = nil, nil
				q.ram -= w.e.size
			}
			w.e.loc = w.loc
			if q.hooks.synced != nil {
				q.hooks.synced(w.e.key, w.loc)
			}
		}
	}
}

// write makes room for n blocks and appends a record. A file system that is
// full stops the segments from growing; the second try goes to one that need
// not. Called with disk held.
func (q *Queue) write(w *writing, n uint32) error {
	for {
		err := q.room(n)
		if err == nil {
			w.loc, err = q.store.append(w.record(), w.item.Body)
			w.written = err == nil
		}
		if err == nil || errors.Is(err, errNoRoom) || diskState(err) != diskFull || q.store.noGrowth {
			return err
		}
		q.store.noGrowth = true
		q.noteFull(err)
	}
}

func (w *writing) record() record {
	return record{
		key: w.e.key, event: w.item.Event, seq: w.e.seq, meta: w.item.Meta,
		putMS: time.Now().Add(-time.Since(w.e.at)).UnixMilli(),
	}
}

// drainRemovals marks in the segments what was removed since, and returns how
// many removals that were. Called with disk held.
func (q *Queue) drainRemovals() int {
	q.mu.Lock()
	removals := q.removals
	q.mu.Unlock()
	for _, l := range removals {
		q.store.mark(l)
	}
	return len(removals)
}

// flush writes the removals to disk; with all, also that of the active
// segment's last record. Called with disk held.
func (q *Queue) flush(all bool) error {
	n := q.drainRemovals()
	if err := q.store.flush(all); err != nil {
		return errSync{err}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.hooks.removed != nil {
		for _, l := range q.removals[:n] {
			q.hooks.removed(l)
		}
	}
	q.removals = append(q.removals[:0:0], q.removals[n:]...)
	return nil
}

// Close ends the queue without Run: it writes everything, syncs, and returns
// what kept it from that. Put fails from now on.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	ok := q.health.state == diskOK
	q.mu.Unlock()
	if q.store == nil {
		return nil
	}
	if !ok {
		q.heal(q.retryAt())
	}
	q.disk.Lock()
	q.commit(nil)
	var err error
	if q.store.attached() {
		err = q.flush(true)
	}
	q.store.detach()
	q.disk.Unlock()

	q.mu.Lock()
	defer q.unlockAndTell()
	q.health.noWrites, q.health.detached = true, true
	left := 0
	for _, e := range q.items {
		if !e.spooled() {
			left++
		}
	}
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("queue: close: %d items could not be written and are lost: %s", left, q.health.text))
	}
	q.log.Info("queue closed", "dir", q.o.Dir, "on_disk", len(q.items)-left, "lost", left)
	return err
}
