//go:build peers

package peers

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// tap stands between clients and a broker, forwards everything and notes what
// the broker acknowledges: the truth about which pictures it has taken over.
type tap struct {
	net.Listener
	target string

	mu       sync.Mutex
	conns    map[net.Conn]bool
	pics     map[string]*tapped
	camera   *tappedLink // that has asked for commands
	gate     bool        // no camera comes through before the receiver's session exists
	heard    time.Time   // since when the receiver's session exists at the broker; zero: it does not
	asked    map[string]int
	recalls  int      // times that the receiver asked which events there were
	pages    int      // of the answers
	requests []string // to send again, and their answers, in order
	answered map[string]bool
	all      sync.WaitGroup
}

// tapped is what the tap knows of one picture.
type tapped struct {
	size   int
	sha    string
	acked  map[int]bool
	bereft bool // acknowledged, at least in part, while no session waited for it, or lost by the broker since
}

func (p *tapped) safe() bool { return p.size > 0 && len(p.acked) == p.size }

func newTap(t testing.TB, target string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{Listener: l, target: target, conns: map[net.Conn]bool{}, pics: map[string]*tapped{}, asked: map[string]int{}, answered: map[string]bool{}}
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

// serve joins one client to the broker until either hangs up.
func (p *tap) serve(client net.Conn) {
	defer client.Close()
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer broker.Close()
	p.mu.Lock()
	p.conns[client], p.conns[broker] = true, true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, client)
		delete(p.conns, broker)
	}()
	link := &tappedLink{tap: p, client: client, flying: map[uint16]piece{}}
	var down sync.WaitGroup
	down.Go(func() {
		forward(link, broker, link.down)
		client.Close()
	})
	forward(broker, client, link.up)
	broker.Close()
	down.Wait()
}

// forward copies MQTT packets from one side to the other, and shows each before
// it is passed on.
func forward(dst io.Writer, src io.Reader, show func(kind byte, flags byte, body []byte)) {
	r := bufio.NewReaderSize(src, 64<<10)
	for {
		first, err := r.ReadByte()
		if err != nil {
			return
		}
		packet, length := []byte{first}, 0
		for shift := 0; ; shift += 7 {
			b, err := r.ReadByte()
			if err != nil || shift > 21 {
				return
			}
			packet = append(packet, b)
			length |= int(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
		head := len(packet)
		packet = append(packet, make([]byte, length)...)
		if _, err := io.ReadFull(r, packet[head:]); err != nil {
			return
		}
		show(first>>4, first&15, packet[head:])
		if _, err := dst.Write(packet); err != nil {
			return
		}
	}
}

// tappedLink is one connection through a tap.
type tappedLink struct {
	*tap
	writing  sync.Mutex
	client   net.Conn
	receiver bool
	flying   map[uint16]piece // under way, by packet id
}

type piece struct {
	PicID string `json:"pic_id"`
	Pos   int    `json:"pos"`
	Size  int    `json:"size"`
	SHA   string `json:"sha256"`
	OK    bool   `json:"ok"` // of resend/result

	EventID string `json:"event_id"`
}

const (
	mqttConnect = 1
	mqttPublish = 3
	mqttPuback  = 4
	mqttSuback  = 9
)

func (l *tappedLink) Write(packet []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.client.Write(packet)
}

// press sends the camera a command, as if it came from the broker: it gets
// there even while the broker is paused.
func (p *tap) press(topic string) {
	p.mu.Lock()
	camera := p.camera
	p.mu.Unlock()
	if camera != nil {
		packet := append([]byte{mqttPublish << 4, byte(2 + len(topic) + len("PRESS")), 0, byte(len(topic))}, topic+"PRESS"...)
		camera.Write(packet) // a link that is gone presses nothing
	}
}

func (l *tappedLink) up(kind, flags byte, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case kind == mqttConnect:
		l.receiver = strings.Contains(string(body), "pirwatch-receive-")
		if !l.receiver && l.gate && l.heard.IsZero() {
			l.client.Close()
		}
	case kind == mqttPublish && len(body) > 2:
		n := int(binary.BigEndian.Uint16(body))
		if flags>>1&3 != 1 || len(body) < 4+n {
			return
		}
		topic, id := string(body[2:2+n]), binary.BigEndian.Uint16(body[2+n:])
		delete(l.flying, id)
		switch {
		case strings.HasSuffix(topic, "/recall"):
			l.recalls++
		case strings.HasSuffix(topic, "/recall/result"):
			l.pages++
		}
		var c piece
		if json.Unmarshal(body[4+n:], &c) != nil || c.PicID == "" && c.EventID == "" {
			return
		}
		switch {
		case strings.HasSuffix(topic, "/chunk"):
			l.flying[id] = c
		case strings.HasSuffix(topic, "/resend"):
			l.asked[c.PicID]++
			l.requests = append(l.requests, fmt.Sprintf("%s asked: %s", time.Now().UTC().Format(time.TimeOnly), body[4+n:]))
		case strings.HasSuffix(topic, "/resend/result"):
			l.answered[c.PicID] = l.answered[c.PicID] || c.OK
			l.requests = append(l.requests, fmt.Sprintf("%s answered: %s", time.Now().UTC().Format(time.TimeOnly), body[4+n:]))
		case c.EventID != "":
			if strings.HasSuffix(topic, "/history") || strings.HasSuffix(topic, "/last_event") {
				l.requests = append(l.requests, fmt.Sprintf("%s %s: %s", time.Now().UTC().Format(time.TimeOnly), topic, body[4+n:]))
			}
		}
	}
}

func (l *tappedLink) down(kind, _ byte, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case kind == mqttSuback && !l.receiver:
		l.tap.camera = l
	case kind == mqttSuback:
		if l.heard.IsZero() {
			l.heard = time.Now()
		}
	case kind == mqttPuback && len(body) >= 2:
		id := binary.BigEndian.Uint16(body)
		c, ok := l.flying[id]
		if !ok {
			return
		}
		delete(l.flying, id)
		p := l.pics[c.PicID]
		if p == nil {
			p = &tapped{acked: map[int]bool{}}
			l.pics[c.PicID] = p
		}
		p.size = c.Size
		if c.SHA != "" {
			p.sha = c.SHA
		}
		p.acked[c.Pos] = true
		// The broker may have taken a piece a moment before the subscription of
		// which we hear first.
		if l.heard.IsZero() || time.Since(l.heard) < time.Second {
			p.bereft = true
		}
	}
}

// forget notes that the broker is about to lose its store, and with it whatever
// of what it acknowledged has not come through. With gate the camera finds it
// again only after the receiver.
func (p *tap) forget(gate bool, arrived func(picID string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = gate
	p.heard = time.Time{}
	for id, pic := range p.pics {
		if !pic.bereft && !arrived(id) {
			pic.bereft = true
		}
	}
}
