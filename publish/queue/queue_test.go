package queue

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func item(id, event string, k Kind, size int) Item {
	return Item{ID: id, Event: event, Kind: k, Meta: []byte("{}"), Body: make([]byte, size)}
}

func mustOpen(t testing.TB, o Options) *Queue {
	t.Helper()
	q, err := Open(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func mustPut(t testing.TB, q *Queue, items ...Item) {
	t.Helper()
	for _, it := range items {
		if err := q.Put(it); err != nil {
			t.Fatal(err)
		}
	}
}

// order drains what Next gives, without removing it.
func order(q *Queue) []string {
	var ids []string
	for {
		it, ok := q.Next()
		if !ok {
			return ids
		}
		ids = append(ids, fmt.Sprintf("%s/%s", it.Kind, it.ID))
	}
}

func TestSendOrder(t *testing.T) {
	q := mustOpen(t, Options{})
	mustPut(t, q,
		item("1-0", "1", Cover, 9), item("1-1", "1", Picture, 9), item("1-2", "1", Picture, 9), item("1", "1", Summary, 0),
		item("2-0", "2", Cover, 9), item("2-1", "2", Picture, 9), item("2", "2", Summary, 0),
		item("3-0", "3", Picture, 9), item("3-1", "3", Cover, 9), item("3", "3", Summary, 0),
		item("1-3", "1", Picture, 9)) // late
	want := []string{
		"cover/3-1", "picture/3-0",
		"summary/1", "summary/2", "summary/3",
		"cover/2-0", "cover/1-0",
		"picture/1-1", "picture/1-2", "picture/1-3", "picture/2-1",
	}
	if got := order(q); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("order\n got %v\nwant %v", got, want)
	}
	// The newest event delivered, the next newest does not take its place.
	q.Done("3-1", Cover)
	q.Done("3-0", Picture)
	q.Release("1-1", Picture)
	q.Release("2", Summary)
	q.Release("2-1", Picture)
	want = []string{"summary/2", "picture/1-1", "picture/2-1"}
	if got := order(q); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("order after the newest event\n got %v\nwant %v", got, want)
	}
}

func TestPutRefuses(t *testing.T) {
	q := mustOpen(t, Options{RAMBytes: 1000})
	mustPut(t, q, item("a", "e", Picture, 10))
	for _, c := range []struct {
		name string
		it   Item
		want error // nil: any
	}{
		{"twice", item("a", "e", Picture, 10), ErrExists},
		{"larger than the queue", item("b", "e", Picture, 1001), ErrFull},
		{"no id", item("", "e", Picture, 10), nil},
		{"long id", item(string(make([]byte, MaxID+1)), "e", Picture, 10), nil},
		{"no kind", item("b", "e", 0, 10), nil},
		{"unknown kind", item("b", "e", 4, 10), nil},
		{"large metadata", Item{ID: "b", Kind: Summary, Meta: make([]byte, MaxMeta+1)}, nil},
	} {
		if err := q.Put(c.it); err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	mustPut(t, q, item("a", "e", Cover, 10)) // another kind is another item
	q.Close()
	if err := q.Put(item("c", "e", Picture, 10)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Spool: "sometimes"}, {DiskBytes: 1000}, {RAMBytes: -1}, {Deadline: -time.Second}, {MaxItems: -1},
	} {
		if _, err := Open(o, nil); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
}
