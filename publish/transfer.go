package publish

import (
	"encoding/json"
	"fmt"

	"pirwatch/publish/chunk"
	"pirwatch/publish/queue"
)

// transfer is a picture on its way over one connection.
type transfer struct {
	key   itemKey
	event string
	pic   chunk.Picture // under its own id, whatever it is sent as
	job   *job          // of a resend, else nil
	split *chunk.Splitter
	acked bits
	todo  bits // to be sent over this connection
	next  int  // position from which todo is looked through
	left  int  // pieces not acknowledged
}

// picture reads a queued picture.
func (p *Publisher) picture(it queue.Item) (chunk.Picture, pictureMeta) {
	var meta pictureMeta
	json.Unmarshal(it.Meta, &meta) // a picture without its particulars is still a picture
	taken, _ := p.date(meta.Taken)
	return chunk.Picture{PicID: it.ID, EventID: it.Event, Seq: meta.Seq, Taken: taken, Box: meta.Box, JPEG: it.Body}, meta
}

// begin prepares a queued picture for this connection.
func (p *Publisher) begin(it queue.Item) *transfer {
	pic, meta := p.picture(it)
	t := &transfer{key: itemKey{it.ID, it.Kind}, event: it.Event, pic: pic}
	p.mu.Lock()
	if p.book.byID[it.Event] == nil && meta.Run != p.run {
		p.recover(it.Event, meta.Start, meta.Trigger)
	}
	p.mu.Unlock()
	p.prepare(t, meta.Run != p.run, nil)
	return t
}

// beginJob prepares a resend.
func (p *Publisher) beginJob(j *job) *transfer {
	t := &transfer{key: itemKey{id: j.pic.PicID}, event: j.pic.EventID, pic: j.pic, job: j}
	p.prepare(t, true, j.pos)
	return t
}

// prepare works out which pieces are to be sent: all or those named, but those
// that an earlier connection got through. Recipe pages count what arrives:
// for them a picture that may have been begun before goes whole, under a fresh
// id.
func (p *Publisher) prepare(t *transfer, maybeBegun bool, only []int) {
	sent := t.pic
	tries := p.memory.tries[t.key]
	if p.o.Wire != Standard && (maybeBegun || tries > 0) {
		sent.PicID = fmt.Sprintf("%s-%s%d", t.pic.PicID, p.run[:4], tries)
		if t.job != nil {
			sent.PicID = fmt.Sprintf("%s-%sr%d", t.pic.PicID, p.run[:4], p.resendNumber())
		}
	}
	t.split = p.format.Split(sent)
	n := t.split.Pieces()
	t.acked, t.todo = newBits(n), newBits(n)
	if only != nil {
		for i := range n {
			t.acked.set(i)
		}
		for _, pos := range only {
			t.acked.clear(pos)
		}
	}
	if before := p.memory.acked[t.key]; p.o.Wire == Standard && before != nil && len(before) == len(t.acked) {
		for i := range n {
			if before.has(i) {
				t.acked.set(i)
			}
		}
		if only == nil {
			t.acked.clear(0) // it names what the others belong to
		}
	}
	for i := range n {
		if !t.acked.has(i) {
			t.todo.set(i)
			t.left++
		}
	}
}

// resendNumber makes the ids of resends differ.
func (p *Publisher) resendNumber() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counters.fresh++
	return p.counters.fresh
}

// peek returns the next position to send, or −1.
func (t *transfer) peek() int {
	for ; t.next < t.split.Pieces(); t.next++ {
		if t.todo.has(t.next) {
			return t.next
		}
	}
	return -1
}

// take is peek that goes on behind it.
func (t *transfer) take() int {
	pos := t.peek()
	t.next++
	return pos
}

// delivered is told when every piece of a picture was acknowledged.
func (p *Publisher) delivered(t *transfer) {
	p.memory.forget(t.key)
	if t.job == nil {
		p.q.Done(t.key.id, t.key.kind)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent.add(t.pic)
	if t.job != nil {
		return
	}
	r := p.book.byID[t.event]
	if r == nil {
		return
	}
	r.published = min(r.published+1, r.frames-r.dropped)
	if r.recovered {
		r.end.Wall = max(r.end.Wall, t.pic.Taken.UnixMilli())
		if len(r.ids) < maxPicIDs {
			r.ids = append(r.ids, t.pic.PicID)
		} else {
			r.more++
		}
	}
	p.tell(r, false)
	p.settle(r)
}

// settle takes the note that a summary was sent out of the queue, when nothing
// of its event is to be delivered any more. Called with mu held.
func (p *Publisher) settle(r *record) {
	if r.marker && r.settled() {
		r.marker = false
		p.q.Done(r.id+sentSuffix, queue.Summary)
	}
}

// quarantine puts a picture aside that kills the link.
func (p *Publisher) quarantine(v verdict) {
	if v.kind == 0 {
		p.log.Error("picture that was asked for again kills the link, not sent", "pic_id", v.id, "reason", v.reason)
		p.mu.Lock()
		for i, j := range p.jobs {
			if j.pic.PicID == v.id {
				p.jobs = append(p.jobs[:i], p.jobs[i+1:]...)
				break
			}
		}
		p.mu.Unlock()
		return
	}
	p.q.Quarantine(v.id, v.kind, v.reason) // counts it as dropped
}
