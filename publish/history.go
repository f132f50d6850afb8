package publish

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// savedEvent is a record in the queue's metadata.
type savedEvent struct {
	Run        string   `json:"run"`
	ID         string   `json:"id"`
	Start      stamp    `json:"start"`
	End        stamp    `json:"end"`
	Trigger    string   `json:"trigger,omitempty"`
	Score      *float64 `json:"score,omitempty"`
	Suppressed int      `json:"suppressed,omitempty"`
	Cover      string   `json:"cover,omitempty"`
	CoverWhy   string   `json:"why,omitempty"`
	Scaled     bool     `json:"scaled,omitempty"`
	Frames     int      `json:"frames"`
	Published  int      `json:"published"`
	Dropped    int      `json:"dropped,omitempty"`
	IDs        []string `json:"ids,omitempty"` // "-03" where the rest is the event's id
	More       int      `json:"more,omitempty"`
	Online     bool     `json:"online,omitempty"` // there was a link at that time
	Sent       bool     `json:"sent,omitempty"`   // history has it; pictures are still queued
}

// sentSuffix marks the queue's note that a summary was sent while pictures of
// its event were still queued. It tells a later run that the event is closed.
const sentSuffix = "~sent"

// saveSummary queues a summary, or the note that it was sent.
func (p *Publisher) saveSummary(r *record, sent bool) {
	p.mu.Lock()
	s := savedEvent{Run: p.run, ID: r.id, Start: r.start, End: r.end, Trigger: r.trigger, Score: r.score, Suppressed: r.suppressed,
		Cover: r.cover, CoverWhy: r.coverWhy, Scaled: r.scaled, Frames: r.frames, Published: r.published, Dropped: r.dropped,
		More: r.more, Online: p.online, Sent: sent}
	for _, id := range r.ids {
		s.IDs = append(s.IDs, strings.TrimPrefix(id, r.id))
	}
	p.mu.Unlock()
	meta, _ := json.Marshal(s)
	for len(meta) > queue.MaxMeta && len(s.IDs) > 0 { // ids of another make than ours
		half := (len(s.IDs) + 1) / 2
		s.More += half
		s.IDs = s.IDs[:len(s.IDs)-half]
		meta, _ = json.Marshal(s)
	}
	id := r.id
	if sent {
		id += sentSuffix
	}
	err := p.q.Put(queue.Item{ID: id, Event: r.id, Kind: queue.Summary, Meta: meta})
	if err != nil && !errors.Is(err, queue.ErrNotSynced) {
		p.log.Error("summary not queued", "event_id", r.id, "error", err)
	}
}

// loadSummary returns the record that a Summary item is about: the one in
// memory, or one made from what an earlier run left.
func (p *Publisher) loadSummary(it queue.Item) (r *record, sent bool, err error) {
	var s savedEvent
	if err := json.Unmarshal(it.Meta, &s); err != nil {
		return nil, false, err
	}
	queued, dropped := p.q.Queued(it.Event), p.q.Dropped(it.Event)
	p.mu.Lock()
	defer p.mu.Unlock()
	r = p.book.byID[s.ID]
	if r == nil {
		r = p.book.add(&record{id: s.ID, recovered: true})
	}
	if !r.recovered {
		return r, s.Sent, nil
	}
	delivered := r.published // by this run, before it saw the summary
	*r = record{id: s.ID, start: s.Start, end: s.End, trigger: s.Trigger, score: s.Score, suppressed: s.Suppressed,
		cover: s.Cover, coverWhy: s.CoverWhy, scaled: s.Scaled, closed: true,
		frames: s.Frames, published: s.Published + delivered, dropped: s.Dropped + dropped, more: s.More}
	for _, id := range s.IDs {
		if strings.HasPrefix(id, "-") {
			id = s.ID + id
		}
		r.ids = append(r.ids, id)
	}
	// What became of the others between then and now nobody wrote down. With a link
	// they were delivered; without one the full queue gave them up.
	if lost := r.queued() - queued; lost > 0 && (s.Online || s.Sent) {
		r.published += lost
	} else if lost > 0 {
		r.dropped += lost
	}
	p.takeUp(r)
	return r, s.Sent, nil
}

// takeUp makes an earlier run's event the one that last_event is about, if the
// broker still says so. Called with mu held.
func (p *Publisher) takeUp(r *record) {
	if p.book.newest == nil && r.id == p.retained {
		p.book.newest = r
		p.tell(r, true)
	}
}

// adopt reads the last_event that an earlier run left at the broker, once. One
// that is still open was cut short: it is closed when its pictures are out.
func (p *Publisher) adopt(m mqtt.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heard == nil {
		return
	}
	close(p.heard)
	p.heard = nil
	defer p.wakeUp()
	var s summary
	if err := json.Unmarshal(m.Payload, &s); err != nil || !m.Retained || s.EventID == "" || len(s.EventID) > queue.MaxID || p.book.newest != nil {
		return
	}
	p.retained = s.EventID
	r := p.book.byID[s.EventID]
	if r == nil && s.Phase == "open" {
		start, err := time.Parse(time.RFC3339Nano, s.StartedAt)
		if err != nil {
			return
		}
		r = p.recover(s.EventID, stamp{Wall: start.UnixMilli(), Synced: s.Clock == "synced"}, s.Trigger)
		r.suppressed = s.Suppressed
	}
	if r != nil {
		p.takeUp(r)
	}
}

// recover makes the record of an event that an earlier run did not close, as
// far as its pictures tell. Called with mu held.
func (p *Publisher) recover(id string, start stamp, trigger string) *record {
	r := &record{id: id, start: start, end: start, trigger: trigger, recovered: true, dropped: p.q.Dropped(id)}
	r.frames = p.q.Queued(id) + r.dropped
	return p.book.add(r)
}

// closeRecovered closes the events that an earlier run left open, when the
// queue has nothing of them any more. The caller has seen all summaries.
func (p *Publisher) closeRecovered() {
	var done []*record
	var texts [][]byte
	p.mu.Lock()
	for _, r := range p.book.order {
		if r.recovered && !r.closed && p.q.Queued(r.id) == 0 {
			r.closed, r.recovered = true, false
			r.published = r.frames - r.dropped
			p.tell(r, true)
			done = append(done, r)
			texts = append(texts, p.summaryOf(r))
		}
	}
	p.mu.Unlock()
	for i, r := range done {
		p.log.Info("event of an earlier run closed", "event_id", r.id, "pictures", r.frames)
		p.saveSummary(r, false)
		if p.o.OnSummary != nil {
			p.o.OnSummary(r.id, time.UnixMilli(r.start.Wall), texts[i])
		}
	}
}
