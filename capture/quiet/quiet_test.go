package quiet

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if there, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if here, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func isQuiet(t *testing.T, r io.Reader) {
	t.Helper()
	if c, ok := r.(conn); ok {
		r = c.r
	}
	if _, file := r.(*os.File); runtime.GOOS == "linux" && file {
		t.Error("it is the plain reader")
	}
}

// All that was written arrives, however it is cut, and then the end.
func TestAllArrives(t *testing.T) {
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	write := func(w io.WriteCloser) {
		defer w.Close()
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+int(rest[0])<<6)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	}
	here, there := pair(t)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	for _, from := range []struct {
		name string
		r    io.Reader
		w    io.WriteCloser
	}{{"socket", Conn(here), there}, {"pipe", Reader(pr), pw}, {"memory", Reader(bytes.NewReader(sent)), nil}} {
		t.Run(from.name, func(t *testing.T) {
			isQuiet(t, from.r)
			if from.w != nil {
				go write(from.w)
			}
			if got, err := io.ReadAll(from.r); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes of %d, error %v", len(got), len(sent), err)
			}
			if n, err := from.r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("after the end: %d, %v", n, err)
			}
		})
	}
}

// A deadline, a close and a broken connection end a read that waits.
func TestReadsEnd(t *testing.T) {
	here, _ := pair(t)
	here.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	var slow net.Error
	if _, err := Conn(here).Read(make([]byte, 1)); !errors.As(err, &slow) || !slow.Timeout() {
		t.Errorf("past its deadline: %v", err)
	}
	here.SetReadDeadline(time.Time{})
	go func() {
		time.Sleep(20 * time.Millisecond) // the read below should be waiting, and need not
		here.Close()
	}()
	if _, err := Conn(here).Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed under it: %v", err)
	}

	here, there := pair(t)
	there.(*net.TCPConn).SetLinger(0) // Close resets
	there.Close()
	if _, err := Conn(here).Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("reset by the other side: %v", err)
	}
}

// What may block is read as ever: the scheduler has to know.
func TestBlockingFile(t *testing.T) {
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r := Reader(f); r != io.Reader(f) {
		t.Errorf("a file on disk is read by %T", r)
	}
}

func TestReadsAllocateNothing(t *testing.T) {
	here, there := pair(t)
	r, b := Conn(here), make([]byte, 1)
	if n := testing.AllocsPerRun(100, func() { there.Write(b); r.Read(b) }); n != 0 {
		t.Errorf("%v allocations a read", n)
	}
}
