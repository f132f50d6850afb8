package publish

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// session sends over one connection, on Run's goroutine.
type session struct {
	*Publisher
	link       Link
	chunkTopic string
	flights    []flight              // unacknowledged, oldest first
	pieces     int                   // of flights, summaries included
	stack      []*transfer           // what is being cut into pieces; the last one is first
	active     map[itemKey]*transfer // with pieces left, cut or under way
	free       [][]byte              // buffers of acknowledged pieces
	began      time.Time
	trial      *pieceKey // waits for the link to prove itself
	failure    error     // of a message: the link is as good as lost
	jobTurn    bool      // resends and the queue take turns
	drained    bool      // the queue had nothing when last asked
}

// flight is a message that the broker has not acknowledged.
type flight struct {
	token   mqtt.Token
	t       *transfer // of a piece
	pos     int
	buf     []byte
	m       *message   // of a state or event
	summary queue.Item // of a history message
}

// maxStack bounds the pictures that newer ones have interrupted.
const maxStack = 8

// serve sends until the link is lost or ctx ends, and returns why it is over.
func (p *Publisher) serve(ctx context.Context, link Link) error {
	s := &session{Publisher: p, link: link, chunkTopic: p.topic("chunk"), began: time.Now(), active: map[itemKey]*transfer{}}
	for _, v := range p.memory.convicts {
		p.quarantine(v)
	}
	p.memory.convicts = nil
	p.mu.Lock()
	for _, m := range p.memory.rejected {
		p.log.Error("the broker closes the link at this message, which is given up: set broker.max_packet to what it takes",
			"topic", m.topic, "bytes", len(m.payload))
		p.out.giveUp(m)
	}
	p.memory.rejected = nil
	p.out.renew(p.topic("status"), nil)
	p.fresh = false
	p.mu.Unlock()
	p.setBroker("ok", nil, time.Time{})

	err := s.send(ctx)
	if err == nil {
		s.goodbye()
	}
	p.setBroker("connecting", nil, time.Time{})
	closing, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	link.Close(closing)
	cancel()
	s.giveBack(ctx, err)
	return err
}

// send is the loop: what the broker acknowledged, then the one thing that is
// most due, until nothing may be sent; then it waits. It returns why the link
// is over, or nil when ctx has ended and what could be delivered is.
func (s *session) send(ctx context.Context) error {
	subscribing, cancel := context.WithTimeout(context.Background(), time.Minute)
	var wg sync.WaitGroup
	wg.Go(func() { s.subscribe(subscribing) })
	defer wg.Wait()
	defer cancel()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	again := time.NewTicker(time.Minute) // only to look again
	defer again.Stop()
	done := ctx.Done()
	stop := time.Time{} // when to give up delivering, once ctx has ended
	for {
		s.reap()
		select {
		case <-s.link.Lost():
			return s.link.Err()
		case <-done:
			done, stop = nil, time.Now().Add(s.o.StopGrace)
		default:
		}
		if s.failure != nil { // the link's end is about to show
			select {
			case <-s.link.Lost():
				return s.link.Err()
			case <-time.After(time.Second):
				return s.failure
			}
		}
		sent, wait := s.step()
		if sent {
			continue
		}
		if !stop.IsZero() {
			left := time.Until(stop)
			if left <= 0 || len(s.flights) == 0 && wait == 0 {
				return nil
			}
			wait = earlier(wait, left)
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		var acked <-chan struct{}
		if n := len(s.flights); n > 0 {
			i := 0
			if s.pieces >= s.o.Window { // full: room for several at once is cheaper to fill
				i = min(n-1, s.o.Window/8)
			}
			acked = s.flights[i].token.Done()
		}
		select {
		case <-acked:
		case <-s.wake:
		case <-s.q.Wake():
			s.drained = false
		case <-due:
		case <-again.C:
			s.drained = false
		case <-s.link.Lost():
		case <-done:
		}
	}
}

func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// step sends one thing. Otherwise it says how long to wait, 0 for until
// something happens.
func (s *session) step() (sent bool, wait time.Duration) {
	s.mu.Lock()
	m, expired := s.out.next()
	s.counters.expired += expired
	if m == nil && len(s.out.sends) > 0 && s.link.Buffered() < maxBuffered {
		if m = s.out.nextSend(); m != nil {
			s.mu.Unlock()
			s.link.Publish(m.topic, m.payload, 0, false)
			return true, 0
		}
	}
	s.mu.Unlock()
	if m != nil {
		s.flights = append(s.flights, flight{token: s.link.Publish(m.topic, m.payload, m.qos, m.retain), m: m})
		return true, 0
	}
	if s.pieces >= s.o.Window || s.memory.sparing && s.largeUnderWay() {
		return false, 0
	}
	t := s.current()
	if t == nil {
		return false, 0
	}
	if s.lonely(t) && s.pieces > 0 {
		return false, 0
	}
	s.trial = nil
	if piece := (pieceKey{t.key, t.peek()}); s.memory.strikes[piece] > 0 {
		if wait := probation - time.Since(s.began); wait > 0 {
			s.trial = &piece
			return false, wait
		}
	}
	if wait := s.pace.take(s.o.ChunkSize); wait > 0 {
		return false, wait
	}
	s.sendPiece(t)
	return true, 0
}

// maxBuffered is how much may wait for the network when a live picture is
// still handed over.
const maxBuffered = 64 << 10

// probation is how long a link must have lived before a piece is sent that had
// a strike. A link that dies by itself dies without it, and clears it.
const probation = 3 * time.Second

// lonely tells whether t, or what is under way before it, has to go alone.
func (s *session) lonely(t *transfer) bool {
	if len(s.memory.alone) == 0 {
		return false
	}
	if s.memory.alone[t.key] {
		return true
	}
	for key := range s.active {
		if s.memory.alone[key] {
			return true
		}
	}
	return false
}

// largeUnderWay tells whether a large state is not yet acknowledged.
func (s *session) largeUnderWay() bool {
	return slices.ContainsFunc(s.flights, func(f flight) bool {
		return f.m != nil && f.m.state && len(f.m.payload) >= largeState
	})
}

func (s *session) sendPiece(t *transfer) {
	pos := t.take()
	var buf []byte
	if n := len(s.free); n > 0 {
		buf, s.free = s.free[n-1][:0], s.free[:n-1]
	}
	buf = t.split.Append(buf, pos)
	s.flights = append(s.flights, flight{token: s.link.Publish(s.chunkTopic, buf, s.o.Limits.qos(), false), t: t, pos: pos, buf: buf})
	s.pieces++
}

// current returns the transfer that the next piece is of, or nil. Summaries
// that come up in between are sent on the way.
func (s *session) current() *transfer {
	for s.pieces < s.o.Window {
		for len(s.stack) > 0 && s.stack[len(s.stack)-1].peek() < 0 {
			s.stack = s.stack[:len(s.stack)-1]
		}
		if len(s.stack) > 0 && !s.interrupted() {
			return s.stack[len(s.stack)-1]
		}
		if !s.pick(len(s.stack) > 0) && len(s.stack) == 0 {
			return nil
		}
	}
	return nil
}

// interrupted tells whether something came that may go before what is being
// sent: pictures of the newest event, where that is of an older one.
func (s *session) interrupted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := s.book.newest
	if !s.fresh || newest == nil || s.stack[len(s.stack)-1].event == newest.id || len(s.stack) >= maxStack {
		return false
	}
	s.fresh, s.drained = false, false
	return true
}

// pick takes the next thing from the queue, or a resend; interrupt says that
// something newer came while older pictures are being sent. It returns false
// if there is nothing.
func (s *session) pick(interrupt bool) bool {
	if s.jobTurn = !s.jobTurn && !interrupt; s.jobTurn || s.drained {
		if t := s.nextJob(); t != nil {
			s.push(t, false)
			return true
		}
	}
	if s.drained {
		return false
	}
	it, ok := s.q.Next()
	if !ok {
		s.drained = true
		s.closeRecovered()
		return s.pick(false) // a resend, or nothing
	}
	if it.Kind == queue.Summary {
		s.sendSummary(it)
		return true
	}
	t := s.begin(it)
	if t.left == 0 { // a picture without bytes
		s.Publisher.delivered(t)
		return true
	}
	s.mu.Lock()
	before := interrupt && s.book.newest != nil && t.event == s.book.newest.id
	s.fresh = s.fresh || before // there may be more of it
	s.mu.Unlock()
	s.push(t, before)
	return true
}

// push puts a transfer before all others, or after them.
func (s *session) push(t *transfer, before bool) {
	s.active[t.key] = t
	if before {
		s.stack = append(s.stack, t)
	} else {
		s.stack = append([]*transfer{t}, s.stack...)
	}
}

// nextJob begins a resend, if one waits.
func (s *session) nextJob() *transfer {
	s.mu.Lock()
	var j *job
	if len(s.jobs) > 0 {
		j = s.jobs[0]
		s.jobs = s.jobs[1:]
	}
	s.mu.Unlock()
	if j == nil {
		return nil
	}
	if s.active[itemKey{id: j.pic.PicID}] != nil { // the same again: later
		s.mu.Lock()
		s.jobs = append(s.jobs, j)
		s.mu.Unlock()
		return nil
	}
	return s.beginJob(j)
}

// sendSummary publishes a history message; or keeps, leased, the note that an
// earlier run sent it.
func (s *session) sendSummary(it queue.Item) {
	r, sent, err := s.loadSummary(it)
	if err != nil {
		s.log.Error("summary in the queue cannot be read", "id", it.ID, "error", err)
		s.q.Quarantine(it.ID, it.Kind, err.Error())
		return
	}
	s.mu.Lock()
	if sent {
		r.marker = true
		s.settle(r)
		s.mu.Unlock()
		return
	}
	m := s.message("history", s.summaryOf(r), false)
	s.mu.Unlock()
	s.flights = append(s.flights, flight{token: s.link.Publish(m.topic, m.payload, m.qos, false), summary: it})
	s.pieces++
}

// reap takes out what the broker has acknowledged. Brokers answer in order, so
// the oldest is asked first; an answer out of order waits for those before it.
func (s *session) reap() {
	n := 0
	for n < len(s.flights) && s.acknowledged(s.flights[n]) {
		n++
	}
	if n > 0 {
		s.flights = slices.Delete(s.flights, 0, n)
	}
}

// acknowledged does what follows from an acknowledgement, if it has come.
func (s *session) acknowledged(f flight) bool {
	select {
	case <-f.token.Done():
	default:
		return false
	}
	if err := f.token.Error(); err != nil {
		s.failure = err
		return false
	}
	switch {
	case f.t != nil:
		s.pieces--
		s.free = append(s.free, f.buf)
		s.ack(f.t, f.pos)
	case f.summary.ID != "":
		s.pieces--
		s.summarySent(f.summary)
	}
	return true
}

func (s *session) ack(t *transfer, pos int) {
	if len(s.memory.strikes) > 0 {
		delete(s.memory.strikes, pieceKey{t.key, pos})
	}
	t.acked.set(pos)
	if t.left--; t.left == 0 {
		delete(s.active, t.key)
		s.delivered(t)
		s.drained = false // the last picture of an event may be what closeRecovered waits for
	}
}

// summarySent removes a summary from the queue, and leaves a note there if
// pictures of its event are still to come.
func (s *session) summarySent(it queue.Item) {
	s.mu.Lock()
	r := s.book.byID[it.Event]
	note := r != nil && !r.settled()
	s.mu.Unlock()
	if note && s.q.Queued(it.Event) > 0 {
		s.saveSummary(r, true)
	}
	s.q.Done(it.ID, it.Kind)
}

// subscribe asks for the commands, and on a run's first link for what the
// broker has retained.
func (s *session) subscribe(ctx context.Context) {
	filters, heard := s.subscriptions()
	if err := s.link.Subscribe(ctx, filters); err != nil {
		if s.link.Err() == nil && !errors.Is(err, context.Canceled) {
			s.log.Warn("commands will not be received", "error", err)
		}
		return
	}
	if heard == nil {
		return
	}
	select {
	case <-heard:
	case <-time.After(retainedWithin): // it has nothing
	case <-ctx.Done():
		return
	}
	s.link.Unsubscribe(s.topic("last_event"))
	select {
	case s.restores <- struct{}{}:
	default:
	}
}

// goodbye publishes offline and waits a moment for the answer.
func (s *session) goodbye() {
	m := s.message("status", []byte("offline"), true)
	token := s.link.Publish(m.topic, m.payload, m.qos, m.retain)
	select {
	case <-token.Done():
	case <-s.link.Lost():
	case <-time.After(time.Second):
	}
}

// giveBack returns what was under way to where the next connection finds it.
func (s *session) giveBack(ctx context.Context, err error) {
	unacked := slices.DeleteFunc(s.flights, s.acknowledged)
	if ctx.Err() == nil {
		s.memory.died(unacked, err, s.trial)
	}
	for _, t := range s.active {
		if t.job != nil {
			s.giveBackJob(t)
			continue
		}
		s.memory.keep(t)
		s.q.Release(t.key.id, t.key.kind)
	}
	var messages []*message
	for _, f := range unacked {
		switch {
		case f.m != nil:
			messages = append(messages, f.m)
		case f.summary.ID != "":
			s.q.Release(f.summary.ID, f.summary.Kind)
		}
	}
	s.mu.Lock()
	s.out.renew(s.topic("status"), messages)
	s.mu.Unlock()
}

// maxJobTries is how many links a resend may be begun on; who asked asks again.
const maxJobTries = 5

func (s *session) giveBackJob(t *transfer) {
	if t.job.tries++; t.job.tries >= maxJobTries {
		s.memory.forget(t.key)
		return
	}
	s.memory.keep(t)
	s.mu.Lock()
	s.jobs = append(s.jobs, t.job)
	s.mu.Unlock()
}
