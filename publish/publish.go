// Package publish delivers what a camera has to tell to an MQTT broker: states
// first, the pictures of an event in pieces and in order, and late, from the
// queue, what could not be delivered at once. protocol.md is the specification;
// docs/delivery.md explains the rules.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// Wire names the form in which pictures and states are sent.
type Wire string

const (
	Standard Wire = "standard" // pirwatch's own
	Recipe   Wire = "recipe"   // pieces for pages written after the 2016 recipe
	Watson   Wire = "watson"   // the recipe's pieces under IBM Watson IoT Platform's conventions
)

// Options of a Publisher. Zero values mean the defaults named.
type Options struct {
	Base, Camera string // topics stand under <base>/<camera>/; not used by Watson
	ClientID     string // only for what is told to the owner
	Wire         Wire   // Standard
	ChunkSize    int    // base64 characters a piece; 3000
	Envelope     chunk.Envelope
	Base64       bool // image/base64 too
	DataURI      bool // image/datauri too

	Limits         Limits  // of the broker; BrokerLimits("mosquitto")
	Window         int     // unacknowledged pieces; 32
	PiecesPerSec   float64 // on average; 0 = unlimited
	PieceBurst     int     // pieces at once; 500
	BytesPerSecond int     // of pieces, on average; 0 = unlimited
	Backoff        Backoff
	RecentBytes    int           // delivered JPEGs kept for resend; 4 MB
	StopGrace      time.Duration // for what is finished when Run's context ends; 3 s

	Clock Clock // nil: the time is right

	// Shrink makes a JPEG of at most max bytes, for covers larger than the broker's
	// largest packet. Without it such a cover is not published.
	Shrink func(jpeg []byte, max int) ([]byte, error)
	// Lookup finds a picture in the archive, to answer resend.
	Lookup func(picID string) (jpeg []byte, taken time.Time, ok bool)
	// Archived lists the events of the archive that started in [from, to), newest
	// first, at most so many: to answer recall, and to restore what a broker lost.
	Archived func(from, to time.Time, most int) []ArchivedEvent
	// LongestEvent is how long before a span an event may have begun that ended in it.
	LongestEvent time.Duration
	// OnCommand is told of commands: armed/set, trigger/set, cooldown/set,
	// sensitivity/set, masks/set, capture and tune. It must not block.
	OnCommand func(name string, payload []byte, retained bool)
	// OnMessage has a function for each further full topic to subscribe to.
	OnMessage map[string]func(payload []byte, retained bool)
	// OnChange is told that Health's Broker has changed. It must not block.
	OnChange func()
	// OnSummary gets the JSON summary of an event when it closes.
	OnSummary func(eventID string, started time.Time, summary []byte)
}

func (o *Options) setDefaults() {
	if o.Wire == "" {
		o.Wire = Standard
	}
	if o.ChunkSize <= 0 {
		o.ChunkSize = chunk.DefaultSize
	}
	if o.Limits == (Limits{}) {
		o.Limits, _ = BrokerLimits("mosquitto")
	}
	if o.Window <= 0 {
		o.Window = 32
	}
	if o.Limits.Window > 0 {
		o.Window = min(o.Window, o.Limits.Window)
	}
	if o.PieceBurst <= 0 {
		o.PieceBurst = 500
	}
	if most := o.Limits.PiecesPerSec; most > 0 && (o.PiecesPerSec <= 0 || o.PiecesPerSec > most) {
		o.PiecesPerSec, o.PieceBurst = most, min(o.PieceBurst, max(1, int(most)))
	}
	if most := o.Limits.BytesPerSecond; most > 0 && (o.BytesPerSecond <= 0 || o.BytesPerSecond > most) {
		o.BytesPerSecond = most
	}
	if o.RecentBytes == 0 {
		o.RecentBytes = 4 << 20
	}
	if o.StopGrace <= 0 {
		o.StopGrace = 3 * time.Second
	}
	// A piece must fit the broker's largest packet, its envelope and head included.
	if most := o.Limits.Packet - pieceOverhead; o.Limits.Packet > 0 && o.ChunkSize > most {
		o.ChunkSize = max(4, most)
	}
	o.Backoff.setDefaults()
}

// pieceOverhead is more than a piece has beside its characters: topic, ids,
// hash, box, escaped quotes.
const pieceOverhead = 1024

// Link is one connection to a broker; mqtt.Link is the real one.
type Link interface {
	Publish(topic string, payload []byte, qos byte, retain bool) mqtt.Token
	Buffered() int
	Subscribe(ctx context.Context, filters map[string]byte) error
	Unsubscribe(filters ...string)
	Lost() <-chan struct{}
	Err() error
	Close(ctx context.Context)
}

// Dialer opens a connection whose last will is given.
type Dialer func(ctx context.Context, will mqtt.Will, onMessage func(mqtt.Message)) (Link, error)

// Broker returns the Dialer of a real broker. Will and CleanSession of o are
// set here: commands that were sent while the camera was away must not reach it
// late.
func Broker(o mqtt.Options) Dialer {
	return func(ctx context.Context, will mqtt.Will, onMessage func(mqtt.Message)) (Link, error) {
		o := o
		o.Will, o.CleanSession = &will, true
		link, err := mqtt.Connect(ctx, o, onMessage)
		if err != nil {
			return nil, err
		}
		return link, nil
	}
}

// Publisher is the camera's voice at the broker. Its methods are for use by any
// goroutine and never wait for the network.
type Publisher struct {
	o      Options
	q      *queue.Queue
	dial   Dialer
	log    *slog.Logger
	format chunk.Format
	clock  Clock
	run    string // names this run of the process in what outlives it
	pace   *pacer
	memory memory // of transfers, from one connection to the next

	wake     chan struct{} // something to send, beside the queue
	resends  chan resendCommand
	recalls  chan recallCommand
	restores chan struct{}

	mu       sync.Mutex
	out      outbox
	book     book
	recent   recent
	jobs     []*job // resends to do
	status   Health
	online   bool
	fresh    bool          // a picture came: it may go before what is under way
	began    bool          // an event, in this run
	heard    chan struct{} // closed when the retained last_event has come; nil: it is not waited for
	asked    int           // links on which it was asked for
	retained string        // the event it is about
	settled  bool          // what the broker has retained is known, and put right
	supp     time.Time
	imageOf  string // event of the cover published last
	counters struct{ resends, expired, fresh uint64 }
}

// New returns a Publisher that delivers from q through dial; log may be nil. It
// takes q's OnDrop.
func New(o Options, q *queue.Queue, dial Dialer, log *slog.Logger) *Publisher {
	o.setDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{
		o: o, q: q, dial: dial, log: log, clock: o.Clock,
		format:   chunk.Format{Size: o.ChunkSize, Envelope: o.Envelope, Recipe: o.Wire != Standard},
		run:      fmt.Sprintf("%08x", rand.Uint32()),
		pace:     newPacer(o),
		memory:   newMemory(),
		wake:     make(chan struct{}, 1),
		resends:  make(chan resendCommand, maxJobs),
		recalls:  make(chan recallCommand, maxRecalls),
		restores: make(chan struct{}, 1),
		out:      newOutbox(),
		book:     newBook(),
		recent:   recent{max: o.RecentBytes},
	}
	if p.clock == nil {
		p.clock = rightClock{}
	}
	p.status.Broker = "connecting"
	p.out.set(p.message("status", []byte("online"), true))
	q.OnDrop(p.dropped)
	return p
}

// Run keeps a connection to the broker and delivers through it until ctx ends.
// Then what is finished goes out for Options.StopGrace, "offline" is published
// and the link closed. It returns nil.
func (p *Publisher) Run(ctx context.Context) error {
	var answering sync.WaitGroup
	answering.Go(func() { p.answerResends(ctx) })
	answering.Go(func() { p.readArchive(ctx) })
	defer answering.Wait()
	tries := retries{o: p.o.Backoff}
	for ctx.Err() == nil {
		p.setBroker("connecting", nil, time.Time{})
		link, err := p.dial(ctx, p.will(), p.incoming)
		p.memory.connected(err == nil)
		what := "no link to the broker"
		if err == nil {
			p.log.Info("link to the broker is up", "tries", tries.failed()+1)
			start := time.Now()
			err = p.serve(ctx, link)
			p.noteThrown(&tries, err, time.Since(start))
			tries.lived(time.Since(start))
			what = "link to the broker lost"
		}
		if ctx.Err() != nil {
			break
		}
		state, wait := "waiting", tries.next()
		if errors.Is(err, mqtt.ErrCredentials) || errors.Is(err, mqtt.ErrClientID) || errors.Is(err, mqtt.ErrProtocol) {
			state, wait = "refused", tries.refused()
		}
		p.setBroker(state, err, time.Now().Add(wait))
		// Aloud when the reason is new or the number of tries has doubled.
		level := slog.LevelDebug
		if tries.news(err) {
			level = slog.LevelWarn
		}
		p.log.Log(ctx, level, what, "error", err, "next_try_in", wait.Round(100*time.Millisecond), "tries", tries.failed())
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	p.setBroker("off", nil, time.Time{})
	return nil
}

// noteThrown counts links that the broker closed soon after it took them, and
// says what that most often means.
func (p *Publisher) noteThrown(r *retries, err error, lived time.Duration) {
	if !errors.Is(err, mqtt.ErrClosedByBroker) || lived >= p.o.Backoff.Stable {
		r.thrown = 0
		return
	}
	if r.thrown++; r.thrown == 3 {
		p.log.Warn("the broker closes the link again and again: most likely another client takes it over: are there two cameras of one name?",
			"camera", p.o.Camera, "client_id", p.o.ClientID)
	}
}

func (p *Publisher) will() mqtt.Will {
	m := p.message("status", []byte("offline"), true)
	return mqtt.Will{Topic: m.topic, Payload: m.payload, QoS: m.qos, Retain: m.retain}
}

func (p *Publisher) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// incoming sorts what comes from the broker. It runs on the link's goroutine.
func (p *Publisher) incoming(m mqtt.Message) {
	if f := p.o.OnMessage[m.Topic]; f != nil {
		f(m.Payload, m.Retained)
		return
	}
	if m.Topic == p.topic("last_event") {
		p.adopt(m)
		return
	}
	name, payload, ok := p.command(m)
	switch {
	case !ok:
		p.log.Debug("message on a topic that is no command", "topic", m.Topic)
	case name == "resend":
		p.resend(payload, m.Retained)
	case name == "recall":
		if p.o.Wire == Standard { // else a picture that is sent again has another name
			p.recall(payload, m.Retained)
		}
	case p.o.OnCommand != nil:
		p.o.OnCommand(name, payload, m.Retained)
	}
}

// subscriptions are the topics that a link needs, and a channel that is closed
// when what the broker has retained has come; nil where it is not waited for.
func (p *Publisher) subscriptions() (filters map[string]byte, heard <-chan struct{}) {
	filters = map[string]byte{}
	for topic := range p.o.OnMessage {
		filters[topic] = p.o.Limits.qos()
	}
	if p.o.Wire == Watson {
		filters["iot-2/cmd/+/fmt/json"] = p.o.Limits.qos()
		return filters, nil
	}
	for _, name := range []string{"+/set", "capture", "tune", "resend"} {
		filters[p.topic(name)] = p.o.Limits.qos()
	}
	if p.o.Wire == Standard {
		filters[p.topic("recall")] = p.o.Limits.qos()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.o.Limits.Retain && !p.settled && !p.began && p.asked < maxAsked {
		p.asked++
		filters[p.topic("last_event")] = p.o.Limits.qos()
		p.heard = make(chan struct{})
		heard = p.heard
	}
	return filters, heard
}

// Health is the Publisher's part of the health message.
type Health struct {
	Broker      string    // ok, connecting, waiting, refused, off
	Err         string    // why there is no link
	NextTry     time.Time // when it is tried again; zero while ok or connecting
	Pictures    int       // queued
	Bytes       int64     // queued
	Oldest      time.Duration
	Dropped     uint64 // pictures given up since the start, quarantined ones included
	Quarantined uint64
	Resends     uint64 // resend commands for incomplete pictures, answered or not
	Expired     uint64 // event messages that were too old to be sent
	Disk        string // ok, full, readonly, failing
}

// Health returns the present state.
func (p *Publisher) Health() Health {
	s := p.q.Stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.status
	h.Pictures, h.Bytes, h.Oldest, h.Disk = s.Pictures, s.Bytes, s.Oldest, s.Disk
	h.Dropped, h.Quarantined = s.Dropped, s.Quarantined
	h.Resends, h.Expired = p.counters.resends, p.counters.expired
	return h
}

func (p *Publisher) setBroker(state string, err error, next time.Time) {
	p.mu.Lock()
	changed := p.status.Broker != state
	p.status.Broker, p.status.NextTry, p.status.Err = state, next, ""
	if err != nil {
		p.status.Err = err.Error()
	}
	p.online = state == "ok"
	if !p.online {
		p.out.forgetSends()
	}
	p.mu.Unlock()
	if changed && p.o.OnChange != nil {
		p.o.OnChange()
	}
}

// State sets a retained state, whose name is relative to <base>/<camera>/. The
// newest wins; it is published at once or as soon as there is a link, and again
// after every reconnect. health goes with QoS 0. The Publisher takes the bytes.
func (p *Publisher) State(name string, payload []byte) {
	m := p.message(name, payload, true)
	if name == "health" {
		m.qos = 0
	}
	p.setState(m)
}

// Retain is State for a full topic. A nil payload deletes what the broker
// keeps there.
func (p *Publisher) Retain(topic string, payload []byte) {
	if p.o.Wire == Watson {
		return // there are no such topics
	}
	p.setState(&message{topic: topic, payload: payload, qos: p.o.Limits.qos(), retain: p.o.Limits.Retain})
}

func (p *Publisher) setState(m *message) {
	p.mu.Lock()
	p.out.set(m)
	p.mu.Unlock()
	p.wakeUp()
}

// Send publishes with QoS 0, not retained: what is not sent soon is replaced by
// the next of that name, and dropped while there is no link.
func (p *Publisher) Send(name string, payload []byte) {
	if p.o.Wire == Watson && strings.HasPrefix(name, "live") {
		return // no whole images
	}
	m := p.message(name, payload, false)
	m.qos = 0
	if p.o.Limits.Packet > 0 && len(m.payload)+len(m.topic)+16 > p.o.Limits.Packet {
		return
	}
	p.mu.Lock()
	if p.online {
		p.out.send(m)
	}
	p.mu.Unlock()
	p.wakeUp()
}
