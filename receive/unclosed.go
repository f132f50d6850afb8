package receive

import (
	"fmt"
	"slices"
	"time"
)

const (
	maxUnclosed  = 256
	unclosedFor  = time.Minute // without a new picture or a summary, an event's end was missed
	probeAgain   = 5 * time.Second
	mostPictures = 100 // of one event
)

// unclosed is an event of which pictures came and no summary that names them. A
// broker that was killed without its store forgets its sessions, and with them
// what it had promised to deliver: the summary, which is told once, may be
// among it. Then the pictures are asked for one by one, in the order of our own
// names, until the camera knows no more.
type unclosed struct {
	highest int // seq
	last    time.Time
	probing bool
}

type eventKey struct{ camera, event string }

func picName(event string, seq int) string { return fmt.Sprintf("%s-%02d", event, seq) }

// came notes a finished picture of an event, where its name is one of ours.
func (r *Receiver) came(camera, event, picID string, seq int, now time.Time) {
	if event == "" || seq < 0 || seq >= mostPictures || picID != picName(event, seq) {
		return
	}
	key := eventKey{camera, event}
	u := r.unclosed[key]
	if u == nil {
		if r.closed[key] {
			return // a late one
		}
		if len(r.unclosed) >= maxUnclosed {
			return
		}
		u = &unclosed{}
		r.unclosed[key] = u
	}
	u.highest = max(u.highest, seq)
	u.last = now
}

// nameless notes the summary of an event during which the camera was killed: it
// names no pictures, or only those that were still queued. The camera's archive
// may have more.
func (r *Receiver) nameless(camera string, e event, now time.Time) {
	key := eventKey{camera, e.ID}
	if r.closed[key] {
		return
	}
	u := r.unclosed[key]
	if u == nil {
		if len(r.unclosed) >= maxUnclosed {
			return
		}
		u = &unclosed{highest: -1, last: now}
		r.unclosed[key] = u
	}
	for seq := range mostPictures {
		if slices.Contains(e.PicIDs, picName(e.ID, seq)) {
			u.highest = max(u.highest, seq)
		}
	}
}

// close notes that an event's summary came.
func (r *Receiver) close(camera, event string) {
	key := eventKey{camera, event}
	delete(r.unclosed, key)
	if len(r.closed) >= 4*maxUnclosed {
		clear(r.closed)
	}
	r.closed[key] = true
}

// probe asks for what events without an end may still have.
func (r *Receiver) probe(now time.Time) {
	if r.online() == nil {
		return
	}
	for key, u := range r.unclosed {
		wait := unclosedFor
		if u.probing {
			wait = probeAgain
		}
		if now.Sub(u.last) < wait {
			continue
		}
		next := u.highest + 1
		if w := r.wants[wantKey{key.camera, picName(key.event, next)}]; w != nil {
			continue
		}
		if next >= mostPictures || u.probing && u.last.IsZero() {
			r.close(key.camera, key.event)
			continue
		}
		if !u.probing {
			u.probing = true
			r.log.Warn("receive: nobody said which pictures an event has; asking for them one by one", "camera", key.camera, "event_id", key.event)
			for seq := range next {
				r.missing(wantKey{key.camera, picName(key.event, seq)}, now)
			}
		}
		if w := r.missing(wantKey{key.camera, picName(key.event, next)}, now); w != nil {
			w.probe = true
		}
		u.last = time.Time{} // a picture that comes sets it
	}
}

// missing wants a picture now, if it is not here.
func (r *Receiver) missing(key wantKey, now time.Time) *want {
	if r.has(key) || r.wants[key] != nil {
		return r.wants[key]
	}
	return r.want(key, now)
}
