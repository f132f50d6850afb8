//go:build peers

package peers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pirwatch/publish"
	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// linkFault is what a faultProxy does to the connections through it. Bytes are counted
// for each connection and direction: up is towards the broker.
type linkFault struct {
	name      string
	first     int           // only the first so many connections; 0 = all
	delay     time.Duration // each way
	rate      int           // bytes a second, each way
	tiny      bool          // one to seven bytes at a time
	cutUp     int           // close both ends after so many bytes
	cutDown   int
	reset     bool // close with RST
	stallUp   int  // forward nothing more after so many bytes, and keep the connection
	stallDown int
	drop      bool          // accept, then close
	mute      bool          // accept, then say nothing
	every     time.Duration // cut each connection at a random age up to this
	rival     bool          // another client with the same id comes again and again
	rounds    int           // the broker is killed and started so many times
}

// faultProxy stands between a client and a broker and does as its linkFault says.
type faultProxy struct {
	net.Listener
	target string
	fault  linkFault
	n      atomic.Int32 // connections so far

	mu    sync.Mutex
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

func newFaultProxy(t *testing.T, target string, f linkFault) *faultProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{Listener: l, target: target, fault: f, conns: map[net.Conn]bool{}}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.all.Wait()
	})
	return p
}

func (p *faultProxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
}

func (p *faultProxy) close(c net.Conn, reset bool) {
	if tcp, ok := c.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *faultProxy) serve(client net.Conn) {
	f := p.fault
	if n := int(p.n.Add(1)); f.first > 0 && n > f.first {
		f = linkFault{}
	}
	p.keep(client)
	if f.drop {
		p.close(client, f.reset)
		return
	}
	if f.mute {
		io.Copy(io.Discard, client)
		p.close(client, false)
		return
	}
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		p.close(client, false)
		return
	}
	p.keep(broker)
	end := sync.OnceFunc(func() {
		p.close(client, f.reset)
		p.close(broker, f.reset)
	})
	if f.every > 0 {
		timer := time.AfterFunc(rand.N(f.every), end)
		defer timer.Stop()
	}
	var both sync.WaitGroup
	both.Go(func() { p.pipe(f, broker, client, f.cutUp, f.stallUp); end() })
	both.Go(func() { p.pipe(f, client, broker, f.cutDown, f.stallDown); end() })
	both.Wait()
}

// pipe copies from src to dst until one of them or the linkFault ends it.
func (p *faultProxy) pipe(f linkFault, dst, src net.Conn, cut, stall int) {
	type part struct {
		due  time.Time
		data []byte
	}
	parts := make(chan part, 256)
	var writing sync.WaitGroup
	writing.Go(func() {
		for d := range parts {
			time.Sleep(time.Until(d.due))
			if _, err := dst.Write(d.data); err != nil {
				src.Close()
			}
		}
	})
	defer writing.Wait()
	defer close(parts)
	free := time.Now() // when the line has sent what it has
	for n := 0; ; {
		buf := make([]byte, 4096)
		if f.tiny {
			buf = buf[:1+rand.IntN(7)]
		}
		if cut > 0 {
			buf = buf[:min(len(buf), cut-n)]
		}
		k, err := src.Read(buf)
		if err != nil {
			return
		}
		if stall > 0 && n+k > stall {
			<-closedHere(src) // nobody reads any more until someone closes
			return
		}
		n += k
		if f.rate > 0 {
			free = laterOf(free, time.Now()).Add(time.Duration(k) * time.Second / time.Duration(f.rate))
		}
		parts <- part{laterOf(free, time.Now()).Add(f.delay), buf[:k]}
		if cut > 0 && n >= cut {
			return
		}
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// closedHere is closed when a connection that nobody reads is closed by this side.
func closedHere(c net.Conn) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return done
}

// camera is a Publisher with what belongs to it, at work.
type sender struct {
	*publish.Publisher
	queue *queue.Queue
	stop  func()
}

// startSender runs a Publisher that connects as o says, with short pauses.
func startSender(t *testing.T, o mqtt.Options, change func(*publish.Options)) *sender {
	t.Helper()
	q, err := queue.Open(queue.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.ClientID = "pirwatch-cam"
	p := publish.Options{Base: "pirwatch", Camera: "cam", ClientID: o.ClientID,
		Backoff: publish.Backoff{First: 50 * time.Millisecond, Longest: 500 * time.Millisecond, Refused: time.Second}}
	if change != nil {
		change(&p)
	}
	c := &sender{Publisher: publish.New(p, q, publish.Broker(o), senderLog(t)), queue: q}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	c.stop = func() { cancel(); <-done }
	t.Cleanup(c.stop)
	return c
}

// shoot hands over an event of n pictures of size bytes each, and returns them.
func (c *sender) shoot(event string, n, size int) map[string][]byte {
	sent := map[string][]byte{}
	rng := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", event))))
	began := time.Now()
	c.Open(publish.Event{ID: event, StartedAt: began, Trigger: "pir"})
	for seq := range n {
		jpeg := make([]byte, size)
		rng.Read(jpeg)
		copy(jpeg, "\xff\xd8")
		copy(jpeg[size-2:], "\xff\xd9")
		id := fmt.Sprintf("%s-%02d", event, seq)
		sent[id] = jpeg
		c.Picture(publish.Picture{PicID: id, EventID: event, Seq: seq, Taken: time.Now(), JPEG: jpeg})
	}
	c.Close(publish.Event{ID: event, StartedAt: began, EndedAt: time.Now(), Trigger: "pir"})
	return sent
}

// collector is a subscriber that reassembles pictures and notes everything else.
type collector struct {
	mu       sync.Mutex
	link     *mqtt.Link
	pieces   *chunk.Assembler
	pictures map[string][]byte
	messages []mqtt.Message
	refused  []error
}

func newCollector(t *testing.T, o mqtt.Options) *collector {
	t.Helper()
	a := &collector{pieces: chunk.NewAssembler(chunk.Limits{}), pictures: map[string][]byte{}}
	o.ClientID, o.CleanSession = "album", true
	var err error
	await(t, "the subscriber to connect", 60*time.Second, func() bool {
		a.link, err = mqtt.Connect(t.Context(), o, a.take)
		return err == nil
	})
	t.Cleanup(func() { a.link.Close(context.Background()) })
	if err := a.link.Subscribe(t.Context(), map[string]byte{"pirwatch/cam/#": 1}); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *collector) take(m mqtt.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.Topic != "pirwatch/cam/chunk" {
		a.messages = append(a.messages, m)
		return
	}
	r, err := a.pieces.Add(time.Now(), m.Payload)
	if err != nil {
		a.refused = append(a.refused, err)
	}
	if r.Done != nil {
		a.pictures[r.Done.PicID] = r.Done.JPEG
	}
}

// on lists what came on a topic below the camera's.
func (a *collector) on(name string) (payloads []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.messages {
		if m.Topic == "pirwatch/cam/"+name {
			payloads = append(payloads, string(m.Payload))
		}
	}
	return payloads
}

func (a *collector) have() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.pictures)
}

// compare fails the test unless exactly the pictures sent came, byte for byte.
func (a *collector) compare(t *testing.T, sent map[string][]byte) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, jpeg := range sent {
		if !bytes.Equal(a.pictures[id], jpeg) {
			t.Errorf("picture %s: %d bytes came of %d", id, len(a.pictures[id]), len(jpeg))
		}
	}
	if len(a.pictures) != len(sent) || len(a.refused) > 0 {
		t.Errorf("%d pictures came of %d; refused: %v", len(a.pictures), len(sent), a.refused)
	}
}

const linkEvent1, linkEvent2 = "01K5ZQ8V4W5X6Y7Z8A9B0C0001", "01K5ZQ8V4W5X6Y7Z8A9B0C0002"

// Whatever the network does, nothing is lost, nothing comes under two ids,
// nothing is put aside, and memory stays bounded.
func TestNetworkFaults(t *testing.T) {
	for _, f := range []linkFault{
		{name: "delay", delay: 150 * time.Millisecond},
		{name: "rate limit", rate: 300_000},
		{name: "tiny segments", tiny: true},
		{name: "cut after 100 kB up", cutUp: 100_000},
		{name: "reset after 100 kB up", cutUp: 100_000, reset: true},
		{name: "cut after 200 bytes down", cutDown: 200},
		{name: "stall up", stallUp: 50_000, first: 3},
		{name: "stall down", stallDown: 100, first: 3},
		{name: "half-open from the start", mute: true, first: 2},
		{name: "accept, then drop", drop: true, first: 6},
		{name: "cut at random", every: 400 * time.Millisecond, rate: 600_000},
		{name: "duplicate connects", rival: true, rate: 600_000},
		{name: "broker restarts", rounds: 6, rate: 600_000},
	} {
		t.Run(f.name, func(t *testing.T) { f.test(t) })
	}
}

func (f linkFault) test(t *testing.T) {
	b := mosquitto(t)
	p := newFaultProxy(t, b.addr, f)
	o := mqtt.Options{URL: "mqtt://" + p.Addr().String(), KeepAlive: time.Second, WriteTimeout: time.Second, ConnectTimeout: 2 * time.Second}
	var a *collector
	if f.rounds == 0 {
		a = newCollector(t, mqtt.Options{URL: "mqtt://" + b.addr})
	} else {
		a = newReturningCollector(t, b)
	}
	peak := watchHeap(t)
	c := startSender(t, o, nil)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("health %+v, queue %+v, %d pictures, refused %v", c.Health(), c.queue.Stats(), a.have(), a.refused)
			t.Logf("last_event %v", a.on("last_event"))
		}
	})
	sent := c.shoot(linkEvent1, 6, 60_000)
	switch {
	case f.rival:
		for range 8 {
			time.Sleep(100 * time.Millisecond) // lets the camera get somewhere
			rival, err := mqtt.Connect(t.Context(), mqtt.Options{URL: "mqtt://" + b.addr, ClientID: "pirwatch-cam", CleanSession: true}, nil)
			if err == nil {
				rival.Close(t.Context())
			}
		}
	case f.rounds > 0:
		for range f.rounds {
			time.Sleep(150 * time.Millisecond)
			b.proc.kill()
			b.start(t)
		}
	}
	if f.rounds > 0 {
		// What a killed broker had acknowledged and then lost is asked for again.
		await(t, "the queue to empty", 120*time.Second, func() bool { s := c.queue.Stats(); return s.Pictures+s.Summaries == 0 })
		await(t, "all pictures to arrive", 120*time.Second, func() bool { return a.askAgain(sent) })
	}
	await(t, "all pictures to arrive", 120*time.Second, func() bool { return a.have() == len(sent) })
	a.compare(t, sent)
	await(t, "the queue to empty", 60*time.Second, func() bool { s := c.queue.Stats(); return s.Pictures+s.Summaries == 0 })
	if h := c.Health(); h.Quarantined != 0 || h.Dropped != 0 {
		t.Errorf("health %+v", h)
	}
	if most := peak(); most > 48<<20 {
		t.Errorf("heap grew to %d MB", most>>20)
	}
	t.Logf("%d connections", p.n.Load())
}

// newReturningCollector is a collector that comes back when its broker does.
func newReturningCollector(t *testing.T, b *broker) *collector {
	a := newCollector(t, mqtt.Options{URL: "mqtt://" + b.addr})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			select {
			case <-a.current().Lost():
			case <-ctx.Done():
				return
			}
			a.current().Close(ctx)
			l, err := mqtt.Connect(ctx, mqtt.Options{URL: "mqtt://" + b.addr, ClientID: "album", CleanSession: true}, a.take)
			if err != nil {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			l.Subscribe(ctx, map[string]byte{"pirwatch/cam/#": 1})
			a.mu.Lock()
			a.link = l
			a.mu.Unlock()
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return a
}

func (a *collector) current() *mqtt.Link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

// askAgain asks for what did not come, and tells whether everything has.
func (a *collector) askAgain(sent map[string][]byte) bool {
	for id := range sent {
		a.mu.Lock()
		_, ok := a.pictures[id]
		a.mu.Unlock()
		if !ok {
			a.current().Publish("pirwatch/cam/resend", []byte(`{"pic_id":"`+id+`"}`), 1, false)
			time.Sleep(200 * time.Millisecond)
			return false
		}
	}
	return true
}

// watchHeap samples the heap in use; the function returned ends that and tells
// the most it grew.
func watchHeap(t *testing.T) (peak func() int64) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	base, most := heap(), int64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				most = max(most, heap()-base)
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() int64 { end(); return most }
}

// senderLog keeps what a Publisher says, for when the test fails.
func senderLog(t *testing.T) *slog.Logger {
	out := &output{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the Publisher said:\n%s", out.tail(8000))
		}
	})
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
