package receive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/receive/archive"
)

// wire is a broker's end in memory.
type wire struct {
	mu    sync.Mutex
	fail  error // of the next connections
	opens []time.Time
	o     mqtt.Options
	on    func(mqtt.Message)
	subs  map[string]byte
	sent  []mqtt.Message
	lost  chan struct{}
}

type done struct{}

func (done) Done() <-chan struct{} { c := make(chan struct{}); close(c); return c }
func (done) Error() error          { return nil }

func (w *wire) connect(_ context.Context, o mqtt.Options, on func(mqtt.Message)) (link, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opens = append(w.opens, time.Now())
	if w.fail != nil {
		return nil, w.fail
	}
	w.o, w.on, w.lost = o, on, make(chan struct{})
	return w, nil
}

func (w *wire) Publish(topic string, payload []byte, qos byte, retain bool) mqtt.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, mqtt.Message{Topic: topic, Payload: payload, QoS: qos, Retained: retain})
	return done{}
}

func (w *wire) Subscribe(_ context.Context, filters map[string]byte) error {
	w.subs = filters
	return nil
}
func (w *wire) Lost() <-chan struct{} { return w.lost }
func (w *wire) Err() error            { return errors.New("cut") }
func (w *wire) Close(context.Context) {}

// asked returns the pictures that were asked for, as "topic payload", and
// forgets them.
func (w *wire) asked() []string { return w.take("/resend") }

// take returns what was sent to topics that end so, and forgets it.
func (w *wire) take(end string) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = slices.DeleteFunc(w.sent, func(m mqtt.Message) bool {
		if !strings.HasSuffix(m.Topic, end) {
			return false
		}
		out = append(out, m.Topic+" "+string(m.Payload))
		return true
	})
	return out
}

type bench struct {
	*wire
	r     *Receiver
	store *archive.Archive
	dir   string
	log   *journal
}

// journal is a log that may be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// run starts a Receiver in the synctest bubble of t, with a link that is up.
func run(t *testing.T, dir string, o Options) *bench {
	t.Helper()
	store, err := archive.Open(dir, archive.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{wire: &wire{}, store: store, dir: dir, log: &journal{}}
	o.Link.URL = "mqtt://broker"
	b.r, err = New(o, store, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	b.r.connect = b.connect
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		store.Close()
	})
	synctest.Wait()
	return b
}

func (b *bench) get(topic string, payload []byte) {
	b.on(mqtt.Message{Topic: topic, Payload: payload, QoS: 1})
	synctest.Wait()
}

var taken = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // synctest's beginning

func picture(event string, seq int) chunk.Picture {
	jpeg := append([]byte{0xff, 0xd8}, bytes.Repeat([]byte{byte(seq + 1)}, 10_000)...)
	return chunk.Picture{PicID: fmt.Sprintf("%s-%02d", event, seq), EventID: event, Seq: seq, Taken: taken.Add(time.Duration(seq) * time.Second),
		JPEG: append(jpeg, 0xff, 0xd9), Box: &[4]float64{.1, .2, .3, .4}}
}

// send sends a picture's pieces but those left out.
func (b *bench) send(topic string, f chunk.Format, p chunk.Picture, without ...int) {
	s := f.Split(p)
	for pos := range s.Pieces() {
		if !containsInt(without, pos) {
			b.get(topic, s.Append(nil, pos))
		}
	}
}

func containsInt(list []int, v int) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

func closed(event string, pictures, queued int) []byte {
	var ids []string
	for i := range pictures {
		ids = append(ids, fmt.Sprintf("%s-%02d", event, i))
	}
	text, _ := json.Marshal(map[string]any{"phase": "closed", "event_id": event, "started_at": taken, "pic_ids": ids, "queued": queued, "cover": event + "-00"})
	return text
}
