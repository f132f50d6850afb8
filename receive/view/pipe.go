package view

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	maxMessage   = 256 << 10 // bytes of one message from the page
	firstMessage = 15 * time.Second
	writeTimeout = 30 * time.Second
	pingEvery    = 30 * time.Second
)

// mqtt pipes a websocket of the page's own origin to the broker, byte by byte.
func (s *Server) mqtt(w http.ResponseWriter, r *http.Request) {
	select {
	case s.sockets <- struct{}{}:
		defer func() { <-s.sockets }()
	default:
		fail(w, http.StatusServiceUnavailable, "too many pages are open")
		return
	}
	s.piping.Add(1)
	defer s.piping.Done()
	who := s.session(r)
	if who == nil || s.ctx.Err() != nil {
		fail(w, http.StatusUnauthorized, "log in first")
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer context.AfterFunc(who.ctx, cancel)()

	dialling, dialled := context.WithTimeout(ctx, dialTimeout)
	broker, err := s.o.Dial(dialling)
	dialled()
	if err != nil {
		s.log.Debug("view: the broker cannot be reached for a page", "err", err)
		fail(w, http.StatusBadGateway, "the broker cannot be reached")
		return
	}
	defer broker.Close()
	http.NewResponseController(w).SetWriteDeadline(time.Time{})
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	page, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.log.Debug("view: a websocket was refused", "err", err)
		return
	}
	defer page.CloseNow()
	if page.Subprotocol() != "mqtt" {
		page.Close(websocket.StatusPolicyViolation, "want subprotocol mqtt")
		return
	}
	page.SetReadLimit(maxMessage)
	defer context.AfterFunc(ctx, func() { broker.Close() })()

	down := make(chan struct{})
	go func() {
		defer close(down)
		defer cancel()
		s.toPage(ctx, page, broker)
	}()
	s.toBroker(ctx, page, broker)
	cancel()
	broker.Close()
	<-down
}

// toPage ends when the broker closes, or the page takes nothing for a while.
func (s *Server) toPage(ctx context.Context, page *websocket.Conn, broker net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := broker.Read(buf)
		if n > 0 {
			write, done := context.WithTimeout(ctx, writeTimeout)
			werr := page.Write(write, websocket.MessageBinary, buf[:n])
			done()
			if werr != nil {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				page.Close(websocket.StatusGoingAway, "the broker closed the connection")
			}
			return
		}
	}
}

// toBroker ends when the page closes, says nothing at first, or answers no ping.
func (s *Server) toBroker(ctx context.Context, page *websocket.Conn, broker net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(firstMessage, cancel)
	defer silent.Stop()
	pings := make(chan struct{})
	go func() {
		defer close(pings)
		defer cancel()
		tick := time.NewTicker(pingEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				wait, done := context.WithTimeout(ctx, pingEvery)
				err := page.Ping(wait)
				done()
				if err != nil {
					return
				}
			}
		}
	}()
	buf := make([]byte, 8<<10)
	for {
		kind, r, err := page.Reader(ctx)
		if err != nil {
			break
		}
		if kind != websocket.MessageBinary {
			page.Close(websocket.StatusUnsupportedData, "MQTT is binary")
			break
		}
		silent.Stop()
		broker.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := io.CopyBuffer(onlyWriter{broker}, r, buf); err != nil {
			break
		}
	}
	cancel()
	<-pings
}

// onlyWriter hides ReadFrom, which would not use the buffer.
type onlyWriter struct{ io.Writer }
