package mqtt

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// conn puts buffers on both sides of a network connection. The client library
// makes three reads and one write a packet; here they become one system call
// for many packets: a writer that copies into a buffer while the flusher sends
// the one before. A write's error shows at a later write or as the link's end,
// which is safe where acknowledgements are the truth.
type conn struct {
	net.Conn
	writeTimeout time.Duration
	payloads     *payloads

	in       []byte // read and not yet handed out
	inBuffer []byte

	mu      sync.Mutex
	cond    *sync.Cond // the state below has changed
	out     []byte     // waiting for the flusher
	spare   []byte     // the buffer that out swaps with
	writing int        // bytes the flusher is sending just now
	direct  bool       // a large write is on its way past the buffer
	goodbye bool       // DISCONNECT is in out: flush before closing
	err     error
	busy    atomic.Bool // a write might block, or fail: a hint that needs no lock

	once    sync.Once
	closed  chan struct{} // when err is set
	flusher sync.WaitGroup
}

const (
	readBuffer = 16 << 10
	// keepBuffer is the size that the write buffers may keep between flushes: all
	// that Write lets them grow to.
	keepBuffer = highWater + 2*directWrite
	// highWater is what may wait in the write buffer before Write blocks. A window
	// of pieces stays below it, so that the library's sender does not block.
	highWater = 256 << 10
	// directWrite is the size from which a write goes past the buffer, not to have
	// a third copy of a large picture.
	directWrite = 64 << 10
	// writePart is what has to leave within the write time-out.
	writePart = 32 << 10
	// goodbyeTimeout bounds the last flush of a clean end.
	goodbyeTimeout = 5 * time.Second
)

var (
	errClosed = errors.New("connection closed") // by us
	errCut    = errors.New("connection cut")
)

func newConn(raw net.Conn, writeTimeout time.Duration) *conn {
	c := &conn{Conn: raw, writeTimeout: writeTimeout, payloads: newPayloads(), inBuffer: make([]byte, readBuffer), closed: make(chan struct{})}
	c.cond = sync.NewCond(&c.mu)
	c.flusher.Go(c.flush)
	return c
}

// Read is for one reader.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		if len(p) >= len(c.inBuffer) {
			n, err := c.Conn.Read(p)
			return n, c.readError(err)
		}
		n, err := c.Conn.Read(c.inBuffer)
		if n == 0 {
			return 0, c.readError(err)
		}
		c.in = c.inBuffer[:n]
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

// readError remembers why reading ended. The client library takes no notice of
// errors that read like net.ErrClosed, so only a Close of its own may.
func (c *conn) readError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, net.ErrClosed) {
		err = errCut
	}
	c.fail(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, errClosed) {
		return net.ErrClosed
	}
	return c.err
}

// writable waits until a write would not block, or returns why there will be no
// other.
func (c *conn) writable() error {
	if !c.busy.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && (c.direct || len(c.out) >= highWater) {
		c.cond.Wait()
	}
	return c.err
}

// Write takes one packet, whole or not at all, so that those of several
// goroutines do not mix.
func (c *conn) Write(p []byte) (int, error) {
	start, payload, ok := c.payloads.real(p)
	if !ok {
		start = p
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && (c.direct || len(c.out) >= highWater) {
		c.cond.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	if len(start)+len(payload) < directWrite {
		if len(c.out) == 0 {
			c.cond.Broadcast() // the flusher may be asleep only on an empty buffer
		}
		c.out = append(append(c.out, start...), payload...)
		c.busy.Store(len(c.out) >= highWater)
		c.goodbye = c.goodbye || len(p) == 2 && p[0] == 0xE0 // DISCONNECT
		return len(p), nil
	}
	c.direct = true
	c.busy.Store(true)
	for c.err == nil && (len(c.out) > 0 || c.writing > 0) {
		c.cond.Wait()
	}
	err := c.err
	if err == nil {
		c.writing = len(start) + len(payload)
		c.mu.Unlock()
		if err = c.send(start); err == nil {
			err = c.send(payload)
		}
		c.mu.Lock()
		c.writing = 0
	}
	c.direct = false
	c.busy.Store(c.err != nil)
	c.cond.Broadcast()
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush sends what Write collected until the connection ends.
func (c *conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.err == nil && len(c.out) == 0 {
			c.cond.Wait()
		}
		if c.err != nil {
			return
		}
		// Whoever is about to write goes first: more packets, fewer system calls.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		if len(c.out) == 0 { // closed meanwhile
			continue
		}
		buf := c.out
		c.out, c.spare = c.spare[:0], nil
		c.busy.Store(c.direct || c.err != nil)
		c.writing = len(buf)
		c.mu.Unlock()
		err := c.send(buf)
		c.mu.Lock()
		c.writing = 0
		if cap(buf) <= keepBuffer {
			c.spare = buf[:0]
		}
		c.cond.Broadcast()
		if err != nil {
			return
		}
	}
}

// send writes to the network. The time limit is for each part, so that a slow
// link which makes progress lives, whatever the size of the message.
func (c *conn) send(p []byte) error {
	for len(p) > 0 {
		part := p[:min(len(p), writePart)]
		c.Conn.SetWriteDeadline(time.Now().Add(c.writeTimeout))
		n, err := c.Conn.Write(part)
		if err != nil {
			c.fail(err)
			c.Conn.Close() // wakes the reader
			return err
		}
		p = p[n:]
	}
	return nil
}

// fail remembers the first error, and lets all writers know.
func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.busy.Store(true)
		close(c.closed)
		c.cond.Broadcast()
	}
}

// pending tells how many bytes wait to be written.
func (c *conn) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out) + c.writing
}

// reason returns why the connection ended, which a write may know better than
// the reader that found it closed.
func (c *conn) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil && !errors.Is(c.err, errClosed) {
		err = c.err
	}
	switch {
	case errors.Is(err, io.EOF):
		return ErrClosedByBroker
	case errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(err.Error(), "pingresp not received"):
		return ErrSilent
	}
	return err
}

var (
	// ErrClosedByBroker is the end of a link that the broker closed without a
	// word, as it does when another client comes with the same id.
	ErrClosedByBroker = errors.New("the broker closed the connection")
	// ErrSilent is the end of a link on which nothing moved any more.
	ErrSilent = errors.New("the broker no longer answers")
)

// Close ends the connection; what waits is sent first only where the client
// has said goodbye.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.goodbye && c.err == nil {
		stop := time.AfterFunc(goodbyeTimeout, func() { c.fail(errClosed) })
		for c.err == nil && (len(c.out) > 0 || c.writing > 0) {
			c.cond.Wait()
		}
		stop.Stop()
	}
	c.mu.Unlock()
	return c.kill()
}

// kill ends the connection at once, and waits for the flusher.
func (c *conn) kill() error {
	c.fail(errClosed)
	var err error
	c.once.Do(func() { err = c.Conn.Close() })
	c.flusher.Wait()
	return err
}

// Deadlines: reads pass through; writes have their own here, since the time at
// which the library writes is not the time at which bytes leave.
func (c *conn) SetDeadline(t time.Time) error    { return c.Conn.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
