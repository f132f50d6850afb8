package receive

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

const (
	maxWants   = 4096
	maxPicIDs  = 200 // of one summary
	firstAsk   = 5 * time.Second
	queuedAsk  = time.Minute // where the summary says that pictures are still queued
	longestAsk = 10 * time.Minute
	maxTries   = 10 // from the first to the last: about three quarters of an hour
	quickTries = 3  // of them at once, after a refused piece
	askAtOnce  = 8  // pictures asked for and not come yet
	maxPos     = 500
	reviewSpan = 48 * time.Hour
	reviewMost = 300 // events
)

type wantKey struct{ camera, pic string }

// want is a picture that is known of and not there.
type want struct {
	next  time.Time
	asked time.Time // of the last ask; zero: none
	tries int
	quick int
	mute  bool // its sender would send it under another name
	probe bool // nobody has said that it exists
}

// want notes a picture that is missing, to be asked for at a time.
func (r *Receiver) want(key wantKey, next time.Time) *want {
	w := r.wants[key]
	if w == nil {
		if len(r.wants) >= maxWants {
			r.warn("wants", "receive: too many pictures are missing; some are not asked for", "missing", len(r.wants))
			return nil
		}
		w = &want{next: next}
		r.wants[key] = w
		r.count(func(s *Stats) { s.Wanted = len(r.wants) })
	}
	return w
}

// progress notes a new piece: the picture is on its way and left alone for a while.
func (r *Receiver) progress(key wantKey, now time.Time, askable bool) {
	if w := r.want(key, now); w != nil {
		w.next = now.Add(firstAsk << min(w.tries, 4))
		w.asked = time.Time{}
		w.mute = w.mute || !askable
	}
}

// wantNow asks at once after a refused piece, a few times.
func (r *Receiver) wantNow(key wantKey, now time.Time) {
	if r.has(key) {
		return
	}
	if w := r.want(key, now); w != nil && w.quick < quickTries {
		w.quick++
		w.next = now
		w.asked = time.Time{}
	}
}

// has tells whether a picture is kept, or is about to be.
func (r *Receiver) has(key wantKey) bool { return r.store.Has(key.camera, key.pic) || r.waits(key) }

func (r *Receiver) drop(key wantKey) {
	delete(r.wants, key)
	r.count(func(s *Stats) { s.Wanted = len(r.wants) })
}

// compare notes what a summary names and the archive lacks.
func (r *Receiver) compare(name string, e event, now time.Time) {
	next := now.Add(firstAsk)
	if e.Queued > 0 {
		next = now.Add(queuedAsk)
	}
	for i, id := range e.PicIDs {
		if i == maxPicIDs {
			break
		}
		key := wantKey{name, id}
		if r.wants[key] == nil && id != "" && len(id) <= 128 && !r.has(key) {
			r.want(key, next)
		}
	}
}

// review compares the archive's own newest summaries: what was missing when
// this program last ended is still.
func (r *Receiver) review(now time.Time) {
	if r.o.Topic != "" {
		return
	}
	name := r.o.Camera
	if name == "+" {
		name = ""
	}
	events, err := r.store.Events(name, now.Add(-reviewSpan), now.Add(tooFarAhead), reviewMost)
	if err != nil {
		r.log.Warn("receive: the archive cannot be compared", "err", err)
	}
	for _, stored := range events {
		var e event
		if json.Unmarshal(stored.Summary, &e) == nil {
			r.compare(stored.Camera, e, now)
		}
	}
	if n := len(r.wants); n > 0 {
		r.log.Info("receive: pictures of known events are missing and will be asked for", "pictures", n)
	}
}

// ask sends the requests that are due: few at a time, each picture later and
// later, and not for ever.
func (r *Receiver) ask(now time.Time) {
	l := r.online()
	if l == nil {
		return
	}
	waiting := 0
	var due []wantKey
	for key, w := range r.wants {
		if !w.asked.IsZero() && now.Sub(w.asked) < firstAsk {
			waiting++
		}
		if !now.Before(w.next) {
			due = append(due, key)
		}
	}
	slices.SortFunc(due, func(a, b wantKey) int { return r.wants[a].next.Compare(r.wants[b].next) })
	for _, key := range due {
		w := r.wants[key]
		if w.mute || r.has(key) {
			r.drop(key)
			continue
		}
		if w.tries >= maxTries {
			r.giveUp(key, "no answer")
			continue
		}
		if waiting >= askAtOnce {
			return
		}
		if strings.ContainsAny(key.camera, "+#") {
			r.drop(key)
			continue
		}
		request := struct {
			PicID string `json:"pic_id"`
			Pos   []int  `json:"pos,omitempty"`
		}{PicID: key.pic}
		if c := r.cameras[key.camera]; c != nil {
			if in, ok := c.pieces.Missing(key.pic); ok && len(in.Missing) <= maxPos {
				request.Pos = in.Missing
			}
		}
		payload, err := json.Marshal(request)
		if err != nil {
			r.drop(key)
			continue
		}
		l.Publish(r.o.Base+"/"+key.camera+"/resend", payload, 1, false)
		waiting++
		w.tries++
		w.asked = now
		w.next = now.Add(min(2*firstAsk<<w.tries, longestAsk))
		r.count(func(s *Stats) { s.Asked++ })
		r.log.Debug("receive: asked again", "camera", key.camera, "pic_id", key.pic, "pos", request.Pos, "try", w.tries)
	}
}

// hurry asks a camera anew that has just connected: what it was asked while it
// was away, or had promised before it was restarted, it knows nothing of.
func (r *Receiver) hurry(name string, now time.Time) {
	for key, w := range r.wants {
		if key.camera != name || w.tries == 0 {
			continue
		}
		w.tries--
		w.asked = time.Time{}
		if soon := now.Add(firstAsk); w.next.After(soon) {
			w.next = soon
		}
	}
}

// answer takes resend/result.
func (r *Receiver) answer(name string, payload []byte) {
	var a struct {
		PicID  string `json:"pic_id"`
		OK     bool   `json:"ok"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(payload, &a) != nil || a.OK || a.Reason == "busy" {
		return // busy: the next try comes later anyway
	}
	key := wantKey{name, a.PicID}
	if w := r.wants[key]; w != nil && w.tries > 0 {
		r.giveUp(key, a.Reason)
	}
}

func (r *Receiver) giveUp(key wantKey, reason string) {
	probe := r.wants[key].probe
	r.drop(key)
	if probe {
		return
	}
	r.count(func(s *Stats) { s.GivenUp++ })
	r.log.Warn("receive: picture given up", "camera", key.camera, "pic_id", key.pic, "reason", reason)
}
