package queue

import (
	"syscall"
	"testing"
)

// manual opens a queue on a simulated disk without Run.
func manual(t *testing.T, d *simDisk) (*Queue, *simFS) {
	t.Helper()
	p := &simFS{simDisk: d, left: -1}
	q, err := open(Options{Dir: "/queue", Spool: Always}, nil, p, hooks{})
	if err != nil {
		t.Fatal(err)
	}
	return q, p
}

// TestFailedHeaderSync: a header that a failed sync left in the page cache is
// written again, and not taken for a safe one.
func TestFailedHeaderSync(t *testing.T) {
	q, p := manual(t, newSimDisk())
	mustPut(t, q, filled("a", "e", Picture, 20000), filled("b", "e", Picture, 20000))
	q.Done("a", Picture)
	p.setFail(func(kind, _ string) error {
		if kind == "sync" {
			return syscall.EIO
		}
		return nil
	})
	if err := q.flush(false); err == nil {
		t.Fatal("the sync did not fail")
	} else {
		q.trouble(err)
	}
	p.setFail(nil)
	q.heal(q.retryAt())
	if err := q.flush(false); err != nil || len(q.removals) != 0 {
		t.Fatalf("healed: %v, %d removals left", err, len(q.removals))
	}
	q, _ = manual(t, p.state.cut(loseAll, nil))
	if _, ok := q.Find("a"); ok {
		t.Error("a removal that counted as written is gone")
	}
	if _, ok := q.Find("b"); !ok {
		t.Error("what was safe is gone")
	}
}

// TestFailedWriteLeftBehind: a record of which only the start could be written
// is not trusted later, when everything after it was synced.
func TestFailedWriteLeftBehind(t *testing.T) {
	q, p := manual(t, newSimDisk())
	mustPut(t, q, filled("a", "e", Picture, 20000))
	writes := 0
	p.setFail(func(kind, _ string) error {
		if kind == "write" {
			if writes++; writes > 1 {
				return syscall.ENOSPC
			}
		}
		return nil
	})
	x := filled("x", "e", Picture, 20000)
	if err := q.Put(x); err == nil {
		t.Fatal("the write did not fail")
	}
	p.setFail(nil)
	q.heal(q.retryAt())
	mustPut(t, q, filled("y", "e", Picture, 20000), filled("z", "e", Picture, 20000))
	q, _ = manual(t, p.state.cut(keepAll, nil))
	for _, id := range []string{"a", "x", "y", "z"} {
		if it, ok := q.Find(id); !ok {
			t.Errorf("%s is lost", id)
		} else {
			same(t, it, filled(id, "e", Picture, 20000))
		}
	}
}
