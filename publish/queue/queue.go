package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Kind says what an item is; the values are stored on disk.
type Kind uint8

const (
	Summary Kind = 1 // a history message: Meta only
	Cover   Kind = 2 // the first or cover picture of an event
	Picture Kind = 3 // a burst frame
)

func (k Kind) String() string {
	switch k {
	case Summary:
		return "summary"
	case Cover:
		return "cover"
	case Picture:
		return "picture"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Limits of one item.
const (
	MaxID   = 128  // bytes of Item.ID and of Item.Event
	MaxMeta = 4096 // bytes of Item.Meta
)

// Item is one thing to deliver. ID and Kind together name it.
type Item struct {
	ID    string // pic_id, or the event's id for a Summary; 1 … MaxID bytes
	Event string // event_id; at most MaxID bytes
	Kind  Kind
	Meta  []byte // opaque, at most MaxMeta bytes
	Body  []byte // JPEG; nil for a Summary
}

// Errors of Put, to be told apart with errors.Is.
var (
	// ErrFull: the queue was full and this item was the one to give up. It has
	// been counted and told to OnDrop.
	ErrFull = errors.New("queue full")
	// ErrNotSynced: the item is queued in RAM but, against Spool = always, not
	// yet on disk. It goes there when the disk heals.
	ErrNotSynced = errors.New("queued in RAM only")
	// ErrExists: an item of that ID and Kind is queued already.
	ErrExists = errors.New("already queued")
	// ErrClosed: Run or Close has ended the queue.
	ErrClosed = errors.New("queue closed")
)

// Values of Options.Spool.
const (
	OnFailure = "on_failure"
	Always    = "always"
)

// Options of a queue. Zero values mean the defaults named.
type Options struct {
	Dir       string        // folder of the durable part; "" = RAM only
	RAMBytes  int64         // most bytes of Meta and Body held in RAM; 16 MB
	DiskBytes int64         // most bytes of segment files; 256 MB, at least 1 MB
	MaxItems  int           // most items, on disk and in RAM together; 16384
	Spool     string        // OnFailure (default) or Always
	Deadline  time.Duration // unacknowledged for so long: written to disk; 2 s
}

func (o *Options) check() error {
	o.RAMBytes = cmp.Or(o.RAMBytes, 16<<20)
	o.DiskBytes = cmp.Or(o.DiskBytes, 256<<20)
	o.MaxItems = cmp.Or(o.MaxItems, 16384)
	o.Spool = cmp.Or(o.Spool, OnFailure)
	o.Deadline = cmp.Or(o.Deadline, 2*time.Second)
	switch {
	case o.Spool != OnFailure && o.Spool != Always:
		return fmt.Errorf("queue: spool %q: must be %q or %q", o.Spool, OnFailure, Always)
	case o.RAMBytes < 0 || o.MaxItems < 0 || o.Deadline < 0:
		return errors.New("queue: limits and the deadline must not be negative")
	case o.DiskBytes < 1<<20:
		return fmt.Errorf("queue: disk limit %d: must be at least 1 MB", o.DiskBytes)
	}
	return nil
}

// Stats is a snapshot of the queue's state; counters count since Open.
type Stats struct {
	Pictures    int           // queued pictures, covers included
	Summaries   int           // queued history messages
	Bytes       int64         // of Meta and Body of everything queued
	RAMBytes    int64         // of that in RAM
	Spooled     int           // items that are on disk
	Oldest      time.Duration // age of the oldest item
	Dropped     uint64        // pictures given up
	Lost        uint64        // of Dropped: unreadable on disk
	Summaryless uint64        // history messages given up
	Quarantined uint64        // items put aside
	Disk        string        // "ok", "full", "readonly", "failing"
}

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
	leased     bool
	gone       bool // removed; the spooler may still hold it
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

// Queue is a bounded queue of items, safe for concurrent use.
type Queue struct {
	o      Options
	log    *slog.Logger
	wake   chan struct{}
	onDrop func(event string, n int)

	mu      sync.Mutex
	byKey   map[key]*entry
	items   []*entry // ascending seq
	events  map[string]*event
	recent  []*event // in order of arrival
	idle    int      // events without items; at most maxEvents
	newest  *event   // of the pictures seen so far
	seq     uint64   // last given
	ram     int64    // bytes of meta and body held
	bytes   int64    // of all items
	stats   Stats    // counters only
	closed  bool
	pending []drop // to be told outside the lock
}

type drop struct {
	event string
	n     int
}

// Open opens the queue in o.Dir and recovers what it holds. log may be nil.
func Open(o Options, log *slog.Logger) (*Queue, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Queue{
		o:      o,
		log:    log,
		wake:   make(chan struct{}, 1),
		byKey:  map[key]*entry{},
		events: map[string]*event{},
	}, nil
}

// Put queues an item and takes ownership of its bytes, which nobody may change
// after the call.
func (q *Queue) Put(it Item) error {
	if err := it.check(); err != nil {
		return fmt.Errorf("queue: put %s %q: %w", it.Kind, it.ID, err)
	}
	q.mu.Lock()
	e, err := q.insert(it, 0, time.Now())
	if err == nil && e.size > q.o.RAMBytes {
		q.drop(e)
		err = ErrFull
	} else if err == nil {
		q.fitRAM()
		if e.gone {
			err = ErrFull
		}
	}
	q.unlockAndTell()
	if err != nil {
		return fmt.Errorf("queue: put %s %q: %w", it.Kind, it.ID, err)
	}
	q.signal()
	return nil
}

func (it *Item) check() error {
	switch {
	case it.Kind < Summary || it.Kind > Picture:
		return errors.New("unknown kind")
	case it.ID == "" || len(it.ID) > MaxID || len(it.Event) > MaxID:
		return fmt.Errorf("the id must have 1 to %d bytes, the event's at most as many", MaxID)
	case len(it.Meta) > MaxMeta:
		return fmt.Errorf("%d bytes of metadata; at most %d", len(it.Meta), MaxMeta)
	}
	return nil
}

// insert adds an item; seq 0 means the next one. Called with mu held.
func (q *Queue) insert(it Item, seq uint64, at time.Time) (*entry, error) {
	k := key{it.ID, it.Kind}
	switch {
	case q.closed:
		return nil, ErrClosed
	case q.byKey[k] != nil:
		return nil, ErrExists
	}
	if seq == 0 {
		q.seq++
		seq = q.seq
	}
	e := &entry{key: k, seq: seq, at: at, meta: it.Meta, body: it.Body, size: int64(len(it.Meta) + len(it.Body))}
	e.event = q.eventOf(it.Event, seq, it.Kind)
	q.byKey[k] = e
	i, _ := slices.BinarySearchFunc(q.items, seq, bySeq)
	q.items = slices.Insert(q.items, i, e)
	q.ram += e.size
	q.bytes += e.size
	return e, nil
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
		if ev.items == 0 && ev != q.newest {
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
	if i, ok := slices.BinarySearchFunc(q.items, e.seq, bySeq); ok {
		q.items = slices.Delete(q.items, i, i+1)
	}
	q.leave(e)
	q.ram -= e.size
	q.bytes -= e.size
	e.meta, e.body = nil, nil
}

// drop gives an entry up and counts it. Called with mu held.
func (q *Queue) drop(e *entry) {
	q.remove(e)
	if e.kind == Summary {
		q.stats.Summaryless++
		return
	}
	q.stats.Dropped++
	e.event.dropped++
	q.pending = append(q.pending, drop{e.event.id, 1})
}

// fitRAM gives up items until the bounds hold. Called with mu held.
func (q *Queue) fitRAM() {
	for q.ram > q.o.RAMBytes || len(q.items) > q.o.MaxItems {
		v := q.victim(func(e *entry) bool { return !e.leased })
		if v == nil {
			return
		}
		q.drop(v)
	}
}

// unlockAndTell unlocks mu and then tells OnDrop what was given up.
func (q *Queue) unlockAndTell() {
	told, f := q.pending, q.onDrop
	q.pending = nil
	q.mu.Unlock()
	if f == nil {
		return
	}
	for _, d := range told {
		f(d.event, d.n)
	}
}

// Next returns the best item to send and leases it: no other Next returns it
// until Release. Its bytes must not be changed. False: nothing to send now.
func (q *Queue) Next() (Item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.best(func(e *entry) bool { return !e.leased })
	if e == nil {
		return Item{}, false
	}
	e.leased = true
	return Item{ID: e.id, Event: e.event.id, Kind: e.kind, Meta: e.meta, Body: e.body}, true
}

// Done removes an item that was delivered. An unknown one is no error: it may
// have been dropped while in flight.
func (q *Queue) Done(id string, k Kind) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.byKey[key{id, k}]; e != nil {
		q.remove(e)
	}
}

// Release gives a lease back: the item is for Next again.
func (q *Queue) Release(id string, k Kind) {
	q.mu.Lock()
	if e := q.byKey[key{id, k}]; e != nil {
		e.leased = false
	}
	q.mu.Unlock()
	q.signal()
}

// Quarantine puts an item aside for good.
func (q *Queue) Quarantine(id string, k Kind, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.byKey[key{id, k}]; e != nil {
		q.stats.Quarantined++
		q.remove(e)
		q.log.Error("picture put aside", "pic", id, "kind", k, "reason", reason)
	}
}

// Find returns the picture or cover with that id, leased or not.
func (q *Queue) Find(id string) (Item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range []Kind{Picture, Cover} {
		if e := q.byKey[key{id, k}]; e != nil {
			return Item{ID: e.id, Event: e.event.id, Kind: e.kind, Meta: e.meta, Body: e.body}, true
		}
	}
	return Item{}, false
}

// Wake receives after something became available to Next.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Dropped tells how many pictures of an event were given up since Open, among
// the last 256 events and those with something queued.
func (q *Queue) Dropped(event string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ev := q.events[event]; ev != nil {
		return ev.dropped
	}
	return 0
}

// Queued tells how many pictures of an event are queued, covers included.
func (q *Queue) Queued(event string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ev := q.events[event]; ev != nil {
		return ev.pictures
	}
	return 0
}

// Stats returns a snapshot.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Bytes, s.RAMBytes, s.Disk = q.bytes, q.ram, "ok"
	for _, e := range q.items {
		if e.kind == Summary {
			s.Summaries++
		} else {
			s.Pictures++
		}
	}
	if len(q.items) > 0 {
		s.Oldest = time.Since(q.items[0].at)
	}
	return s
}

// OnDrop sets the function that is told of given-up pictures: outside all
// locks, on the goroutine that caused it; it may call the queue. To be set
// before the queue is shared.
func (q *Queue) OnDrop(f func(event string, n int)) { q.onDrop = f }

// Run is the spooler. It returns when ctx ends.
func (q *Queue) Run(ctx context.Context) error {
	<-ctx.Done()
	return q.Close()
}

// Close ends the queue without Run: Put fails from now on.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return nil
}
