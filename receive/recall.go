package receive

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"pirwatch/receive/archive"
)

const (
	recallAfter  = 5 * time.Second  // after a link or a camera came up: the camera must have subscribed
	recallRetry  = 30 * time.Second // without an answer; then twice as long, and so on
	recallTries  = 6                // older cameras never answer
	recallRest   = 30 * time.Second // between two that were answered to the end
	recallMargin = 10 * time.Minute // more than the longest event
	recallSkew   = time.Hour        // more where the start is the camera's time and not ours
	recallMost   = 90 * 24 * time.Hour
	maxRecall    = 1 << 20 // bytes of an answer
)

// recall is how far a camera's events are known. What a broker has acknowledged
// and then lost with its store, summaries included, nobody tells any more: so a
// camera is asked which events there were whenever something may have been
// lost, which is after each new link, ours or its own.
type recall struct {
	from  time.Time // what was before is known
	due   time.Time // of the next question; zero: none
	began time.Time // of the first page's question; zero: not yet
	id    string    // of the question that is not yet answered
	next  string    // page
	tries int
	done  time.Time // the last question that was answered to the end
}

// seen makes an entry for a camera that was not heard of before.
func (r *Receiver) seen(name string, now time.Time) *recall {
	c := r.recalls[name]
	if c != nil {
		return c
	}
	if len(r.recalls) >= maxCameras || name == "" || strings.ContainsAny(name, "/+#") || r.o.Camera != "+" && name != r.o.Camera {
		return nil
	}
	c = &recall{from: r.began, due: now.Add(recallAfter)}
	newest, err := r.store.Events(name, now.Add(-recallMost), now.Add(tooFarAhead), 1)
	if err == nil && len(newest) > 0 {
		c.from = newest[0].StartedAt.Add(-recallSkew)
	}
	r.recalls[name] = c
	return c
}

// soon asks a camera anew, from the newest event back.
func (c *recall) soon(now time.Time) {
	*c = recall{from: c.from, done: c.done, due: now.Add(recallAfter)}
	if rested := c.done.Add(recallRest); c.due.Before(rested) {
		c.due = rested
	}
}

// askEvents sends the question that is due, one at a time. After a new link
// every camera is asked.
func (r *Receiver) askEvents(now time.Time) {
	r.mu.Lock()
	l, links := r.link, r.links
	r.mu.Unlock()
	if l == nil || r.o.Topic != "" {
		return
	}
	if links != r.asked {
		r.asked = links
		for _, name := range r.store.Cameras() {
			r.seen(name, now)
		}
		for _, c := range r.recalls {
			c.soon(now)
		}
	}
	for name, c := range r.recalls {
		if c.due.IsZero() || now.Before(c.due) {
			continue
		}
		if c.tries >= recallTries {
			c.due, c.id = time.Time{}, ""
			continue
		}
		if c.next == "" {
			c.began = now
		}
		c.id = rand.Text()
		payload, _ := json.Marshal(struct { // plain fields marshal
			LastS int64  `json:"last_s"`
			Next  string `json:"next,omitempty"`
			ID    string `json:"id"`
		}{int64((min(max(now.Sub(c.from), 0)+recallMargin, recallMost)).Seconds()), c.next, c.id})
		l.Publish(r.o.Base+"/"+name+"/recall", payload, 1, false)
		c.due = now.Add(recallRetry << c.tries)
		c.tries++
		return
	}
}

// recalled takes a page of a camera's answer: events that are told again are
// compared, and kept where nothing of them was.
func (r *Receiver) recalled(name string, payload []byte, now time.Time) {
	var page struct {
		ID     string            `json:"id"`
		OK     bool              `json:"ok"`
		Events []json.RawMessage `json:"events"`
		Next   string            `json:"next"`
	}
	c := r.recalls[name]
	if c == nil || len(payload) > maxRecall || json.Unmarshal(payload, &page) != nil || c.id == "" || page.ID != c.id || !page.OK {
		return // another's, or it was busy and is asked again
	}
	for _, text := range page.Events {
		var e event
		if len(text) > archive.MaxSummary || json.Unmarshal(text, &e) != nil || e.ID == "" || e.Phase != "closed" {
			r.count(func(s *Stats) { s.Refused++ })
			continue
		}
		if !r.store.HasSummary(name, e.ID) {
			r.keep(kept{camera: name, id: e.ID, at: believe(e.Started, now), data: text, summary: true})
		}
		r.close(name, e.ID) // it names all that the camera has
		r.compare(name, e, now)
	}
	c.tries, c.id = 0, ""
	if page.Next != "" && page.Next != c.next {
		c.next, c.due = page.Next, now
		r.askEvents(now)
		return
	}
	c.from, c.done, c.due, c.next = c.began, c.began, time.Time{}, ""
	r.log.Debug("receive: a camera's events compared", "camera", name)
}
