package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"pirwatch/publish/queue"
)

// ArchivedEvent is what an archive has of one event.
type ArchivedEvent struct {
	ID        string
	StartedAt time.Time
	Summary   []byte   // JSON; nil for an event during which the camera was killed
	PicIDs    []string // of the pictures kept, in order
}

// recallCommand asks which events there were. A broker that loses its store
// loses what it had acknowledged; who finds its session gone, or has been away,
// asks, and then asks for the pictures that it lacks.
type recallCommand struct {
	LastS float64 `json:"last_s"` // back to so many seconds ago
	Next  string  `json:"next"`   // where the page before ended
	ID    string  `json:"id"`     // the asker's, given back
}

// recallResult is one page of the answer, newest event first.
type recallResult struct {
	ID     string            `json:"id,omitempty"`
	OK     bool              `json:"ok"`
	Reason string            `json:"reason,omitempty"`
	Events []json.RawMessage `json:"events,omitempty"`
	Next   string            `json:"next,omitempty"` // of the next page; none after the last
}

const (
	maxRecalls    = 8                      // that wait to be answered
	maxRecallSize = 1024                   // bytes of a command
	recallEvery   = 500 * time.Millisecond // between two pages
	pageEvents    = 50
	pageBytes     = 16 << 10 // what goes before motion ON on a slow link
	longestRecall = 90 * 24 * time.Hour
	tooFarAhead   = 24 * time.Hour // an event dated later than this is not looked for
)

// recall takes a recall command from the link.
func (p *Publisher) recall(payload []byte, retained bool) {
	var c recallCommand
	switch {
	case retained:
		p.log.Warn("retained recall command refused: clear it at the broker")
		return
	case len(payload) > maxRecallSize || json.Unmarshal(payload, &c) != nil || !(c.LastS > 0) || len(c.ID) > 128:
		p.log.Warn(`recall command refused: must be {"last_s":…,"id":"…"}`, "bytes", len(payload))
		return
	}
	select {
	case p.recalls <- c:
	default:
		p.answerRecall(recallResult{ID: c.ID, Reason: "busy"})
	}
}

// readArchive does what may wait for the disk, apart from the link and from
// sending: it answers recalls, a page at a time, and restores.
func (p *Publisher) readArchive(ctx context.Context) {
	for {
		select {
		case c := <-p.recalls:
			p.answerRecall(p.page(c, time.Now()))
		case <-p.restores:
			p.restore()
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(recallEvery):
		case <-ctx.Done():
			return
		}
	}
}

func (p *Publisher) answerRecall(r recallResult) {
	payload, _ := json.Marshal(r) // plain fields and valid JSON marshal
	m := p.message("recall/result", payload, false)
	m.born = time.Now()
	p.mu.Lock()
	p.out.add(m)
	p.mu.Unlock()
	p.wakeUp()
}

// page collects the newest closed events, of the archive and of this run, from
// where the page before ended.
func (p *Publisher) page(c recallCommand, now time.Time) recallResult {
	r := recallResult{ID: c.ID, OK: true}
	from := now.Add(-min(longestRecall, time.Duration(min(c.LastS, 1e9)*float64(time.Second))) - p.o.LongestEvent)
	to := now.Add(tooFarAhead)
	at, last, _ := strings.Cut(c.Next, " ")
	if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
		to = time.UnixMilli(ms + 1)
	}
	events := p.known(from, to)
	more := len(events) > pageEvents
	if i := slices.IndexFunc(events, func(e ArchivedEvent) bool { return e.ID == last }); i >= 0 {
		events = events[i+1:]
	}
	most := pageBytes
	if p.o.Limits.Packet > 0 {
		most = min(most, p.o.Limits.Packet-pieceOverhead)
	}
	size := 0
	for _, e := range events {
		text, ok := p.tellAgain(e)
		if n := len(r.Events); ok && n > 0 && (n == pageEvents || size+len(text) > most) {
			return r
		}
		r.Next = fmt.Sprintf("%d %s", e.StartedAt.UnixMilli(), e.ID)
		if ok && len(text) <= most {
			r.Events = append(r.Events, text)
			size += len(text) + 1
		}
	}
	if !more {
		r.Next = ""
	}
	return r
}

// known lists events that started in [from, to), newest first, a few more than
// fit a page: those of the archive, and of this run what is not in it.
func (p *Publisher) known(from, to time.Time) []ArchivedEvent {
	var events []ArchivedEvent
	if p.o.Archived != nil {
		events = p.o.Archived(from, to, pageEvents+1)
	}
	archived := map[string]bool{}
	for _, e := range events {
		archived[e.ID] = true
	}
	p.mu.Lock()
	for _, r := range p.book.order {
		if start, _ := p.date(r.start); (r.closed || r.recovered) && !archived[r.id] && !start.Before(from) && start.Before(to) {
			events = append(events, ArchivedEvent{ID: r.id, StartedAt: start, PicIDs: r.ids})
		}
	}
	p.mu.Unlock()
	slices.SortStableFunc(events, func(a, b ArchivedEvent) int { return b.StartedAt.Compare(a.StartedAt) })
	return events
}

// tellAgain returns the summary of an event as it is now. It names every picture
// that can be had, also of an event that an earlier run left open. False: the
// event is open in this run, or the archive's summary makes no sense.
func (p *Publisher) tellAgain(e ArchivedEvent) (text []byte, ok bool) {
	if e.ID == "" || len(e.ID) > queue.MaxID {
		return nil, false
	}
	queued, dropped := p.q.Queued(e.ID), p.q.Dropped(e.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	var s summary
	switch r := p.book.byID[e.ID]; {
	case r != nil && !r.closed && !r.recovered:
		return nil, false
	case r != nil && r.closed:
		s = p.summarize(r)
	case e.Summary == nil: // the camera was killed
		s = summary{Phase: "closed", EventID: e.ID, StartedAt: wireTime(e.StartedAt), Queued: queued, Dropped: dropped, Clock: "synced"}
	default:
		if json.Unmarshal(e.Summary, &s) != nil || s.EventID != e.ID || s.Phase != "closed" {
			return nil, false
		}
		s.Queued, s.Published = queued, max(0, s.Frames-s.Dropped-queued)
	}
	ids := slices.Clone(s.PicIDs)
	for _, id := range e.PicIDs {
		if !slices.Contains(ids, id) && len(ids) < maxPicIDs {
			ids = append(ids, id)
		}
	}
	if s.PicIDs = ids; ids == nil {
		s.PicIDs = []string{}
	}
	if s.Frames < len(ids) {
		s.Frames = len(ids)
		s.Published = max(0, s.Frames-s.Queued-s.Dropped)
	}
	text, err := json.Marshal(s)
	return text, err == nil
}
