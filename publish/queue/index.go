package queue

import (
	"cmp"
	"slices"
	"time"
)

type key struct {
	id   string
	kind Kind
}

// entry is one queued item. All fields are guarded by Queue.mu; the bytes of
// meta and body never change.
type entry struct {
	key
	event      *event
	seq        uint64    // order of Put, over restarts too
	at         time.Time // of Put; monotonic, or Open less the age told by the record
	size       int64     // of meta and body together
	meta, body []byte    // nil once on disk
	loc        loc       // on disk, if blocks is not 0
	leased     bool
	aside      string // why it waits for its quarantine, or ""
	failures   uint8  // reads that failed while the disk was otherwise well
	gone       bool   // removed; the spooler may still hold it
	dropped    bool   // gone because given up
}

func (e *entry) spooled() bool { return e.loc.blocks != 0 }

func (e *entry) item(meta, body []byte) Item {
	return Item{ID: e.id, Event: e.event.id, Kind: e.kind, Meta: meta, Body: body}
}

// event is what is known of an event while it has items, and of the last
// maxEvents after that.
type event struct {
	id       string
	order    uint64 // seq of its first item
	items    int
	pictures int // of items: pictures and covers
	dropped  int
}

// maxEvents bounds the memory of events that have nothing queued.
const maxEvents = 256

// insert adds a new item. Called with mu held.
func (q *Queue) insert(it Item) (*entry, error) {
	k := key{it.ID, it.Kind}
	switch {
	case q.closed:
		return nil, ErrClosed
	case q.byKey[k] != nil:
		return nil, ErrExists
	}
	q.seq++
	e := &entry{key: k, seq: q.seq, at: time.Now(), meta: it.Meta, body: it.Body, size: int64(len(it.Meta) + len(it.Body))}
	e.event = q.eventOf(it.Event, e.seq, it.Kind)
	q.byKey[k] = e
	q.items = append(q.items, e)
	q.ram += e.size
	q.bytes += e.size
	return e, nil
}

// insertFound adds recovered items, none of which is known. Called with mu held.
func (q *Queue) insertFound(records []found) {
	slices.SortFunc(records, func(a, b found) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range records {
		e := &entry{key: r.key, seq: r.seq, at: time.Now().Add(-age(r.putMS)), size: r.size, loc: r.loc}
		e.event = q.eventOf(r.event, e.seq, e.kind)
		q.byKey[e.key] = e
		q.items = append(q.items, e)
		q.bytes += e.size
	}
	slices.SortStableFunc(q.items, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
}

func bySeq(e *entry, seq uint64) int { return cmp.Compare(e.seq, seq) }

// eventOf finds or makes the event of a new item, and counts it in. Called with
// mu held.
func (q *Queue) eventOf(id string, seq uint64, k Kind) *event {
	ev := q.events[id]
	if ev == nil {
		ev = &event{id: id, order: seq}
		q.events[id] = ev
		q.recent = append(q.recent, ev)
		q.idle++
	}
	if ev.items == 0 {
		q.idle--
	}
	ev.items++
	if k != Summary {
		ev.pictures++
		if q.newest == nil || ev.order > q.newest.order {
			q.newest = ev
		}
	}
	return ev
}

// leave takes a removed item out of its event, and forgets the oldest idle
// event beyond maxEvents. Called with mu held.
func (q *Queue) leave(e *entry) {
	if e.kind != Summary {
		e.event.pictures--
	}
	if e.event.items--; e.event.items > 0 {
		return
	}
	if q.idle++; q.idle <= maxEvents {
		return
	}
	for i, ev := range q.recent {
		if ev.items == 0 && ev != q.newest && ev != e.event {
			delete(q.events, ev.id)
			q.recent = slices.Delete(q.recent, i, i+1)
			q.idle--
			return
		}
	}
}

// remove takes an entry out. Called with mu held.
func (q *Queue) remove(e *entry) {
	e.gone = true
	delete(q.byKey, e.key)
	i, _ := slices.BinarySearchFunc(q.items, e.seq, bySeq)
	for q.items[i] != e {
		i++
	}
	q.items = slices.Delete(q.items, i, i+1)
	q.leave(e)
	q.bytes -= e.size
	if q.hooks.left != nil {
		q.hooks.left(e.key)
	}
	if e.spooled() {
		q.removals = append(q.removals, e.loc)
		q.kickSpooler()
	} else {
		q.ram -= e.size
		e.meta, e.body = nil, nil
	}
}

// drop gives an entry up and counts it. Called with mu held.
func (q *Queue) drop(e *entry) {
	q.remove(e)
	e.dropped = true
	if e.kind == Summary {
		q.stats.SummariesDropped++
	} else {
		q.stats.Dropped++
		e.event.dropped++
		q.pending = append(q.pending, drop{e.event.id, 1})
	}
}

// fitCount gives up items until their number is within its bound. Called with
// mu held.
func (q *Queue) fitCount() {
	for len(q.items) > q.o.MaxItems {
		v := q.victim(func(e *entry) bool { return !e.leased })
		if v == nil {
			return
		}
		q.dropFull(v)
	}
}

// fitRAM gives up items in RAM until that is within its bound; not those that
// a commit is about to take to disk. Called with mu held.
func (q *Queue) fitRAM() {
	for q.ram > q.o.RAMBytes {
		v := q.victim(func(e *entry) bool {
			return !e.leased && !e.spooled() && !(q.canWrite() && q.spoolable(e))
		})
		if v == nil {
			return
		}
		q.dropFull(v)
	}
}

// dropFull drops an entry because there is no room. Called with mu held.
func (q *Queue) dropFull(e *entry) {
	q.drop(e)
	if q.muted(&q.fullLogged) {
		return
	}
	q.log.Warn("queue full: oldest pictures given up", "pic_id", e.id, "event_id", e.event.id,
		"dropped", q.stats.Dropped, "queued", len(q.items), "bytes", q.bytes)
}

// muted says whether a line was logged within the last minute, and notes it
// otherwise. Called with mu held.
func (q *Queue) muted(last *time.Time) bool {
	if !last.IsZero() && time.Since(*last) < time.Minute {
		return true
	}
	*last = time.Now()
	return false
}
