//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"pirwatch/publish"
	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// job is what an arm is to do.
type job struct {
	addr   string
	pieces int
	window int
	size   int // bytes of one picture
}

const (
	event = "01K5ZQ8V4W5X6Y7Z8A9B0C1D2E"
	topic = "pirwatch/front/chunk"
)

func runArm(name string, j job) {
	arms := map[string]func(job) (result, error){"raw": raw, "paho": stockPaho, "wait": waiting, "link": bareLink, "pirwatch": whole}
	arm := arms[name]
	if arm == nil {
		fail(fmt.Errorf("no arm %q", name))
	}
	r, err := arm(j)
	if err != nil {
		fail(err)
	}
	r.CPU, r.RSS = cpu(), peakRSS()
	json.NewEncoder(os.Stdout).Encode(r)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// picture makes the bytes of one picture: noise, as a JPEG's are.
func picture(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	copy(b, "\xff\xd8")
	copy(b[size-2:], "\xff\xd9")
	return b
}

// source makes the messages of one picture after another for the rivals: the
// same as pirwatch's to the byte, in the cheapest way the standard library has.
type source struct {
	jpeg     []byte
	id       string
	seq, pos int
	n        int
}

const pieceBytes = 2250 // 3000 characters

func newSource(size int) *source {
	s := &source{jpeg: picture(size), n: (size + pieceBytes - 1) / pieceBytes, seq: -1}
	s.turn()
	return s
}

func (s *source) turn() {
	s.seq, s.pos = s.seq+1, 0
	s.id = fmt.Sprintf("%s-%02d", event, s.seq)
}

func (s *source) next(buf []byte) []byte {
	if s.pos == s.n {
		s.turn()
	}
	buf = append(buf, `{"data":"`...)
	buf = base64.StdEncoding.AppendEncode(buf, s.jpeg[s.pos*pieceBytes:min((s.pos+1)*pieceBytes, len(s.jpeg))])
	buf = append(buf, `","pic_id":"`...)
	buf = append(buf, s.id...)
	buf = append(buf, `","pos":`...)
	buf = strconv.AppendInt(buf, int64(s.pos), 10)
	buf = append(buf, `,"size":`...)
	buf = strconv.AppendInt(buf, int64(s.n), 10)
	if s.pos == 0 {
		buf = fmt.Appendf(buf, `,"event_id":"%s","seq":%d,"bytes":%d,"sha256":"%x","ts":"%s"`, event, s.seq, len(s.jpeg), sha256.Sum256(s.jpeg), taken.Format(chunk.TimeLayout))
	}
	s.pos++
	return append(buf, '}')
}

var taken = time.Date(2026, 11, 22, 12, 8, 1, 0, time.UTC)

// same checks that both sides send the same.
func same() error {
	s := newSource(100_000)
	split := chunk.Format{}.Split(chunk.Picture{PicID: event + "-00", EventID: event, Taken: taken, JPEG: s.jpeg})
	for pos := range split.Pieces() {
		if ours, theirs := split.Append(nil, pos), s.next(nil); !bytes.Equal(ours, theirs) {
			return fmt.Errorf("piece %d differs: %.60s… %.60s…", pos, ours, theirs)
		}
	}
	return nil
}

// raw writes MQTT itself: 60 KB at a time, a window of unacknowledged pieces.
func raw(j job) (result, error) {
	c, err := net.Dial("tcp", j.addr)
	if err != nil {
		return result{}, err
	}
	defer c.Close()
	id := "raw"
	connect := append([]byte{0x10, byte(12 + len(id)), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, byte(len(id))}, id...)
	if _, err := c.Write(connect); err != nil {
		return result{}, err
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		return result{}, err
	}
	acks := make(chan int, 1024)
	go func() {
		r := bufio.NewReaderSize(c, 16<<10)
		for {
			if _, err := r.Discard(4); err != nil {
				close(acks)
				return
			}
			n := 1
			for ; r.Buffered() >= 4; n++ {
				r.Discard(4)
			}
			acks <- n
		}
	}()
	w := bufio.NewWriterSize(c, 60<<10)
	src := newSource(j.size)
	var payload []byte
	start := time.Now()
	sent, acked := 0, 0
	for acked < j.pieces {
		for sent < j.pieces && sent-acked < j.window {
			payload = src.next(payload[:0])
			n := 2 + len(topic) + 2 + len(payload)
			head := append(binary.AppendUvarint([]byte{0x32}, uint64(n)), 0, byte(len(topic)))
			w.Write(head)
			w.WriteString(topic)
			w.Write([]byte{byte((sent%65535 + 1) >> 8), byte(sent%65535 + 1)})
			w.Write(payload)
			sent++
			select {
			case n := <-acks:
				acked += n
			default:
			}
		}
		if err := w.Flush(); err != nil {
			return result{}, err
		}
		n, ok := <-acks
		if !ok {
			return result{}, io.ErrUnexpectedEOF
		}
		acked += n
	}
	return result{Pieces: j.pieces, Seconds: time.Since(start).Seconds()}, nil
}

// stockPaho is the client library with its own defaults, and a window.
func stockPaho(j job) (result, error) {
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + j.addr).SetClientID("paho"))
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		return result{}, t.Error()
	}
	defer c.Disconnect(100)
	return windowed(j, func(payload []byte) mqtt.Token { return c.Publish(topic, 1, false, payload) })
}

// bareLink is pirwatch's link without the Publisher above it.
func bareLink(j job) (result, error) {
	l, err := mqtt.Connect(context.Background(), mqtt.Options{URL: "mqtt://" + j.addr, ClientID: "link", CleanSession: true}, nil)
	if err != nil {
		return result{}, err
	}
	defer l.Close(context.Background())
	return windowed(j, func(payload []byte) mqtt.Token { return l.Publish(topic, payload, 1, false) })
}

func windowed(j job, send func([]byte) mqtt.Token) (result, error) {
	src := newSource(j.size)
	type flight struct {
		token mqtt.Token
		buf   []byte
	}
	flights := make([]flight, 0, j.window)
	start := time.Now()
	for sent := 0; sent < j.pieces || len(flights) > 0; {
		if sent < j.pieces && len(flights) < j.window {
			buf := src.next(nil)
			flights = append(flights, flight{send(buf), buf})
			sent++
			continue
		}
		<-flights[0].token.Done()
		n := 0
		for n < len(flights) && done(flights[n].token) {
			if err := flights[n].token.Error(); err != nil {
				return result{}, err
			}
			n++
		}
		flights = append(flights[:0], flights[n:]...)
	}
	return result{Pieces: j.pieces, Seconds: time.Since(start).Seconds()}, nil
}

func done(t mqtt.Token) bool {
	select {
	case <-t.Done():
		return true
	default:
		return false
	}
}

// waiting is what many programs do: one message, one wait.
func waiting(j job) (result, error) {
	j.window = 1
	return stockPaho(j)
}

// whole is all of pirwatch's delivery: queue, Publisher, link.
func whole(j job) (result, error) {
	q, err := queue.Open(queue.Options{}, nil)
	if err != nil {
		return result{}, err
	}
	var wire atomic.Int64
	dial := publish.Broker(mqtt.Options{URL: "mqtt://" + j.addr, ClientID: "pirwatch-front", Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := mqtt.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return counted{c, &wire}, nil
	}})
	p := publish.New(publish.Options{Base: "pirwatch", Camera: "front", Window: j.window, RecentBytes: 1}, q, dial, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	for p.Health().Broker != "ok" {
		time.Sleep(time.Millisecond)
	}
	jpeg := picture(j.size)
	each := chunk.Format{}.Pieces(len(jpeg))
	n := max(1, j.pieces/each)
	poll := 2 * time.Millisecond
	if n == 1 {
		poll /= 10 // the end of one picture is to be seen exactly; what that costs is not
	}
	before := wire.Load()
	start := time.Now()
	p.Open(publish.Event{ID: event, StartedAt: start})
	for seq := range n {
		for q.Stats().Pictures > 100 {
			time.Sleep(5 * time.Millisecond)
		}
		p.Picture(publish.Picture{PicID: fmt.Sprintf("%s-%02d", event, seq), EventID: event, Seq: seq, Taken: time.Now(), JPEG: jpeg})
	}
	for q.Stats().Pictures > 0 {
		if time.Since(start) > 2*time.Minute {
			return result{}, fmt.Errorf("pictures stay in the queue: %+v, %+v, %d bytes written", q.Stats(), p.Health(), wire.Load())
		}
		time.Sleep(poll)
	}
	took := time.Since(start)
	sent := wire.Load() - before
	cancel()
	<-ended
	return result{Pieces: n * each, Seconds: took.Seconds(), Wire: float64(sent) / float64(n*len(jpeg))}, nil
}

// counted counts what is written.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// building compares making the messages, without sending them, in CPU time, the
// collector's included, batch beside batch.
func building(g *goals) {
	split := chunk.Format{}.Split(chunk.Picture{PicID: event + "-03", EventID: event, JPEG: picture(100_000)})
	jpeg := picture(2250)
	buf := make([]byte, 0, 8192)
	ours := func(n int) {
		for i := range n {
			buf = split.Append(buf[:0], 1+i%(split.Pieces()-2))
		}
	}
	theirs := func(n int) {
		for range n {
			json.Marshal(struct {
				Data  string `json:"data"`
				PicID string `json:"pic_id"`
				Pos   int    `json:"pos"`
				Size  int    `json:"size"`
			}{base64.StdEncoding.EncodeToString(jpeg), event + "-03", 5, 45})
		}
	}
	const batch = 5000
	var ratios, a, b []float64
	for range 15 {
		from := cpu()
		ours(batch)
		between := cpu()
		theirs(batch)
		to := cpu()
		a = append(a, (between-from)/batch*1e9)
		b = append(b, (to-between)/batch*1e9)
		ratios = append(ratios, (between-from)/(to-between))
	}
	allocs := testing.AllocsPerRun(1000, func() { ours(1) })
	fmt.Printf("Making a piece: %.0f ns and %.0f allocations; with encoding/json %.0f ns and %.0f allocations\n",
		median(a), allocs, median(b), testing.AllocsPerRun(1000, func() { theirs(1) }))
	g.atMost("allocations a piece", allocs, 0)
	g.atMost("CPU, pirwatch to encoding/json", median(ratios), 0.30)
}

// cpu is the CPU time of this process so far, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fail(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakRSS is this process's own, in MB; what getrusage tells begins with its
// parent's.
func peakRSS() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kb); err == nil {
			return kb / 1024
		}
	}
	fail(errors.New("no VmHWM in /proc/self/status"))
	return 0
}
