package publish

import (
	"encoding/json"
	"time"
)

const (
	// retainedWithin is how long a broker may take to send what it has retained,
	// once it has answered the subscription.
	retainedWithin = 10 * time.Second
	// maxAsked is on how many links it is asked for that: one that dies of so
	// large a message would die for ever. What this run publishes needs no asking.
	maxAsked = 8
	// restoreFrom is how many of the archive's newest events are looked through
	// for one with a summary.
	restoreFrom = 20
)

// restore gives the broker back what it should have retained of the newest
// event that an earlier run closed: last_event and the cover. Once a run, when
// it is known which event the broker has, "" for none.
func (p *Publisher) restore() {
	p.mu.Lock()
	retained := p.retained
	p.settled = true
	p.mu.Unlock()
	if p.o.Archived == nil {
		return
	}
	now := time.Now()
	var newest *ArchivedEvent
	var last summary
	for _, e := range p.o.Archived(time.UnixMilli(0), now.Add(tooFarAhead), restoreFrom) {
		var s summary
		if json.Unmarshal(e.Summary, &s) != nil || s.EventID != e.ID || s.Phase != "closed" {
			continue
		}
		if newest == nil {
			if retained > e.ID { // ULIDs: the broker's is a newer one
				return
			}
			newest, last = &e, s
		}
		if jpeg := p.coverOf(s, e); jpeg != nil { // an event without pictures leaves the cover before it
			p.putBack(last, *newest, e.ID, jpeg, retained == newest.ID)
			return
		}
	}
	if newest != nil {
		p.putBack(last, *newest, "", nil, retained == newest.ID)
	}
}

// coverOf reads an event's cover from the archive, or another of its pictures.
func (p *Publisher) coverOf(s summary, e ArchivedEvent) []byte {
	for _, id := range append([]string{s.Cover}, e.PicIDs[:min(len(e.PicIDs), 1)]...) {
		if id == "" || p.o.Lookup == nil {
			continue
		}
		if jpeg, _, ok := p.o.Lookup(id); ok && len(jpeg) > 0 {
			return jpeg
		}
	}
	return nil
}

// putBack makes an archived event the newest one, with the cover of that or of
// one before it. Where the broker still has them, the cover is only kept for the
// time when it does not.
func (p *Publisher) putBack(s summary, e ArchivedEvent, coverOf string, jpeg []byte, has bool) {
	var images []*message
	if jpeg != nil {
		images, _ = p.coverMessages(coverOf, jpeg)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	queued := p.q.Queued(e.ID)
	if newest := p.book.newest; p.began || newest != nil && newest.id > e.ID {
		return
	}
	r := p.book.byID[e.ID]
	if r == nil {
		r = p.book.add(&record{id: e.ID, recovered: true})
	}
	if r.recovered && !r.closed { // its summary did not come from the queue
		start := stamp{Wall: e.StartedAt.UnixMilli(), Synced: s.Clock == "synced"}
		if at, err := time.Parse(time.RFC3339Nano, s.StartedAt); err == nil {
			start.Wall = at.UnixMilli()
		}
		end := start
		end.Wall += int64(s.DurationS * 1000)
		*r = record{id: e.ID, start: start, end: end, trigger: s.Trigger, score: s.Score, suppressed: s.Suppressed,
			cover: s.Cover, coverWhy: s.CoverWhy, scaled: s.CoverScaled, closed: true,
			frames: s.Frames, dropped: s.Dropped, published: max(0, s.Frames-s.Dropped-queued), ids: s.PicIDs, more: s.PicIDsMore}
	}
	p.book.newest = r
	p.tell(r, true)
	if p.imageOf != "" {
		return
	}
	p.imageOf = coverOf
	for _, m := range images {
		if has {
			p.out.hold(m)
		} else {
			p.out.set(m)
		}
	}
	if !has {
		p.log.Info("the broker has forgotten the newest event, which is published again from the archive", "event_id", e.ID)
	}
	p.wakeUp()
}
