package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// broker is a fake of one, for a synctest bubble: it takes messages after a
// delay each, and dies as told.
type broker struct {
	t     *testing.T
	delay time.Duration // from Publish to acknowledgement

	mu      sync.Mutex
	refuse  error                                   // of the next dials
	kill    func(topic string, payload []byte) bool // hang up instead of acknowledging
	mute    bool                                    // acknowledge nothing
	got     []got                                   // acknowledged, in order
	seen    []got                                   // arrived, acknowledged or not
	dials   []time.Time
	links   []*fakeLink
	wills   []mqtt.Will
	subs    map[string]byte
	maxOpen int // most unacknowledged pieces at a time
	open    int
}

type got struct {
	at      time.Time
	topic   string
	payload string
	qos     byte
	retain  bool
}

type token struct {
	done chan struct{}
	err  error
}

func (t *token) Done() <-chan struct{} { return t.done }
func (t *token) Error() error          { return t.err }

type fakeLink struct {
	b       *broker
	on      func(mqtt.Message)
	mu      sync.Mutex
	waiting []*token
	lost    chan struct{}
	err     error
	closed  bool
	wire    chan func()
}

func newBroker(t *testing.T) *broker { return &broker{t: t, delay: time.Millisecond} }

func (b *broker) dial(ctx context.Context, will mqtt.Will, on func(mqtt.Message)) (Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials = append(b.dials, time.Now())
	if b.refuse != nil {
		return nil, b.refuse
	}
	l := &fakeLink{b: b, on: on, lost: make(chan struct{}), wire: make(chan func(), 100_000)}
	b.links = append(b.links, l)
	b.wills = append(b.wills, will)
	b.open = 0
	go func() {
		for f := range l.wire {
			f()
		}
	}()
	return l, nil
}

func (l *fakeLink) Publish(topic string, payload []byte, qos byte, retain bool) mqtt.Token {
	tok := &token{done: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		tok.err = errors.New("not connected")
		close(tok.done)
		return tok
	}
	l.waiting = append(l.waiting, tok)
	m := got{time.Now(), topic, string(payload), qos, retain}
	piece := strings.HasSuffix(topic, "/chunk")
	l.b.mu.Lock()
	if piece {
		l.b.open++
		l.b.maxOpen = max(l.b.maxOpen, l.b.open)
	}
	l.b.mu.Unlock()
	due := time.Now().Add(l.b.delay)
	l.wire <- func() {
		time.Sleep(time.Until(due))
		b := l.b
		b.mu.Lock()
		select {
		case <-l.lost:
			b.mu.Unlock()
			return
		default:
		}
		b.seen = append(b.seen, m)
		kill := b.kill != nil && b.kill(topic, payload)
		mute := b.mute
		if !kill && !mute {
			b.got = append(b.got, m)
			if piece {
				b.open--
			}
		}
		b.mu.Unlock()
		switch {
		case kill:
			l.die(mqtt.ErrClosedByBroker)
		case !mute:
			l.ack(tok)
		}
	}
	return tok
}

func (l *fakeLink) ack(tok *token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	for i, w := range l.waiting {
		if w == tok {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			close(tok.done)
			return
		}
	}
}

func (l *fakeLink) die(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, w := range l.waiting {
		w.err = errors.New("connection lost")
		close(w.done)
	}
	l.err = err
	close(l.lost)
	close(l.wire)
}

func (l *fakeLink) Buffered() int         { return 0 }
func (l *fakeLink) Lost() <-chan struct{} { return l.lost }
func (l *fakeLink) Unsubscribe(...string) {}
func (l *fakeLink) Close(context.Context) { l.die(nil) }
func (l *fakeLink) Subscribe(_ context.Context, f map[string]byte) error {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.b.subs = f
	return nil
}
func (l *fakeLink) Err() error {
	select {
	case <-l.lost:
		return l.err
	default:
		return nil
	}
}

// cut ends the newest link.
func (b *broker) cut(err error) {
	b.mu.Lock()
	l := b.links[len(b.links)-1]
	b.mu.Unlock()
	l.die(err)
}

func (b *broker) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// deliver sends a message to the camera.
func (b *broker) deliver(topic, payload string, retained bool) {
	b.mu.Lock()
	l := b.links[len(b.links)-1]
	b.mu.Unlock()
	l.on(mqtt.Message{Topic: topic, Payload: []byte(payload), Retained: retained})
}

// topics lists what was acknowledged, without the base, runs of one topic as
// one, from the n-th message on.
func (b *broker) topics(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, m := range b.got[min(n, len(b.got)):] {
		name := strings.TrimPrefix(m.topic, "pirwatch/cam/")
		if len(out) == 0 || out[len(out)-1] != name {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// on lists the payloads acknowledged on a topic.
func (b *broker) on(name string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, m := range b.got {
		if strings.TrimPrefix(m.topic, "pirwatch/cam/") == name {
			out = append(out, m.payload)
		}
	}
	return out
}

func (b *broker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

// pictures reassembles what came, and returns the ids in order of completion.
func (b *broker) pictures() (ids []string, pics map[string]*chunk.Picture) {
	a := chunk.NewAssembler(chunk.Limits{})
	pics = map[string]*chunk.Picture{}
	for _, payload := range b.on("chunk") {
		r, err := a.Add(time.Now(), []byte(payload))
		if err != nil {
			b.t.Errorf("reassembly: %v", err)
		}
		if r.Done != nil {
			ids = append(ids, r.Done.PicID)
			pics[r.Done.PicID] = r.Done
		}
	}
	return ids, pics
}

// last returns the newest payload on a topic, decoded.
func last[T any](b *broker, name string) (v T) {
	all := b.on(name)
	if len(all) == 0 {
		b.t.Fatalf("nothing on %s", name)
	}
	if err := json.Unmarshal([]byte(all[len(all)-1]), &v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

// rig is a Publisher that runs against a fake broker.
type rig struct {
	*Publisher
	b    *broker
	q    *queue.Queue
	log  *strings.Builder
	stop func()
}

// start runs a Publisher in the bubble; opt may change its options.
func start(t *testing.T, b *broker, q *queue.Queue, opt func(*Options)) *rig {
	t.Helper()
	if q == nil {
		q = openQueue(t, queue.Options{})
	}
	o := Options{Base: "pirwatch", Camera: "cam", ClientID: "pirwatch-cam", ChunkSize: 100}
	if opt != nil {
		opt(&o)
	}
	r := &rig{b: b, q: q, log: &strings.Builder{}}
	r.Publisher = New(o, q, b.dial, slog.New(slog.NewTextHandler(r.log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(r.stop)
	return r
}

func openQueue(t *testing.T, o queue.Options) *queue.Queue {
	t.Helper()
	q, err := queue.Open(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

const evID = "01K5ZQ8V4W5X6Y7Z8A9B0C1D2E"

// eventID makes ids that sort as n does.
func eventID(n int) string { return fmt.Sprintf("01K5ZQ8V4W5X6Y7Z8A9B0C%04d", n) }

func picID(event string, seq int) string { return fmt.Sprintf("%s-%02d", event, seq) }

// jpegOf makes the bytes of a picture; each is different.
func jpegOf(event string, seq, n int) []byte {
	b := make([]byte, n)
	copy(b, fmt.Sprintf("\xff\xd8%s %d", event, seq))
	copy(b[n-2:], "\xff\xd9")
	return b
}

// shoot hands over pictures of an event, n bytes each.
func (r *rig) shoot(event string, from, to, n int) {
	for seq := from; seq < to; seq++ {
		r.Picture(Picture{PicID: picID(event, seq), EventID: event, Seq: seq, Taken: time.Now(), JPEG: jpegOf(event, seq, n)})
	}
}

// whole runs a whole event of pictures.
func (r *rig) whole(event string, pictures, n int) {
	began := time.Now()
	r.Open(Event{ID: event, StartedAt: began, Trigger: "pir"})
	r.shoot(event, 0, pictures, n)
	r.Close(Event{ID: event, StartedAt: began, EndedAt: time.Now(), Trigger: "pir"})
}
