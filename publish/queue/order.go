package queue

import "cmp"

// sendOrder compares two entries by what goes out first: the newest event as
// protocol.md orders one event (cover, then its frames), then history in
// order, then covers, newest event first, then the other frames, oldest event
// first.
func (q *Queue) sendOrder(a, b *entry) int {
	ra, rb := q.sendRank(a), q.sendRank(b)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch ra {
	case 3:
		if c := cmp.Compare(b.event.order, a.event.order); c != 0 {
			return c
		}
	case 4:
		if c := cmp.Compare(a.event.order, b.event.order); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.seq, b.seq)
}

func (q *Queue) sendRank(e *entry) int {
	switch {
	case e.kind == Summary:
		return 2
	case e.event == q.newest && e.kind == Cover:
		return 0
	case e.event == q.newest:
		return 1
	case e.kind == Cover:
		return 3
	}
	return 4
}

// dropOrder compares two entries by what a full queue gives up first: frames,
// then covers, then summaries, each of the oldest event first.
func dropOrder(a, b *entry) int {
	return cmp.Or(
		cmp.Compare(b.kind, a.kind),
		cmp.Compare(a.event.order, b.event.order),
		cmp.Compare(a.seq, b.seq))
}

// best is the first entry to send among those that may go, or nil. It looks at
// every entry: with at most MaxItems of them that costs far less than the
// picture's way over the link, and needs no second index to keep right. Called
// with mu held.
func (q *Queue) best(may func(*entry) bool) *entry {
	return least(q.items, q.sendOrder, may)
}

// victim is the first entry to give up among those that may go, or nil.
// Called with mu held.
func (q *Queue) victim(may func(*entry) bool) *entry {
	return least(q.items, dropOrder, may)
}

func least(items []*entry, compare func(a, b *entry) int, may func(*entry) bool) *entry {
	var first *entry
	for _, e := range items {
		if may(e) && (first == nil || compare(e, first) < 0) {
			first = e
		}
	}
	return first
}
