package queue

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
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
	Pictures         int           // queued pictures, covers included
	Summaries        int           // queued history messages
	Bytes            int64         // of Meta and Body of everything queued
	RAMBytes         int64         // of that in RAM
	Spooled          int           // items that are on disk
	Oldest           time.Duration // age of the oldest item
	Dropped          uint64        // pictures given up
	Lost             uint64        // of Dropped: unreadable on disk
	SummariesDropped uint64        // history messages given up
	Torn             uint64        // records that a power cut left half written; never safe, not in Dropped
	Quarantined      uint64        // items put aside; in Dropped too
	Disk             string        // "ok", "full", "readonly", "failing"
}

// Queue is a bounded queue of items, safe for concurrent use.
type Queue struct {
	o      Options
	log    *slog.Logger
	wake   chan struct{}
	kick   chan struct{} // to Run: something changed
	onDrop func(event string, n int)
	hooks  hooks

	disk  sync.Mutex // held while segments are written; taken before mu
	store *store     // nil: RAM only

	mu       sync.Mutex // never held during I/O
	byKey    map[key]*entry
	items    []*entry // ascending seq
	events   map[string]*event
	recent   []*event // in order of arrival
	idle     int      // events without items; at most maxEvents
	newest   *event   // of the pictures seen so far
	seq      uint64   // last given: boot counter in the upper 24 bits
	ram      int64    // bytes of meta and body held
	bytes    int64    // of all items
	removals []loc    // not yet on disk
	stats    Stats    // counters only
	health   health   // of the disk
	closed   bool
	pending  []drop // to be told outside the lock

	fullLogged time.Time
}

type drop struct {
	event string
	n     int
}

// hooks let tests know what is on disk for good.
type hooks struct {
	synced  func(k key, l loc) // a record and all before it is safe
	left    func(k key)        // an item left the queue; its record may be found still
	removed func(l loc)        // a record will not be found again
}

// Open opens the queue in o.Dir and recovers what it holds. A folder that
// another process holds or that may not be written is an error; a disk that is
// full, read-only or failing is not: the queue starts in RAM and heals. log
// may be nil.
func Open(o Options, log *slog.Logger) (*Queue, error) { return open(o, log, osFS{}, hooks{}) }

func open(o Options, log *slog.Logger, fsys fileSystem, h hooks) (*Queue, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{
		o:      o,
		log:    log,
		hooks:  h,
		wake:   make(chan struct{}, 1),
		kick:   make(chan struct{}, 1),
		byKey:  map[key]*entry{},
		events: map[string]*event{},
		seq:    1 << seqBits,
		health: health{state: diskOK},
	}
	if o.Dir == "" {
		return q, nil
	}
	q.store = newStore(fsys, o.Dir, o.DiskBytes)
	q.disk.Lock()
	defer q.disk.Unlock()
	if err := q.attach(); err != nil {
		q.store.detach()
		switch {
		case errors.Is(err, errLocked):
			return nil, fmt.Errorf("queue: open %s: %w: stop the other pirwatch, or give each its own folder", o.Dir, err)
		case configError(err):
			return nil, fmt.Errorf("queue: open %s: %w: the folder must belong to the user that pirwatch runs as", o.Dir, err)
		}
		q.trouble(errSync{err})
	}
	return q, nil
}

// Put queues an item and takes ownership of its bytes, which nobody may change
// after the call. With Spool = always it returns when the item is synced to
// disk, or ErrNotSynced. With on_failure it waits for the disk only while RAM
// is full.
func (q *Queue) Put(it Item) error {
	err := it.check()
	if err == nil {
		err = q.put(it)
	}
	if err != nil {
		return fmt.Errorf("queue: put %s %q: %w", it.Kind, it.ID, err)
	}
	return nil
}

func (q *Queue) put(it Item) error {
	q.mu.Lock()
	e, err := q.insert(it)
	if err != nil {
		q.mu.Unlock()
		return err
	}
	if e.size > q.o.RAMBytes {
		q.dropFull(e)
	}
	always := q.store != nil && q.o.Spool == Always
	write := q.canWrite() && (always || q.ram > q.o.RAMBytes)
	q.fitCount()
	if !write {
		q.fitRAM()
	}
	q.unlockAndTell()
	q.signal()
	q.kickSpooler()
	if write {
		q.disk.Lock()
		q.commit(e)
		q.disk.Unlock()
	}

	q.mu.Lock()
	defer q.unlockAndTell()
	if write {
		q.fitRAM()
	}
	switch {
	case e.dropped:
		return ErrFull
	case always && !e.gone && !e.spooled() && !q.spoolable(e):
		return fmt.Errorf("%w: larger than a segment; a larger disk limit has larger ones, up to 8 MB", ErrNotSynced)
	case always && !e.gone && !e.spooled():
		return fmt.Errorf("%w: the disk is %s: %s", ErrNotSynced, q.health.state, q.health.text)
	}
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

// tell tells OnDrop what was given up. Called without any lock.
func (q *Queue) tell() {
	q.mu.Lock()
	q.unlockAndTell()
}

// Next returns the best item to send and leases it: no other Next returns it
// until Release. Its bytes must not be changed. False: nothing to send now.
func (q *Queue) Next() (Item, bool) {
	for {
		q.mu.Lock()
		e := q.best(q.sendable)
		if e == nil {
			q.mu.Unlock()
			return Item{}, false
		}
		e.leased = true
		if it, ok := q.load(e); ok {
			return it, true
		}
		q.mu.Lock()
		e.leased = false
		q.unlockAndTell()
	}
}

// sendable says whether Next may return an entry. Called with mu held.
func (q *Queue) sendable(e *entry) bool {
	return !e.leased && e.aside == "" && (!e.spooled() || q.health.state != diskFailing)
}

// load returns an entry's item, from disk if it is there. Called with mu held,
// which it gives up. False: it is gone, or cannot be read now.
func (q *Queue) load(e *entry) (Item, bool) {
	for {
		it, l := e.item(e.meta, e.body), e.loc
		if e.gone || !e.spooled() {
			gone := e.gone
			q.mu.Unlock()
			return it, !gone
		}
		q.mu.Unlock()
		var err error
		it.Meta, it.Body, err = q.store.read(l, e.key, it.Event, e.size)
		if err == nil {
			return it, true
		}
		q.mu.Lock()
		if e.loc == l { // else it was moved meanwhile
			if !e.gone {
				q.unreadable(e, err)
			}
			q.mu.Unlock()
			return Item{}, false
		}
	}
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

// Find returns the picture or cover with that id, leased or not.
func (q *Queue) Find(id string) (Item, bool) {
	for _, k := range []Kind{Picture, Cover} {
		q.mu.Lock()
		e := q.byKey[key{id, k}]
		if e == nil {
			q.mu.Unlock()
			continue
		}
		it, ok := q.load(e)
		q.tell()
		if ok {
			return it, true
		}
	}
	return Item{}, false
}

// Wake receives after something became available to Next.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

func (q *Queue) signal()      { poke(q.wake) }
func (q *Queue) kickSpooler() { poke(q.kick) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
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
	s.Bytes, s.RAMBytes, s.Disk = q.bytes, q.ram, q.health.state
	for _, e := range q.items {
		if e.kind == Summary {
			s.Summaries++
		} else {
			s.Pictures++
		}
		if e.spooled() {
			s.Spooled++
		}
	}
	if len(q.items) > 0 {
		s.Oldest = time.Since(q.items[0].at)
	}
	return s
}

// OnDrop sets the function that is told of given-up pictures: outside all
// locks; it may call the queue.
func (q *Queue) OnDrop(f func(event string, n int)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.onDrop = f
}
