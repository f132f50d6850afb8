package publish

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// message is one thing to publish that is not a picture's piece.
type message struct {
	topic   string
	payload []byte
	qos     byte
	retain  bool
	state   bool      // kept, and published again after every reconnect
	born    time.Time // of an event message: it is not sent when older than eventAge
	seq     uint64    // order in which they were given
	strikes int       // links that died with it as the only large thing under way
}

const (
	// eventAge is how old an event message may be: automations would fire late.
	eventAge = 60 * time.Second
	// maxEvents bounds the event messages that wait for a link.
	maxEvents = 256
)

// outbox holds what goes before all pictures: the newest of every state, and
// event messages, in the order in which they were given. Guarded by Publisher.mu.
type outbox struct {
	seq     uint64
	states  map[string]*message // by topic
	pending []*message
	sends   map[string]*message // QoS 0, the newest of each topic
}

func newOutbox() outbox {
	return outbox{states: map[string]*message{}, sends: map[string]*message{}}
}

// set replaces a state. One that still waits gives up its place: what was given
// in between must not overtake what explains it.
func (o *outbox) set(m *message) {
	o.seq++
	m.seq, m.state = o.seq, true
	if old := o.states[m.topic]; old != nil {
		o.pending = slices.DeleteFunc(o.pending, func(p *message) bool { return p == old })
	}
	o.states[m.topic] = m
	o.pending = append(o.pending, m)
}

// hold is set for a state that the broker has: it is published when it may have
// been lost, after a reconnect.
func (o *outbox) hold(m *message) {
	o.seq++
	m.seq, m.state = o.seq, true
	o.states[m.topic] = m
}

// add queues an event message.
func (o *outbox) add(m *message) {
	o.seq++
	m.seq = o.seq
	events := 0
	for _, p := range o.pending {
		if !p.state {
			events++
		}
	}
	if events >= maxEvents {
		i := slices.IndexFunc(o.pending, func(p *message) bool { return !p.state })
		o.pending = slices.Delete(o.pending, i, i+1)
	}
	o.pending = append(o.pending, m)
}

func (o *outbox) send(m *message) { o.sends[m.topic] = m }

func (o *outbox) forgetSends() { clear(o.sends) }

// next takes the next message, and counts those it leaves out for their age.
func (o *outbox) next() (m *message, expired uint64) {
	for len(o.pending) > 0 {
		m = o.pending[0]
		o.pending[0] = nil
		o.pending = o.pending[1:]
		if m.state || time.Since(m.born) <= eventAge {
			return m, expired
		}
		expired++
	}
	return nil, expired
}

func (o *outbox) nextSend() *message {
	for topic, m := range o.sends {
		delete(o.sends, topic)
		return m
	}
	return nil
}

// renew prepares for a new link: every state is to be published again, and of
// the event messages those that wait or that the last link left unacknowledged.
// first is the topic to begin with.
func (o *outbox) renew(first string, unacked []*message) {
	all := slices.Collect(maps.Values(o.states))
	for _, m := range append(o.pending, unacked...) {
		if !m.state {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *message) int {
		switch {
		case a == b:
			return 0
		case a.topic == first:
			return -1
		case b.topic == first:
			return 1
		case a.seq < b.seq:
			return -1
		}
		return 1
	})
	o.pending = slices.Compact(all)
}

// giveUp forgets a state that the broker does not take.
func (o *outbox) giveUp(m *message) {
	if o.states[m.topic] == m {
		delete(o.states, m.topic)
	}
	o.pending = slices.DeleteFunc(o.pending, func(p *message) bool { return p == m })
}

// EventMessage publishes a change on the event topic: motion_start, motion_end,
// manual or suppressed. at carries a monotonic reading. It is not sent when
// older than 60 s, and of suppressed at most one a minute.
func (p *Publisher) EventMessage(kind, eventID string, at time.Time, trigger string, score *float64) {
	payload, _ := json.Marshal(struct { // plain fields marshal
		Type    string   `json:"event_type"`
		EventID string   `json:"event_id"`
		At      string   `json:"at"`
		Trigger string   `json:"trigger"`
		Score   *float64 `json:"score"`
	}{kind, eventID, wireTime(at), trigger, roundScore(score)})
	m := p.message("event", payload, false)
	m.born = at
	p.mu.Lock()
	if kind == "suppressed" {
		if !p.supp.IsZero() && at.Sub(p.supp) < time.Minute {
			p.mu.Unlock()
			return
		}
		p.supp = at
	}
	p.out.add(m)
	p.mu.Unlock()
	p.wakeUp()
}
