package publish

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"pirwatch/publish/chunk"
)

const (
	// maxJobs bounds the pictures that wait to be sent again, and the commands
	// that wait to be answered.
	maxJobs = 64
	// maxResendPayload bounds a resend command: some thousand positions.
	maxResendPayload = 64 << 10
)

// job is a picture, or pieces of it, to send again.
type job struct {
	pic   chunk.Picture
	pos   []int // nil: all
	tries int   // links that it was begun on
}

type resendCommand struct {
	PicID string `json:"pic_id"`
	Pos   []int  `json:"pos"`
}

// resend takes a resend command from the link.
func (p *Publisher) resend(payload []byte, retained bool) {
	var c resendCommand
	switch {
	case retained:
		p.log.Warn("retained resend command refused: clear it at the broker")
		return
	case len(payload) > maxResendPayload || json.Unmarshal(payload, &c) != nil || c.PicID == "" || len(c.PicID) > 128:
		p.log.Warn(`resend command refused: must be {"pic_id":"…","pos":[…]}`, "bytes", len(payload))
		return
	}
	p.mu.Lock()
	p.counters.resends++
	p.mu.Unlock()
	select {
	case p.resends <- c:
	default:
		p.answer(c.PicID, false, "busy")
	}
}

// answerResends looks pictures up, which may mean the disk, apart from the link
// and from sending.
func (p *Publisher) answerResends(ctx context.Context) {
	for {
		select {
		case c := <-p.resends:
			ok, reason := p.takeResend(c)
			p.answer(c.PicID, ok, reason)
		case <-ctx.Done():
			return
		}
	}
}

func (p *Publisher) answer(picID string, ok bool, reason string) {
	payload, _ := json.Marshal(struct { // plain fields marshal
		PicID  string `json:"pic_id"`
		OK     bool   `json:"ok"`
		Reason string `json:"reason"`
	}{picID, ok, reason})
	m := p.message("resend/result", payload, false)
	m.born = time.Now()
	p.mu.Lock()
	p.out.add(m)
	p.mu.Unlock()
	p.wakeUp()
}

// takeResend makes a job of a command, if the picture can be found.
func (p *Publisher) takeResend(c resendCommand) (ok bool, reason string) {
	p.mu.Lock()
	full := len(p.jobs) >= maxJobs
	for _, j := range p.jobs {
		if j.pic.PicID == c.PicID && j.pos == nil {
			p.mu.Unlock()
			return true, "queued"
		}
		full = full || j.pic.PicID == c.PicID
	}
	p.mu.Unlock()
	if full {
		return false, "busy"
	}
	if _, ok := p.q.Find(c.PicID); ok {
		return true, "queued" // it is still to be delivered
	}
	pic, found := p.find(c.PicID)
	if !found {
		return false, p.whyNot(c.PicID)
	}
	if c.Pos != nil {
		n := p.format.Pieces(len(pic.JPEG))
		valid := c.Pos[:0]
		for _, pos := range c.Pos {
			if pos >= 0 && pos < n {
				valid = append(valid, pos)
			}
		}
		if c.Pos = valid; len(c.Pos) == 0 {
			return false, "unknown"
		}
	}
	if p.o.Wire != Standard {
		c.Pos = nil // whole, under a fresh pic_id
	}
	p.mu.Lock()
	p.jobs = append(p.jobs, &job{pic: pic, pos: c.Pos})
	p.mu.Unlock()
	p.wakeUp()
	return true, "queued"
}

// find looks for a picture among those delivered lately, and in the archive.
func (p *Publisher) find(picID string) (chunk.Picture, bool) {
	p.mu.Lock()
	pic, ok := p.recent.find(picID)
	p.mu.Unlock()
	if ok || p.o.Lookup == nil {
		return pic, ok
	}
	jpeg, taken, ok := p.o.Lookup(picID)
	if !ok || len(jpeg) == 0 {
		return chunk.Picture{}, false
	}
	event, seq := splitID(picID)
	return chunk.Picture{PicID: picID, EventID: event, Seq: seq, Taken: taken, JPEG: jpeg}, true
}

// splitID takes <event_id>-<seq> apart.
func splitID(picID string) (event string, seq int) {
	i := strings.LastIndexByte(picID, '-')
	if i < 0 {
		return "", 0
	}
	seq, err := strconv.Atoi(picID[i+1:])
	if err != nil || seq < 0 {
		return "", 0
	}
	return picID[:i], seq
}

// whyNot tells a picture that is no longer kept from one that never was.
func (p *Publisher) whyNot(picID string) string {
	event, _ := splitID(picID)
	p.mu.Lock()
	r := p.book.byID[event]
	oldest := time.Now()
	if len(p.book.order) > 0 {
		oldest = time.UnixMilli(p.book.order[0].start.Wall)
	}
	p.mu.Unlock()
	if r != nil {
		for _, id := range r.ids {
			if id == picID {
				return "expired"
			}
		}
		return "unknown"
	}
	// Of an event before those remembered nobody knows any more.
	if id, err := ulid.ParseStrict(event); err == nil && ulid.Time(id.Time()).Before(oldest) {
		return "expired"
	}
	return "unknown"
}

// recent keeps the pictures delivered last, to send them again when asked.
// Guarded by Publisher.mu.
type recent struct {
	max, bytes int
	pics       []chunk.Picture // oldest first
}

func (r *recent) add(pic chunk.Picture) {
	r.pics = append(r.pics, pic)
	r.bytes += len(pic.JPEG)
	for r.bytes > r.max {
		r.bytes -= len(r.pics[0].JPEG)
		r.pics[0] = chunk.Picture{}
		r.pics = r.pics[1:]
	}
}

func (r *recent) find(picID string) (chunk.Picture, bool) {
	for i := len(r.pics) - 1; i >= 0; i-- {
		if r.pics[i].PicID == picID {
			return r.pics[i], true
		}
	}
	return chunk.Picture{}, false
}
