package queue

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ledger is what is known of a run at one moment of its log.
type ledger struct {
	put     map[key]Item
	index   map[key]int  // order of Put
	safe    map[key]bool // synced, and not left since
	loc     map[key]loc
	byLoc   map[loc]key
	removed map[key]bool // its removal is synced
	aside   map[key]bool
}

func newLedger() *ledger {
	return &ledger{map[key]Item{}, map[key]int{}, map[key]bool{}, map[key]loc{}, map[loc]key{}, map[key]bool{}, map[key]bool{}}
}

// noting returns hooks that note in the disk's log what becomes safe.
func (p *simFS) noting() hooks {
	note := func(f func(*ledger)) {
		if !p.dead() {
			p.note(f)
		}
	}
	return hooks{
		synced: func(k key, l loc) {
			note(func(led *ledger) { led.safe[k], led.loc[k], led.byLoc[l] = true, l, k })
		},
		left: func(k key) { note(func(led *ledger) { delete(led.safe, k) }) },
		removed: func(l loc) {
			note(func(led *ledger) {
				if k, ok := led.byLoc[l]; ok && led.loc[k] == l && !led.safe[k] {
					led.removed[k] = true
				}
			})
		},
	}
}

// check opens the disk found after a power cut and compares.
func (led *ledger) check(d *simDisk, o Options, again bool) error {
	q, err := open(o, nil, &simFS{simDisk: d, left: -1}, hooks{})
	if err != nil {
		return err
	}
	if s := q.Stats(); s.Disk != diskOK {
		return fmt.Errorf("disk %s: %s", s.Disk, q.health.text)
	}
	found := map[key]bool{}
	last := -1
	for _, e := range append([]*entry(nil), q.items...) {
		want, ok := led.put[e.key]
		if !ok {
			return fmt.Errorf("%v %q was never put", e.kind, e.id)
		}
		q.mu.Lock()
		got, ok := q.load(e)
		if !ok {
			return fmt.Errorf("%v %q was recovered and cannot be read", e.kind, e.id)
		}
		if !bytes.Equal(got.Body, want.Body) || !bytes.Equal(got.Meta, want.Meta) || got.Event != want.Event {
			return fmt.Errorf("%v %q has other bytes", e.kind, e.id)
		}
		if led.removed[e.key] {
			return fmt.Errorf("%v %q came back after its removal was synced", e.kind, e.id)
		}
		if led.index[e.key] < last {
			return fmt.Errorf("%v %q is out of order", e.kind, e.id)
		}
		found[e.key], last = true, led.index[e.key]
	}
	for k := range led.safe {
		if !found[k] {
			return fmt.Errorf("%v %q was safe and is lost", k.kind, k.id)
		}
	}
	for k := range led.aside {
		if !found[k] && !kept(d, o.Dir, led.put[k]) {
			return fmt.Errorf("%v %q was put aside and is lost", k.kind, k.id)
		}
	}
	if !again {
		return q.Close()
	}
	// What was found must survive the next life and a cut at its end, too.
	next := newLedger()
	for k := range found {
		next.put[k], next.index[k], next.safe[k] = led.put[k], led.index[k], true
	}
	fresh := filled("fresh", "fresh", Picture, 9000)
	q.o.Spool = Always
	if err := q.Put(fresh); err != nil {
		return fmt.Errorf("put after the cut: %w", err)
	}
	k := key{fresh.ID, fresh.Kind}
	next.put[k], next.index[k], next.safe[k] = fresh, 1<<30, true
	for k := range next.safe {
		if q.byKey[k] == nil {
			delete(next.safe, k) // given up for the fresh one
		}
	}
	if err := next.check(d.state.cut(loseAll, nil), o, false); err != nil {
		return fmt.Errorf("second cut: %w", err)
	}
	return nil
}

// kept says whether the quarantine holds the item's picture, beside what a
// process that was killed may have begun of it.
func kept(d *simDisk, dir string, it Item) bool {
	for name, node := range d.state.durable {
		ok, _ := filepath.Match(filepath.Join(dir, asideFolder, "*-"+fileName(it.ID)+".jpg"), name)
		if ok && bytes.Equal(d.state.nodes[node].durable, it.Body) {
			return true
		}
	}
	return false
}

// run is 100 pictures and some summaries through several lives on one disk:
// synced one by one, in groups, delivered, put aside, more than fit, processes
// killed at any moment.
func powerCutRun(t testing.TB, seed uint64, o Options) *simDisk {
	rng := rand.New(rand.NewPCG(seed, 1))
	d := newSimDisk()
	puts := 0
	for life := 0; puts < 100; life++ {
		p := &simFS{simDisk: d, left: -1}
		switch life % 6 {
		case 1:
			p.syncs = 3 + rng.IntN(8)
		case 4:
			p.left = 30 + rng.IntN(60)
		}
		fault := map[int]func(kind, _ string) error{
			2: func(kind, _ string) error {
				if (kind == "write" || kind == "create") && rng.IntN(10) == 0 {
					return syscall.ENOSPC
				}
				return nil
			},
			3: func(kind, _ string) error {
				if kind == "sync" && rng.IntN(4) == 0 {
					return syscall.EIO
				}
				return nil
			},
		}[life%4]
		o.Spool = []string{Always, OnFailure}[life%2]
		q, err := open(o, nil, p, p.noting())
		if err != nil {
			t.Fatal(err)
		}
		// A failed sync and then a kill is a known limit, see docs/queue.md.
		if life%4 != 3 || p.syncs == 0 && p.left < 0 {
			p.setFail(fault)
		}
		for range 30 {
			if p.dead() || puts == 100 {
				break
			}
			kind := []Kind{Picture, Picture, Picture, Cover, Summary}[rng.IntN(5)]
			it := filled(fmt.Sprintf("e%02d-%03d", puts/7, puts), fmt.Sprintf("e%02d", puts/7), kind, 1+rng.IntN(30000))
			if kind == Picture {
				puts++
			} else {
				it.ID += "x" + fmt.Sprint(len(d.log))
			}
			k, n := key{it.ID, it.Kind}, len(d.log)
			p.note(func(led *ledger) { led.put[k], led.index[k] = it, n })
			q.Put(it)
			if q.health.noWrites {
				q.heal(q.retryAt())
			}
			switch rng.IntN(8) {
			case 0, 1, 2: // delivered
				if it, ok := q.Next(); ok {
					q.Done(it.ID, it.Kind)
				}
			case 3, 4: // what Run does
				q.disk.Lock()
				q.commit(nil)
				q.disk.Unlock()
			case 5:
				if !q.removing() {
					break
				}
				q.disk.Lock()
				if err := q.flush(false); err != nil {
					q.trouble(err)
				}
				q.disk.Unlock()
			case 6:
				if it, ok := q.Next(); ok && it.Body != nil && rng.IntN(3) == 0 {
					q.Quarantine(it.ID, it.Kind, "test")
					if q.byKey[key{it.ID, it.Kind}] == nil && !p.dead() {
						p.note(func(led *ledger) { led.aside[key{it.ID, it.Kind}] = true })
					}
				} else if ok {
					q.Release(it.ID, it.Kind)
				}
			}
		}
		p.setFail(nil)
		q.heal(q.retryAt())
		if life%3 == 2 {
			q.Close()
		}
		p.left = 0 // the end of the process, whatever it was doing
	}
	return d
}

// TestSyncThatFailsOnce lets each sync of a run fail in turn, and that one only:
// the next one's success proves nothing about what it was to make safe.
func TestSyncThatFailsOnce(t *testing.T) {
	o := Options{Dir: "/var/queue", DiskBytes: 1 << 20, Spool: Always}
	syncs, images := 1<<30, 0
	for i := 0; i < 2*syncs; i++ {
		n, fault := 1+i/2, []error{syscall.EIO, syscall.ENOSPC}[i%2]
		d := newSimDisk()
		p := &simFS{simDisk: d, left: -1}
		q, err := open(o, nil, p, p.noting())
		if err != nil {
			t.Fatal(err)
		}
		count, failed := 0, 0
		p.setFail(func(kind, _ string) error {
			if kind == "sync" {
				if count++; count == n {
					failed = len(d.log)
					return fault
				}
			}
			return nil
		})
		for i := range 50 {
			it := filled(fmt.Sprintf("e%02d-%03d", i/7, i), fmt.Sprintf("e%02d", i/7), Picture, 25000)
			k := key{it.ID, it.Kind}
			p.note(func(led *ledger) { led.put[k], led.index[k] = it, i })
			q.Put(it)
			if it, ok := q.Next(); ok && i%8 != 0 {
				q.Done(it.ID, it.Kind)
			} else if ok {
				q.Release(it.ID, it.Kind)
			}
			if i%4 == 0 {
				q.disk.Lock()
				if err := q.flush(false); err != nil {
					q.trouble(err)
				}
				q.disk.Unlock()
			}
			q.heal(q.retryAt())
		}
		syncs = min(syncs, count)
		rng := rand.New(rand.NewPCG(uint64(n), 3))
		led, state := newLedger(), newSimState()
		left := 30 // changes after the failure
		for i, op := range d.log {
			if op.kind == "note" {
				op.note(led)
				continue
			}
			state.apply(op)
			if i < failed || left == 0 || strings.HasSuffix(op.name, "/probe") || testing.Short() && i%5 != 0 {
				continue
			}
			left--
			images++
			how := []int{loseAll, tearOne}[i%2]
			if err := led.check(state.cut(how, rng), o, false); err != nil {
				t.Fatalf("sync %d failed (%v), cut after change %d of %d (%s %s), way %d: %v", n, fault, i, len(d.log), op.kind, op.name, how, err)
			}
		}
		q.Close()
	}
	t.Logf("%d syncs, %d disks after a power cut", syncs, images)
}

var powerCuts = flag.Int("powercuts", 1, "runs of TestPowerCut")

// TestPowerCut cuts the power after every single change that a run made to
// the disk, in several ways, and recovers.
func TestPowerCut(t *testing.T) {
	o := Options{Dir: "/var/queue", DiskBytes: 1 << 20, RAMBytes: 200_000}
	images := 0
	for seed := range uint64(*powerCuts) {
		d := powerCutRun(t, seed, o)
		rng := rand.New(rand.NewPCG(seed, 2))
		led, state := newLedger(), newSimState()
		for i, op := range d.log {
			if op.kind == "note" {
				op.note(led)
				continue
			}
			state.apply(op)
			for how := range cuts {
				if images++; testing.Short() && images%10 != 0 {
					continue
				}
				if err := led.check(state.cut(how, rng), o, images%7 == 0); err != nil {
					t.Fatalf("seed %d, cut after change %d of %d (%s %s), way %d: %v", seed, i, len(d.log), op.kind, op.name, how, err)
				}
			}
		}
	}
	t.Logf("%d disks after a power cut", images)
}
