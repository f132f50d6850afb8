package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// spooler is a queue on a simulated disk with Run beside it, in virtual time.
type spooler struct {
	*Queue
	disk *simDisk
	fs   *simFS
	stop func() error
}

func startSpooler(t *testing.T, d *simDisk, o Options, fail func(kind, name string) error) *spooler {
	t.Helper()
	o.Dir = "/queue"
	p := &simFS{simDisk: d, left: -1, fail: fail}
	q, err := open(o, nil, p, hooks{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	return &spooler{q, d, p, func() error { cancel(); return <-done }}
}

// count counts the changes of one kind.
func (d *simDisk) count(kind string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range d.log {
		if op.kind == kind {
			n++
		}
	}
	return n
}

// setFail changes what fails from now on.
func (p *simFS) setFail(fail func(kind, name string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// wait lets virtual time pass.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startSpooler(t, newSimDisk(), Options{}, nil)
		synctest.Wait()
		before := len(q.disk.log)
		for i := range 20 { // the broker acknowledges in time
			id := fmt.Sprint("quick", i)
			mustPut(t, q.Queue, item(id, "e", Picture, 5000))
			wait(500 * time.Millisecond)
			q.Done(id, Picture)
		}
		wait(10 * time.Second)
		if n := len(q.disk.log) - before; n != 0 {
			t.Errorf("%d changes on disk while all was acknowledged", n)
		}

		syncs := q.disk.count("sync")
		for i := range 4 { // a burst that nobody acknowledges
			mustPut(t, q.Queue, item(fmt.Sprint("slow", i), "e", Picture, 5000))
			wait(400 * time.Millisecond)
		}
		wait(399 * time.Millisecond)
		if s := q.Stats(); s.Spooled != 0 {
			t.Errorf("%d on disk before the deadline", s.Spooled)
		}
		wait(time.Millisecond)
		if s := q.Stats(); s.Spooled != 4 || s.RAMBytes != 0 {
			t.Errorf("at the deadline: %+v", s)
		}
		if n := q.disk.count("sync") - syncs; n != 1 {
			t.Errorf("%d syncs for one burst", n)
		}

		syncs = q.disk.count("sync")
		for i := range 4 { // delivered at last: removals in a group, a second later
			q.Done(fmt.Sprint("slow", i), Picture)
			wait(100 * time.Millisecond)
		}
		if n := q.disk.count("sync") - syncs; n != 0 {
			t.Errorf("%d syncs for removals at once", n)
		}
		wait(time.Second)
		if n := q.disk.count("sync") - syncs; n != 1 {
			t.Errorf("%d syncs for four removals", n)
		}
		if err := q.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestStop: what is in RAM at the end is on disk after it.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startSpooler(t, newSimDisk(), Options{}, nil)
		mustPut(t, q.Queue, item("a", "e", Picture, 5000), item("b", "e", Cover, 5000), item("e", "e", Summary, 0))
		q.Next() // in flight
		if err := q.stop(); err != nil {
			t.Fatal(err)
		}
		q = startSpooler(t, q.disk.state.cut(loseAll, nil), Options{}, nil)
		if got := q.Stats(); got.Pictures != 2 || got.Summaries != 1 {
			t.Errorf("after the stop and a power cut: %+v", got)
		}
		q.stop()
	})
}

// TestDiskFaults: whatever the disk refuses, nothing in RAM is lost while
// there is room, the state tells, the attempts are few, and it heals.
func TestDiskFaults(t *testing.T) {
	refuse := func(err error, kinds ...string) func(kind, name string) error {
		return func(kind, _ string) error {
			for _, k := range kinds {
				if k == kind {
					return err
				}
			}
			return nil
		}
	}
	for _, c := range []struct {
		name string
		fail func(kind, name string) error
		want string
	}{
		{"no space", refuse(syscall.ENOSPC, "write", "create"), diskFull},
		{"no space, told by sync", refuse(syscall.ENOSPC, "sync"), diskFull},
		{"over quota", refuse(syscall.EDQUOT, "write", "create"), diskFull},
		{"read-only", refuse(syscall.EROFS, "write", "create", "open", "mkdir", "remove"), diskReadOnly},
		{"write error", refuse(syscall.EIO, "write"), diskFailing},
		{"sync error", refuse(syscall.EIO, "sync"), diskFailing},
		{"gone", refuse(syscall.ENODEV, "write", "create", "open", "sync", "read", "syncdir"), diskFailing},
	} {
		for _, spool := range []string{OnFailure, Always} {
			t.Run(c.name+" "+spool, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFault(t, c.fail, c.want, spool) })
			})
		}
	}
}

func testFault(t *testing.T, fail func(kind, name string) error, want, spool string) {
	var attempts atomic.Int64
	counting := func(kind, name string) error {
		err := fail(kind, name)
		if err != nil {
			attempts.Add(1)
		}
		return err
	}
	q := startSpooler(t, newSimDisk(), Options{Spool: spool, RAMBytes: 1 << 20}, nil)
	first := filled("first", "e", Picture, 50000)
	mustPut(t, q.Queue, first)
	wait(5 * time.Second)
	if q.Stats().Spooled != 1 {
		t.Fatal("the first picture is not on disk")
	}

	q.fs.setFail(counting)
	for i := range 5 {
		err := q.Put(filled(fmt.Sprint(i), "e", Picture, 50000))
		if (spool == Always) != errors.Is(err, ErrNotSynced) || (spool != Always && err != nil) {
			t.Errorf("put: %v", err)
		}
	}
	wait(10 * time.Second)
	if s := q.Stats(); s.Disk != want || s.Dropped != 0 || s.Pictures != 6 {
		t.Errorf("with the fault: %+v, want %s", s, want)
	}
	attempts.Store(0)
	for i := range 600 { // ten minutes
		wait(time.Second)
		if s := q.Stats(); s.Disk != want {
			t.Fatalf("after %d s: %+v, want %s", i, s, want)
		}
	}
	if n := attempts.Load(); n > 40 || n == 0 {
		t.Errorf("%d attempts in ten minutes", n)
	}
	for i := range 5 { // what is in RAM can be sent meanwhile
		if it, ok := q.Find(fmt.Sprint(i)); !ok {
			t.Errorf("%d cannot be read", i)
		} else {
			same(t, it, filled(fmt.Sprint(i), "e", Picture, 50000))
		}
	}

	q.fs.setFail(nil)
	wait(2 * lastRetry)
	if s := q.Stats(); s.Disk != diskOK || s.Spooled != 6 || s.Dropped != 0 {
		t.Errorf("healed: %+v", s)
	}
	if err := q.Put(filled("after", "e", Picture, 50000)); err != nil {
		t.Error(err)
	}
	if err := q.stop(); err != nil {
		t.Error(err)
	}
	q = startSpooler(t, q.disk.state.cut(loseAll, nil), Options{}, nil)
	if it, ok := q.Find("first"); !ok {
		t.Error("the first picture is lost")
	} else {
		same(t, it, first)
	}
	if s := q.Stats(); s.Pictures != 7 {
		t.Errorf("at the next start: %+v", s)
	}
	q.stop()
}

// TestFaultAtStart: a disk that is out of order at the start costs nothing but
// durability, and what a read-only one holds is delivered.
func TestFaultAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startSpooler(t, newSimDisk(), Options{}, nil)
		mustPut(t, q.Queue, filled("old", "e", Picture, 50000))
		if err := q.stop(); err != nil {
			t.Fatal(err)
		}
		q = startSpooler(t, q.disk, Options{}, func(kind, _ string) error {
			if kind == "read" || kind == "sync" || kind == "syncdir" {
				return nil
			}
			return syscall.EROFS
		})
		if s := q.Stats(); s.Disk != diskReadOnly || s.Pictures != 1 {
			t.Errorf("read-only at the start: %+v", s)
		}
		it, ok := q.Next()
		if !ok {
			t.Fatal("the picture on the read-only disk is not delivered")
		}
		same(t, it, filled("old", "e", Picture, 50000))
		q.Done("old", Picture)
		mustPut(t, q.Queue, filled("new", "e", Picture, 50000))
		wait(time.Minute)
		q.fs.setFail(nil)
		wait(2 * lastRetry)
		if s := q.Stats(); s.Disk != diskOK || s.Spooled != 1 || s.Pictures != 1 {
			t.Errorf("healed: %+v", s)
		}
		if err := q.stop(); err != nil {
			t.Error(err)
		}
		q = startSpooler(t, q.disk, Options{}, nil)
		if _, ok := q.Find("old"); ok {
			t.Error("the picture delivered from a read-only disk came back although the disk healed")
		}
		q.stop()
	})
}

// TestStopWithoutDisk: the end tells what could not be kept.
func TestStopWithoutDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startSpooler(t, newSimDisk(), Options{}, nil)
		q.fs.setFail(func(kind, _ string) error { return syscall.EIO })
		mustPut(t, q.Queue, item("a", "e", Picture, 10))
		wait(5 * time.Second)
		if err := q.stop(); err == nil {
			t.Error("no error")
		}
	})
}

// TestFullKeepsRAM: on a full disk the RAM ring goes on by the rule, and what
// segments exist are used again.
func TestFullKeepsRAM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startSpooler(t, newSimDisk(), Options{RAMBytes: 300_000}, nil)
		q.fs.setFail(func(kind, _ string) error {
			if kind == "write" || kind == "create" {
				return syscall.ENOSPC
			}
			return nil
		})
		for i := range 40 {
			k := Picture
			if i%10 == 0 {
				k = Cover
			}
			q.Put(filled(fmt.Sprint(i), fmt.Sprint("e", i/10), k, 20000))
			wait(100 * time.Millisecond)
		}
		s := q.Stats()
		if s.Disk != diskFull || s.RAMBytes > 300_000 || s.Dropped != 26 {
			t.Errorf("full: %+v", s)
		}
		for i := 0; i < 40; i += 10 {
			if _, ok := q.Find(fmt.Sprint(i)); !ok {
				t.Errorf("cover %d was given up before frames", i)
			}
		}
		q.fs.setFail(nil)
		wait(2 * lastRetry)
		if s := q.Stats(); s.Disk != diskOK || s.Spooled != 14 {
			t.Errorf("healed: %+v", s)
		}
		q.stop()
	})
}

// TestFullUntilSynced: some file systems tell that they are full only at a
// sync; a disk is not healed before one succeeded.
func TestFullUntilSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := startSpooler(t, newSimDisk(), Options{}, nil)
		q.fs.setFail(func(kind, name string) error {
			probe := strings.HasSuffix(name, "probe")
			if kind == "write" && !probe || kind == "sync" && probe {
				return syscall.ENOSPC
			}
			return nil
		})
		mustPut(t, q.Queue, item("a", "e", Picture, 1000))
		wait(5 * time.Second)
		q.Done("a", Picture)
		for range 300 {
			wait(time.Second)
			if s := q.Stats(); s.Disk != diskFull {
				t.Fatalf("%+v", s)
			}
		}
		q.stop()
	})
}
