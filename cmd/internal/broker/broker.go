// Package broker is the demo's own MQTT broker: mochi-mqtt on loopback, with
// room for pirwatch's topics and nothing else.
//
// mochi's ways past an access list are not in reach here: wills are taken from
// the camera alone, and nobody else may use its client id
// (mochi-mqtt/server issues 503 and 504).
package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
)

const (
	maxClients   = 64
	maxPacket    = 4 << 20          // bytes; a whole cover must fit
	maxPending   = 4096             // messages waiting for one slow subscriber
	connectLimit = 10 * time.Second // for a client to say who it is
)

// Broker is a listening broker.
type Broker struct {
	CameraUser, CameraPassword string // may do everything under the two prefixes
	PageUser, PagePassword     string // may read there, and send commands; so may who gives no name

	listener net.Listener
	server   *mochi.Server

	mu      sync.Mutex
	conns   map[net.Conn]bool
	refused uint64
}

// Listen opens the address, which must be of the loopback range. Where the port
// is in use it takes the next free one of the following twenty and says so.
// cameraID is the MQTT client id that only the camera's user may have.
func Listen(addr, cameraID string, log *slog.Logger) (*Broker, error) {
	listener, err := ListenNear(addr, log)
	if err != nil {
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	b := &Broker{
		CameraUser: "camera", CameraPassword: rand.Text(),
		PageUser: "page", PagePassword: rand.Text(),
		listener: listener,
		conns:    map[net.Conn]bool{},
	}
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumClients = maxClients
	caps.MaximumPacketSize = maxPacket
	caps.MaximumClientWritesPending = maxPending
	caps.MaximumMessageExpiryInterval = 0 // a retained message stays
	caps.MaximumSessionExpiryInterval = 3600
	b.server = mochi.New(&mochi.Options{Capabilities: caps, Logger: slog.New(slog.DiscardHandler)})
	if err := b.server.AddHook(&access{broker: b, cameraID: cameraID}, nil); err != nil {
		listener.Close()
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	return b, nil
}

// ListenNear listens on a loopback address, or on the next free port after it.
func ListenNear(addr string, log *slog.Logger) (net.Listener, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; want host:port, as 127.0.0.1:1883", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %q: the demo serves this machine only; want 127.0.0.1:PORT", addr)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("listen on %q: the port is not a number from 0 to 65535", addr)
	}
	var first error
	for try := port; try <= min(port+20, 65535); try++ {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(try)))
		if err == nil {
			if first != nil {
				log.Warn("port in use, took the next free one", "wanted", addr, "took", listener.Addr().String())
			}
			return listener, nil
		}
		if first == nil {
			first = err
		}
		if port == 0 {
			break
		}
	}
	return nil, fmt.Errorf("listen on %s and the 20 ports after it: %w", addr, first)
}

// Addr is the address it listens on.
func (b *Broker) Addr() string { return b.listener.Addr().String() }

// Run serves until ctx ends; then every client is cut and waited for.
//
// Connections are accepted and closed here and not by mochi's listeners: those
// take a read lock twice while closing and hang if a client joins in between
// (mochi-mqtt/server issue 488).
func (b *Broker) Run(ctx context.Context) error {
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("demo broker: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { b.listener.Close() })
	defer stop()
	var clients sync.WaitGroup
	var err error
	for {
		var conn net.Conn
		if conn, err = b.listener.Accept(); err != nil {
			break
		}
		if !b.add(conn) {
			conn.Close()
			continue
		}
		clients.Go(func() {
			defer b.remove(conn)
			conn.SetDeadline(time.Now().Add(connectLimit))
			// The error says why this client left, which is its own affair.
			_ = b.server.EstablishConnection("loopback", conn)
		})
	}
	b.mu.Lock()
	for conn := range b.conns {
		conn.Close()
	}
	b.mu.Unlock()
	clients.Wait()
	b.server.Close()
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("demo broker: accept: %w", err)
}

func (b *Broker) add(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.conns) >= maxClients {
		b.refused++
		return false
	}
	b.conns[conn] = true
	return true
}

func (b *Broker) remove(conn net.Conn) {
	conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, conn)
}
