package mqtt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.mqtt.golang/packets"
	broker "github.com/mochi-mqtt/server/v2"
	mochi "github.com/mochi-mqtt/server/v2/packets"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"mqtt://host", "mqtt://host:1883"}, {"tcp://host:7", "mqtt://host:7"}, {"host", "mqtt://host:1883"}, {"host:18", "mqtt://host:18"},
		{"ssl://host", "mqtts://host:8883"}, {"mqtts://[::1]", "mqtts://[::1]:8883"}, {"ws://host", "ws://host:80/mqtt"},
		{"wss://u@host/x", "wss://u@host:443/x"}, {"mqtt://u:p@host/", "mqtt://u:p@host:1883/"},
	} {
		u, err := ParseURL(c.in)
		if err != nil || u.String() != c.want {
			t.Errorf("%s: %v, %v, want %s", c.in, u, err, c.want)
		}
	}
	for in, want := range map[string]string{
		"http://host": "scheme must be", "mqtt://": "no host", "mqtt://h/x": "a path is only for", "mqtt://u:geheim@h:x": "must look like",
	} {
		_, err := ParseURL(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: error %v, want %q", in, err, want)
		}
	}
}

// allowAll lets everybody do everything.
type allowAll struct{ broker.HookBase }

func (*allowAll) Provides(b byte) bool {
	return b == broker.OnConnectAuthenticate || b == broker.OnACLCheck
}

func (*allowAll) OnConnectAuthenticate(*broker.Client, mochi.Packet) bool { return true }

func (*allowAll) OnACLCheck(*broker.Client, string, bool) bool { return true }

// serve starts a broker in this process that listens for TCP and websockets.
// Connections are accepted and closed here: mochi's own listeners can hang while
// closing (mochi-mqtt/server issue 488).
func serve(t *testing.T) (tcp, ws string) {
	t.Helper()
	s := broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	s.AddHook(new(allowAll), nil)
	if err := s.Serve(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			clients.Go(func() { s.EstablishConnection("tcp", c) })
		}
	})
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
		if err == nil {
			s.EstablishConnection("ws", websocket.NetConn(context.Background(), c, websocket.MessageBinary))
		}
	}))
	t.Cleanup(func() {
		l.Close()
		h.CloseClientConnections()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		clients.Wait()
		s.Close()
		h.Close()
	})
	return l.Addr().String(), strings.TrimPrefix(h.URL, "http://")
}

// inbox collects what a link receives.
type inbox struct {
	ch chan Message
}

func newInbox() *inbox { return &inbox{ch: make(chan Message, 10_000)} }

func (i *inbox) add(m Message) { i.ch <- m }

func (i *inbox) next(t *testing.T) Message {
	t.Helper()
	select {
	case m := <-i.ch:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no message came")
	}
	return Message{}
}

func connect(t *testing.T, o Options, on func(Message)) *Link {
	t.Helper()
	l, err := Connect(t.Context(), o, on)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

func acked(t *testing.T, tokens ...Token) {
	t.Helper()
	for i, token := range tokens {
		select {
		case <-token.Done():
			if err := token.Error(); err != nil {
				t.Fatalf("token %d: %v", i, err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("token %d not done", i)
		}
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	tcp, ws := serve(t)
	for _, url := range []string{"mqtt://" + tcp, "ws://" + ws} {
		t.Run(url[:3], func(t *testing.T) {
			in := newInbox()
			l := connect(t, Options{URL: url, ClientID: "a", CleanSession: true}, in.add)
			if err := l.Subscribe(t.Context(), map[string]byte{"x/#": 1}); err != nil {
				t.Fatal(err)
			}
			large := bytes.Repeat([]byte("large"), 300_000)
			var tokens []Token
			for i := range 300 { // in order, also around a message larger than all buffers
				payload := fmt.Append(nil, i)
				if i == 150 {
					payload = large
				}
				tokens = append(tokens, l.Publish("x/y", payload, 1, false))
			}
			acked(t, tokens...)
			for i := range 300 {
				want := fmt.Append(nil, i)
				if i == 150 {
					want = large
				}
				if m := in.next(t); m.Topic != "x/y" || m.QoS != 1 || m.Retained || !bytes.Equal(m.Payload, want) {
					t.Fatalf("message %d: %s, %d bytes", i, m.Topic, len(m.Payload))
				}
			}
		})
	}
}

// What was published before Close arrives, the will does not; after a cut it does.
func TestWill(t *testing.T) {
	tcp, _ := serve(t)
	in := newInbox()
	watcher := connect(t, Options{URL: tcp, ClientID: "watcher", CleanSession: true}, in.add)
	if err := watcher.Subscribe(t.Context(), map[string]byte{"status": 1}); err != nil {
		t.Fatal(err)
	}
	told := func(want string) {
		t.Helper()
		m := in.next(t)
		for m.Retained {
			// mochi acknowledges a subscription before it looks for what is retained,
			// and may find what was published since.
			m = in.next(t)
		}
		if string(m.Payload) != want {
			t.Errorf("status %q, want %q", m.Payload, want)
		}
	}
	var raw net.Conn
	o := Options{URL: tcp, ClientID: "camera", CleanSession: true, Will: &Will{"status", []byte("will"), 1, true},
		Dial: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			raw, err = Dial(ctx, network, addr)
			return raw, err
		}}
	l := connect(t, o, nil)
	l.Publish("status", []byte("bye"), 0, true)
	l.Close(t.Context())
	if err := l.Err(); err != nil {
		t.Errorf("after Close: %v", err)
	}
	// A broker orders the messages of one connection, not those of two.
	told("bye")
	l = connect(t, o, nil)
	acked(t, l.Publish("status", []byte("hello"), 1, true))
	raw.Close()
	<-l.Lost()
	if l.Err() == nil {
		t.Error("a cut link has no error")
	}
	told("hello")
	told("will")
	if token := l.Publish("status", nil, 1, false); token.Error() == nil {
		t.Error("published on a lost link")
	}
}

// handshake answers CONNECT with a return code, as a broker on the other end
// of conn, and returns what it said.
func handshake(conn net.Conn, code byte) (*packets.ConnectPacket, error) {
	p, err := packets.ReadPacket(conn)
	if err != nil {
		return nil, err
	}
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	ack.ReturnCode = code
	return p.(*packets.ConnectPacket), ack.Write(conn)
}

// piped returns options that connect to a fake broker over a pipe.
func piped(o Options, serve func(net.Conn)) Options {
	o.URL = "mqtt://broker"
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go serve(theirs)
		return ours, nil
	}
	return o
}

func TestRefusals(t *testing.T) {
	for code, want := range map[byte]error{1: ErrProtocol, 2: ErrClientID, 4: ErrCredentials, 5: ErrCredentials, 3: nil} {
		o := piped(Options{Username: "u"}, func(c net.Conn) { handshake(c, code); io.Copy(io.Discard, c) })
		_, err := Connect(t.Context(), o, nil)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("code %d: %v, want %v", code, err, want)
		}
		if want == nil && (errors.Is(err, ErrCredentials) || errors.Is(err, ErrClientID) || errors.Is(err, ErrProtocol)) {
			t.Errorf("code %d: %v, want a passing error", code, err)
		}
	}
}

func TestConnectSays(t *testing.T) {
	said := make(chan *packets.ConnectPacket, 1)
	o := piped(Options{ClientID: "c", Username: "u", Password: "p", CleanSession: false, Will: &Will{"w", []byte("x"), 1, true}}, func(c net.Conn) {
		p, _ := handshake(c, 0)
		said <- p
		io.Copy(io.Discard, c)
	})
	l := connect(t, o, nil)
	defer l.Close(t.Context())
	p := <-said
	if p.ProtocolVersion != 4 || p.ClientIdentifier != "c" || p.Username != "u" || string(p.Password) != "p" || p.CleanSession ||
		p.WillTopic != "w" || string(p.WillMessage) != "x" || p.WillQos != 1 || !p.WillRetain || p.Keepalive != 15 {
		t.Errorf("CONNECT %+v", p)
	}
}

// A broker that falls silent is noticed within 30 s, whatever was going on.
func TestHalfOpenIsNoticed(t *testing.T) {
	for name, use := range map[string]func(*Link){
		"idle":  func(*Link) {},
		"piece": func(l *Link) { l.Publish("t", make([]byte, 3000), 1, false) },
		"picture": func(l *Link) {
			l.Publish("t", make([]byte, 3_000_000), 1, false)
		},
		"full": func(l *Link) {
			for range 200 {
				go l.Publish("t", make([]byte, 3000), 1, false)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				l, err := Connect(t.Context(), piped(Options{}, func(c net.Conn) {
					handshake(c, 0)
					<-end // reads nothing more, says nothing more
				}), nil)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				use(l)
				<-l.Lost()
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("noticed after %v", took)
				}
				if err := l.Err(); !errors.Is(err, ErrSilent) {
					t.Errorf("lost with %v", err)
				}
				close(end)
				l.Close(t.Context())
				time.Sleep(time.Minute) // the library's last goroutines end
			})
		})
	}
}

// A slow link that makes progress lives, although one message takes minutes.
func TestSlowLinkLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Connect(t.Context(), piped(Options{}, func(c net.Conn) {
			handshake(c, 0)
			slow := &slowReader{Conn: c}
			for {
				p, err := packets.ReadPacket(slow)
				if err != nil {
					return
				}
				switch p := p.(type) {
				case *packets.PublishPacket:
					ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
					ack.MessageID = p.MessageID
					ack.Write(c)
				case *packets.PingreqPacket:
					packets.NewControlPacket(packets.Pingresp).Write(c)
				}
			}
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		token := l.Publish("t", make([]byte, 600_000), 1, false)
		<-token.Done()
		if err := token.Error(); err != nil || time.Since(start) < time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		l.Close(t.Context())
		time.Sleep(time.Minute)
	})
}

// slowReader takes 5,000 bytes a second.
type slowReader struct{ net.Conn }

func (s *slowReader) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), 5000)])
	time.Sleep(time.Duration(n) * time.Second / 5000)
	return n, err
}

func TestConnectCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, answers := range []bool{false, true} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			end := make(chan struct{})
			o := piped(Options{ConnectTimeout: time.Hour}, func(c net.Conn) {
				if answers {
					packets.ReadPacket(c)
				}
				<-end
			})
			start := time.Now()
			if _, err := Connect(ctx, o, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
			close(end)
			cancel()
		}
	})
}

// A receiver that stops taking does not keep the link from ending.
func TestBlockedHandlerDoesNotBlockTheEnd(t *testing.T) {
	tcp, _ := serve(t)
	release := make(chan struct{})
	var raw net.Conn
	l := connect(t, Options{URL: tcp, ClientID: "blocked", CleanSession: true, KeepAlive: time.Second, Dial: func(ctx context.Context, n, a string) (c net.Conn, err error) {
		raw, err = Dial(ctx, n, a)
		return raw, err
	}}, func(Message) { <-release })
	if err := l.Subscribe(t.Context(), map[string]byte{"x": 0}); err != nil {
		t.Fatal(err)
	}
	other := connect(t, Options{URL: tcp, ClientID: "other", CleanSession: true}, nil)
	var last Token
	for range incomingDepth * 3 {
		last = other.Publish("x", []byte("m"), 1, false)
	}
	acked(t, last)
	raw.Close()
	<-l.Lost()
	close(release)
}

func TestTLSConfigErrors(t *testing.T) {
	for _, c := range []struct{ ca, cert, key, want string }{
		{ca: "nowhere.pem", want: "certificate authority"}, {ca: "mqtt_test.go", want: "must be PEM"},
		{cert: "c.pem", want: "belong together"}, {cert: "c.pem", key: "k.pem", want: "client certificate"},
	} {
		if _, err := TLSConfig(c.ca, c.cert, c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
