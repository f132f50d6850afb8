package view

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// pageSocket opens the websocket as a browser on a page of that origin would.
func pageSocket(t *testing.T, s *Server, origin, cookie string) *websocket.Conn {
	t.Helper()
	c, res, err := dialSocket(t, s, origin, cookie, "mqtt")
	if err != nil {
		t.Fatalf("websocket: %v %+v", err, res)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func dialSocket(t *testing.T, s *Server, origin, cookie, protocol string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	}
	if name, value, ok := strings.Cut(cookie, ": "); ok {
		h.Set(name, value)
	}
	return websocket.Dial(t.Context(), strings.Replace(s.URL(), "http", "ws", 1)+"mqtt", &websocket.DialOptions{HTTPHeader: h, Subprotocols: []string{protocol}})
}

// ends tells whether a websocket is closed by the other end.
func ends(t *testing.T, c *websocket.Conn) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c.SetReadLimit(1 << 20)
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return ctx.Err() == nil
		}
	}
}

func TestPipe(t *testing.T) {
	s := serve(t, Options{})
	origin := strings.TrimSuffix(s.URL(), "/")
	c := pageSocket(t, s, origin, "")
	for _, n := range []int{1, 1000, 100_000, 200_000} {
		want := bytes.Repeat([]byte{byte(n)}, n)
		if err := c.Write(t.Context(), websocket.MessageBinary, want); err != nil {
			t.Fatal(err)
		}
		var got []byte
		c.SetReadLimit(1 << 20)
		for len(got) < n {
			kind, data, err := c.Read(t.Context())
			if err != nil || kind != websocket.MessageBinary {
				t.Fatalf("after %d of %d bytes: %v", len(got), n, err)
			}
			got = append(got, data...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back changed", n)
		}
	}
	for _, origin := range []string{"http://evil.example", "https://127.0.0.1", "null", "http://localhost:1"} {
		if _, res, err := dialSocket(t, s, origin, "", "mqtt"); err == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("origin %s: %v", origin, err)
		}
	}
}

func TestPipeLimits(t *testing.T) {
	s := serve(t, Options{})
	closes := func(name string, c *websocket.Conn) {
		t.Helper()
		if !ends(t, c) {
			t.Errorf("%s: the websocket stays open", name)
		}
	}
	c := pageSocket(t, s, "", "")
	c.Write(t.Context(), websocket.MessageBinary, make([]byte, maxMessage+1))
	closes("too long a message", c)
	c = pageSocket(t, s, "", "")
	c.Write(t.Context(), websocket.MessageText, []byte("hello"))
	closes("text", c)
	if c, _, err := dialSocket(t, s, "", "", "chat"); err == nil {
		closes("another protocol", c)
	}
	var open []*websocket.Conn
	for range maxSockets + 5 {
		c, res, err := dialSocket(t, s, "", "", "mqtt")
		if err != nil {
			if res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("over the limit: %s", res.Status)
			}
			break
		}
		open = append(open, c)
	}
	if len(open) > maxSockets {
		t.Errorf("%d websockets at a time", len(open))
	}
	for _, c := range open {
		c.CloseNow()
	}
}

func TestBrokerOut(t *testing.T) {
	s := serve(t, Options{Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("refused") }})
	if _, res, err := dialSocket(t, s, "", "", "mqtt"); err == nil || res.StatusCode != http.StatusBadGateway {
		t.Errorf("%v %+v", err, res)
	}
}

func TestStopEndsWebsockets(t *testing.T) {
	s, err := New(Options{Listen: "127.0.0.1:0", Dial: echo(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := pageSocket(t, s, "", "")
	c.Write(ctx, websocket.MessageBinary, []byte("x"))
	c.Read(ctx)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if !ends(t, c) {
		t.Error("the websocket is still open")
	}
}
