package publish

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"pirwatch/publish/queue"
)

// Picture is one frame of an event. The Publisher takes the JPEG's bytes.
type Picture struct {
	PicID, EventID string
	Seq            int
	Taken          time.Time   // carries a monotonic reading
	Box            *[4]float64 // main moving thing: x, y, width, height in fractions
	JPEG           []byte
	Cover          bool // goes before other pictures, as an event's first does
}

// Event is what is told of an event. Times carry a monotonic reading.
type Event struct {
	ID                 string
	StartedAt, EndedAt time.Time
	Trigger            string   // pir, frames, pir+frames, manual
	Score              *float64 // largest changed fraction; nil where no frames were compared
	Suppressed         int      // triggers swallowed since the event before
	Cover              string   // pic_id
	CoverWhy           string   // why this one
}

const (
	maxRecords = 256 // events whose counts are kept
	maxPicIDs  = 100 // named in a summary
)

// record is the bookkeeping of one event.
type record struct {
	id              string
	start, end      stamp
	trigger         string
	score           *float64
	suppressed      int
	cover, coverWhy string
	scaled          bool
	closed          bool

	frames, published, dropped int
	ids                        []string // the first maxPicIDs
	more                       int

	recovered bool   // known only from pictures that an earlier run left: no summary exists
	marker    bool   // the queue holds, leased, that its summary was sent
	told      [3]int // counts of the last_event published last
}

func (r *record) queued() int { return max(0, r.frames-r.published-r.dropped) }

// settled tells whether nothing of a closed event will change any more.
func (r *record) settled() bool { return r.closed && r.queued() == 0 }

// book keeps the last records. Guarded by Publisher.mu.
type book struct {
	byID   map[string]*record
	order  []*record
	newest *record // whose summary is last_event
}

func newBook() book { return book{byID: map[string]*record{}} }

func (b *book) add(r *record) *record {
	b.byID[r.id] = r
	b.order = append(b.order, r)
	if len(b.order) > maxRecords {
		i := slices.IndexFunc(b.order, func(r *record) bool { return r.settled() && r != b.newest })
		i = max(i, 0)
		delete(b.byID, b.order[i].id)
		b.order = slices.Delete(b.order, i, i+1)
	}
	return r
}

// summary is last_event and history on the wire.
type summary struct {
	Phase       string   `json:"phase"`
	EventID     string   `json:"event_id"`
	StartedAt   string   `json:"started_at"`
	EndedAt     *string  `json:"ended_at"`
	DurationS   float64  `json:"duration_s"`
	Trigger     string   `json:"trigger"`
	Score       *float64 `json:"score"`
	Frames      int      `json:"frames"`
	Published   int      `json:"published"`
	Queued      int      `json:"queued"`
	Dropped     int      `json:"dropped"`
	Suppressed  int      `json:"suppressed"`
	Cover       string   `json:"cover"`
	CoverWhy    string   `json:"cover_why,omitempty"`
	CoverScaled bool     `json:"cover_scaled"`
	PicIDs      []string `json:"pic_ids"`
	PicIDsMore  int      `json:"pic_ids_more,omitempty"`
	Clock       string   `json:"clock"`
}

// summaryOf returns the JSON summary of a record. Called with mu held.
func (p *Publisher) summaryOf(r *record) []byte {
	out, _ := json.Marshal(p.summarize(r)) // plain fields marshal
	return out
}

func (p *Publisher) summarize(r *record) summary {
	start, synced := p.date(r.start)
	s := summary{Phase: "open", EventID: r.id, StartedAt: wireTime(start), Trigger: r.trigger, Score: roundScore(r.score),
		Frames: r.frames, Published: r.published, Queued: r.queued(), Dropped: r.dropped, Suppressed: r.suppressed,
		Cover: r.cover, CoverWhy: r.coverWhy, CoverScaled: r.scaled, PicIDs: r.ids, PicIDsMore: r.more, Clock: "synced"}
	if s.PicIDs == nil {
		s.PicIDs = []string{}
	}
	if !synced {
		s.Clock = "unsynced"
	}
	if r.closed {
		end, _ := p.date(r.end)
		text := wireTime(end)
		s.Phase, s.EndedAt = "closed", &text
		s.DurationS = math.Round(max(0, end.Sub(start).Seconds())*1000) / 1000
	}
	return s
}

// tell publishes last_event anew where the newest event has changed. Called
// with mu held.
func (p *Publisher) tell(r *record, always bool) {
	counts := [3]int{r.published, r.queued(), r.dropped}
	if r != p.book.newest || !always && (!r.closed || counts == r.told) {
		return
	}
	r.told = counts
	p.out.set(p.message("last_event", p.summaryOf(r), true))
}

// Open begins an event: last_event is published with phase open.
func (p *Publisher) Open(e Event) {
	p.mu.Lock()
	r := p.record(e.ID)
	p.fill(r, e)
	p.book.newest, p.began = r, true
	p.tell(r, true)
	p.mu.Unlock()
	p.wakeUp()
}

// record finds or makes the record of an event. Called with mu held.
func (p *Publisher) record(id string) *record {
	if r := p.book.byID[id]; r != nil {
		return r
	}
	return p.book.add(&record{id: id, start: p.stampOf(time.Now())})
}

func (p *Publisher) fill(r *record, e Event) {
	if !e.StartedAt.IsZero() {
		r.start = p.stampOf(e.StartedAt)
	}
	r.trigger, r.score, r.suppressed, r.cover, r.coverWhy = e.Trigger, e.Score, e.Suppressed, e.Cover, e.CoverWhy
}

// pictureMeta goes with a picture into the queue.
type pictureMeta struct {
	Run     string      `json:"run"`
	Seq     int         `json:"seq"`
	Taken   stamp       `json:"taken"`
	Box     *[4]float64 `json:"box,omitempty"`
	Start   stamp       `json:"start"` // of its event
	Trigger string      `json:"trigger,omitempty"`
}

// Picture queues a picture for delivery.
func (p *Publisher) Picture(pic Picture) {
	p.mu.Lock()
	r := p.record(pic.EventID)
	kind := queue.Picture
	if pic.Cover || r.frames == 0 {
		kind = queue.Cover
	}
	r.frames++
	if len(r.ids) < maxPicIDs {
		r.ids = append(r.ids, pic.PicID)
	} else {
		r.more++
	}
	meta, _ := json.Marshal(pictureMeta{Run: p.run, Seq: pic.Seq, Taken: p.stampOf(pic.Taken), Box: pic.Box, Start: r.start, Trigger: r.trigger})
	p.fresh = true
	p.mu.Unlock()

	err := p.q.Put(queue.Item{ID: pic.PicID, Event: pic.EventID, Kind: kind, Meta: meta, Body: pic.JPEG})
	switch {
	case err == nil, errors.Is(err, queue.ErrFull), errors.Is(err, queue.ErrNotSynced):
		// dropped counts what was given up, this one included
	default:
		p.log.Error("picture not queued", "pic_id", pic.PicID, "error", err)
		p.dropped(pic.EventID, 1)
	}
	p.wakeUp()
}

// dropped counts pictures that were given up.
func (p *Publisher) dropped(event string, n int) {
	p.mu.Lock()
	if r := p.book.byID[event]; r != nil {
		r.dropped += n
		p.tell(r, false)
	}
	p.mu.Unlock()
	p.wakeUp()
}

// Close ends an event: last_event is published with phase closed, and the
// summary goes to history, late if need be.
func (p *Publisher) Close(e Event) {
	p.mu.Lock()
	r := p.record(e.ID)
	p.fill(r, e)
	r.end, r.closed = p.stampOf(e.EndedAt), true
	if e.EndedAt.IsZero() {
		r.end = p.stampOf(time.Now())
	}
	p.tell(r, true)
	text := p.summaryOf(r)
	p.mu.Unlock()
	p.saveSummary(r, false)
	if p.o.OnSummary != nil {
		p.o.OnSummary(e.ID, e.StartedAt, text)
	}
	p.wakeUp()
}
