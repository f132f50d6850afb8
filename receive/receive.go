// Package receive is the other end of the wire: it puts pictures together from
// their pieces and keeps them, with their events' summaries, in an archive. It
// subscribes with a persistent session, so that the broker keeps what comes
// while it is away, compares each event's summary with what it has, and asks
// for what is missing (protocol.md, "A receiver").
package receive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/receive/archive"
)

// Options say what to receive. Only Link.URL is needed.
type Options struct {
	// Link is how to reach the broker. ClientID "" takes one made of the host's
	// name and the archive's directory, so that it stays the same; the session
	// is always a persistent one.
	Link mqtt.Options

	Base   string // topics stand under it; "" is pirwatch
	Camera string // one camera's name; "" or "+" is all of them

	// Topic is a filter to take pieces from instead of Base and Camera, for
	// cameras that speak the recipe of 2016 or Watson's topics. Nothing is asked
	// again there. The pictures are kept under Camera, else under the device's
	// id in a Watson topic, else under the topic with dots for slashes.
	Topic string

	Limits chunk.Limits // of each camera's unfinished pictures; zero fields take chunk's defaults
}

const (
	firstPause    = time.Second
	longestPause  = 10 * time.Second // whoever is away when a broker forgets its sessions misses what comes
	stableAfter   = time.Minute      // a link that held this long starts the pauses anew
	refusedPause  = 2 * time.Minute  // wrong credentials seldom mend in seconds
	sayGoodbye    = 3 * time.Second
	maxCameras    = 64
	maxHeld       = 256 << 20        // bytes of unfinished pictures, over all cameras
	idleAssembler = 10 * time.Minute // then an empty one is forgotten
)

// Stats counts since New.
type Stats struct {
	Connected  bool
	Pictures   uint64 // kept
	Duplicates uint64 // pieces that were there already
	Refused    uint64 // pieces and summaries
	Incomplete uint64 // pictures that stayed unfinished until their time-out
	Summaries  uint64 // kept
	Asked      uint64 // requests to send again
	GivenUp    uint64 // pictures that could not be had
	Failed     uint64 // pictures and summaries lost because the disk took nothing for too long
	Wanted     int    // pictures known to be missing now
}

// link is what is used of *mqtt.Link.
type link interface {
	Publish(topic string, payload []byte, qos byte, retain bool) mqtt.Token
	Subscribe(ctx context.Context, filters map[string]byte) error
	Lost() <-chan struct{}
	Err() error
	Close(ctx context.Context)
}

// Receiver is made with New; call Run once.
type Receiver struct {
	o        Options
	store    *archive.Archive
	log      *slog.Logger
	connect  func(context.Context, mqtt.Options, func(mqtt.Message)) (link, error)
	messages chan mqtt.Message

	mu    sync.Mutex
	link  link // nil while there is none
	links int  // so far
	stats Stats

	// Only the worker's.
	cameras map[string]*camera
	wants   map[wantKey]*want
	mute    map[string]muted
	recalls map[string]*recall
	began   time.Time // when it first subscribed
	asked   int       // links after which the cameras were asked which events there were

	unclosed map[eventKey]*unclosed
	closed   map[eventKey]bool

	unsaved      []kept // what the disk did not take, oldest first
	unsavedBytes int
	nextRetry    time.Time
}

// camera is one sender's unfinished pictures.
type camera struct {
	pieces *chunk.Assembler
	used   time.Time
}

// New prepares a Receiver; the archive stays the caller's, who also runs it.
func New(o Options, store *archive.Archive, log *slog.Logger) (*Receiver, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Base == "" {
		o.Base = "pirwatch"
	}
	if o.Camera == "" {
		o.Camera = "+"
	}
	if strings.ContainsAny(o.Base, "+#") || strings.HasPrefix(o.Base, "/") || strings.HasSuffix(o.Base, "/") {
		return nil, fmt.Errorf("receive: base %q: want levels without + and #, and no slash at either end", o.Base)
	}
	if o.Camera != "+" && strings.ContainsAny(o.Camera, "/+#") {
		return nil, fmt.Errorf("receive: camera %q: want one camera's name, or + for all", o.Camera)
	}
	if _, err := mqtt.ParseURL(o.Link.URL); err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	if o.Link.ClientID == "" {
		host, _ := os.Hostname()
		sum := sha256.Sum256([]byte(host + "\x00" + store.Dir() + "\x00" + o.Base + "\x00" + o.Camera + "\x00" + o.Topic))
		o.Link.ClientID = fmt.Sprintf("pirwatch-receive-%x", sum[:6])
	}
	o.Link.CleanSession = false
	return &Receiver{
		o: o, store: store, log: log, messages: make(chan mqtt.Message, 64),
		connect: func(ctx context.Context, o mqtt.Options, on func(mqtt.Message)) (link, error) {
			l, err := mqtt.Connect(ctx, o, on)
			if err != nil {
				return nil, err // not a link that holds nil
			}
			return l, nil
		},
		cameras: make(map[string]*camera), wants: make(map[wantKey]*want), mute: make(map[string]muted), recalls: make(map[string]*recall),
		unclosed: make(map[eventKey]*unclosed), closed: make(map[eventKey]bool),
	}, nil
}

// Stats returns the counters.
func (r *Receiver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Connected = r.link != nil
	return s
}

func (r *Receiver) count(change func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats)
}

// Run receives until ctx ends, over any number of connections.
func (r *Receiver) Run(ctx context.Context) error {
	var worker sync.WaitGroup
	working, stop := context.WithCancel(context.Background())
	worker.Go(func() { r.work(working) })
	r.keepLink(ctx)
	stop()
	worker.Wait()
	return ctx.Err()
}

// filters are the subscriptions.
func (r *Receiver) filters() map[string]byte {
	if r.o.Topic != "" {
		return map[string]byte{r.o.Topic: 1}
	}
	at := r.o.Base + "/" + r.o.Camera + "/"
	return map[string]byte{at + "chunk": 1, at + "history": 1, at + "last_event": 1, at + "resend/result": 1, at + "recall/result": 1, at + "status": 1}
}

// keepLink connects, and connects again after each loss, until ctx ends.
func (r *Receiver) keepLink(ctx context.Context) {
	pause := firstPause
	said := ""
	for {
		started := time.Now()
		err := r.session(ctx, func() { said = "" })
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > stableAfter {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause/2+1)
		pause = min(2*pause, longestPause)
		if errors.Is(err, mqtt.ErrCredentials) || errors.Is(err, mqtt.ErrClientID) {
			wait = refusedPause
		}
		if text := fmt.Sprint(err); text != said {
			said = text
			r.log.Warn("receive: no link to the broker", "err", err, "next_try", wait.Round(time.Second).String())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// session is one connection, from its opening to its end.
func (r *Receiver) session(ctx context.Context, up func()) error {
	l, err := r.connect(ctx, r.o.Link, func(m mqtt.Message) {
		select {
		case r.messages <- m:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return err
	}
	defer func() {
		r.mu.Lock()
		r.link = nil
		r.mu.Unlock()
		bye, cancel := context.WithTimeout(context.Background(), sayGoodbye)
		defer cancel()
		l.Close(bye)
	}()
	if err := l.Subscribe(ctx, r.filters()); err != nil {
		return err
	}
	r.mu.Lock()
	r.link = l
	r.links++
	r.mu.Unlock()
	up()
	r.log.Info("receive: connected", "client_id", r.o.Link.ClientID, "pictures_to", r.store.Dir())
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.Lost():
		return fmt.Errorf("link lost: %w", l.Err())
	}
}

// online returns the link, or nil.
func (r *Receiver) online() link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link
}

// muted is a kind of warning that was said lately.
type muted struct {
	at    time.Time
	times int
}

// warn says a warning at most once a minute for its kind, with how often it was kept quiet.
func (r *Receiver) warn(kind, message string, args ...any) {
	m := r.mute[kind]
	if !m.at.IsZero() && time.Since(m.at) < time.Minute {
		m.times++
		r.mute[kind] = m
		return
	}
	if m.times > 0 {
		args = append(args, "unsaid", m.times)
	}
	if len(r.mute) > 256 {
		clear(r.mute)
	}
	r.mute[kind] = muted{at: time.Now()}
	r.log.Warn(message, args...)
}
