package queue

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// modelItem is an item as the plain model of the rules has it.
type modelItem struct {
	id     string
	event  int
	kind   Kind
	size   int
	n      int // order of Put
	leased bool
}

// model is the queue as issue and documentation describe it, kept in one list.
type model struct {
	items   []*modelItem
	limit   int
	newest  int
	dropped map[int]int
}

func (m *model) bytes() (n int) {
	for _, it := range m.items {
		n += it.size
	}
	return n
}

func (m *model) remove(it *modelItem) {
	m.items = slices.DeleteFunc(m.items, func(x *modelItem) bool { return x == it })
}

// put returns whether the item was the one to give up.
func (m *model) put(it *modelItem) (gone bool) {
	m.items = append(m.items, it)
	if it.kind != Summary {
		m.newest = max(m.newest, it.event)
	}
	for m.bytes() > m.limit {
		order := slices.Clone(m.items)
		order = slices.DeleteFunc(order, func(x *modelItem) bool { return x.leased })
		slices.SortFunc(order, func(a, b *modelItem) int {
			worth := map[Kind]int{Picture: 0, Cover: 1, Summary: 2}
			return cmp.Or(cmp.Compare(worth[a.kind], worth[b.kind]), cmp.Compare(a.event, b.event), cmp.Compare(a.n, b.n))
		})
		if len(order) == 0 {
			return gone
		}
		m.remove(order[0])
		if order[0].kind != Summary {
			m.dropped[order[0].event]++
		}
		gone = gone || order[0] == it
	}
	return gone
}

// next is what goes out: of the newest event the covers, then the frames; all
// summaries; the other covers, newest event first; the other frames.
func (m *model) next() *modelItem {
	for _, pick := range []func(*modelItem) (bool, int){
		func(x *modelItem) (bool, int) { return x.kind == Cover && x.event == m.newest, x.n },
		func(x *modelItem) (bool, int) { return x.kind == Picture && x.event == m.newest, x.n },
		func(x *modelItem) (bool, int) { return x.kind == Summary, x.n },
		func(x *modelItem) (bool, int) { return x.kind == Cover, -x.event*1e6 + x.n },
		func(x *modelItem) (bool, int) { return x.kind == Picture, x.event*1e6 + x.n },
	} {
		var first *modelItem
		least := 0
		for _, x := range m.items {
			if ok, n := pick(x); ok && !x.leased && (first == nil || n < least) {
				first, least = x, n
			}
		}
		if first != nil {
			return first
		}
	}
	return nil
}

// TestModel does the same random things to a queue and to the model.
func TestModel(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 0))
		limit := 5000 + rng.IntN(20000)
		q := mustOpen(t, Options{RAMBytes: int64(limit)})
		told := map[int]int{}
		q.OnDrop(func(event string, n int) {
			var e int
			fmt.Sscanf(event, "e%d", &e)
			told[e] += n
			q.Dropped(event) // may be called
		})
		m := &model{limit: limit, newest: -1, dropped: map[int]int{}}
		event := 0
		for n := range 400 {
			switch {
			case rng.IntN(10) < 6:
				event += rng.IntN(6) / 5
				// Mostly of the event now, sometimes late for one that still has something.
				it := &modelItem{event: event, kind: Kind(1 + rng.IntN(3)), size: rng.IntN(2000), n: n}
				if len(m.items) > 0 && rng.IntN(5) == 0 {
					it.event = m.items[rng.IntN(len(m.items))].event
				}
				it.id = fmt.Sprint(n)
				gone := m.put(it)
				err := q.Put(Item{ID: it.id, Event: fmt.Sprint("e", it.event), Kind: it.kind, Body: make([]byte, it.size)})
				if (err != nil) != gone {
					t.Fatalf("seed %d, put %d: %v, model given up: %v", seed, n, err, gone)
				}
			case rng.IntN(3) == 0 && len(m.items) > 0:
				it := m.items[rng.IntN(len(m.items))]
				if it.leased && rng.IntN(2) == 0 {
					it.leased = false
					q.Release(it.id, it.kind)
				} else {
					m.remove(it)
					q.Done(it.id, it.kind)
				}
			default:
				got, ok := q.Next()
				want := m.next()
				if ok != (want != nil) || ok && (got.ID != want.id || got.Kind != want.kind) {
					t.Fatalf("seed %d, step %d: next is %v %q, model %+v", seed, n, got.Kind, got.ID, want)
				}
				if want != nil {
					want.leased = true
				}
			}
		}
		if s := q.Stats(); int(s.Bytes) != m.bytes() || s.Pictures+s.Summaries != len(m.items) {
			t.Errorf("seed %d: %+v, model %d items, %d bytes", seed, s, len(m.items), m.bytes())
		}
		for e, n := range m.dropped {
			if got := q.Dropped(fmt.Sprint("e", e)); got != n || told[e] != n {
				t.Errorf("seed %d: event %d: %d dropped, %d told, model %d", seed, e, got, told[e], n)
			}
		}
	}
}

// TestEventTableBounded: events without items are forgotten in the end.
func TestEventTableBounded(t *testing.T) {
	q := mustOpen(t, Options{})
	for i := range 5 * maxEvents {
		id := fmt.Sprint(i)
		mustPut(t, q, item(id, id, Picture, 1))
		q.Done(id, Picture)
	}
	if n := len(q.events); n > maxEvents+1 || n != len(q.recent) {
		t.Errorf("%d events known, %d in order; at most %d", n, len(q.recent), maxEvents)
	}
}
