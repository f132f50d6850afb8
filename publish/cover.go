package publish

import (
	"encoding/base64"
	"time"
)

const dataURI = "data:image/jpeg;base64,"

// Cover publishes the cover picture of an event, and replaces the one before;
// that of an older event is ignored. It takes the JPEG's bytes. One that is too
// large for the broker is made smaller first, here, which takes its time.
func (p *Publisher) Cover(eventID string, taken time.Time, jpeg []byte) {
	if p.o.Wire == Watson {
		return // no whole images
	}
	messages, scaled := p.coverMessages(eventID, jpeg)
	if messages == nil {
		return
	}
	p.mu.Lock()
	r, shown := p.book.byID[eventID], p.book.byID[p.imageOf]
	if older(r, shown, p.book.order) {
		p.mu.Unlock()
		return
	}
	p.imageOf = eventID
	if r != nil {
		r.scaled = scaled
	}
	for _, m := range messages {
		p.out.set(m)
	}
	p.mu.Unlock()
	p.wakeUp()
}

// coverMessages makes a cover's messages, in every form that is configured; none
// where it cannot be made small enough.
func (p *Publisher) coverMessages(eventID string, jpeg []byte) (messages []*message, scaled bool) {
	if most := p.coverLimit(); most > 0 && len(jpeg) > most {
		if p.o.Shrink == nil {
			p.log.Warn("cover larger than the broker's largest packet, not published", "event_id", eventID, "bytes", len(jpeg), "limit", most)
			return nil, false
		}
		small, err := p.o.Shrink(jpeg, most)
		if err != nil || len(small) > most {
			p.log.Warn("cover cannot be made small enough for the broker", "event_id", eventID, "bytes", len(jpeg), "limit", most, "error", err)
			return nil, false
		}
		jpeg, scaled = small, true
	}
	messages = append(messages, p.message("image", jpeg, true))
	if p.o.Base64 {
		messages = append(messages, p.message("image/base64", base64.StdEncoding.AppendEncode(nil, jpeg), true))
	}
	if p.o.DataURI {
		messages = append(messages, p.message("image/datauri", base64.StdEncoding.AppendEncode([]byte(dataURI), jpeg), true))
	}
	return messages, scaled
}

// older tells whether event a was opened before event b.
func older(a, b *record, order []*record) bool {
	if a == nil || b == nil || a == b {
		return false
	}
	for _, r := range order {
		if r == a || r == b {
			return r == a
		}
	}
	return false
}

// coverLimit is the largest JPEG that fits the broker's packet in every form in
// which covers are published; 0 means any.
func (p *Publisher) coverLimit() int {
	if p.o.Limits.Packet <= 0 {
		return 0
	}
	most := p.o.Limits.Packet - len(p.topic("image/datauri")) - 16
	if p.o.Base64 || p.o.DataURI {
		most = (most - len(dataURI)) / 4 * 3
	}
	return max(1, most)
}
