package queue

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// filled is an item whose bytes follow from its name.
func filled(id, event string, k Kind, size int) Item {
	it := Item{ID: id, Event: event, Kind: k, Meta: []byte(fmt.Sprintf(`{"id":%q}`, id))}
	if k != Summary {
		it.Body = make([]byte, size)
		var seed [32]byte
		copy(seed[:], id+k.String())
		rand.NewChaCha8(seed).Read(it.Body)
	}
	return it
}

func same(t testing.TB, got, want Item) {
	t.Helper()
	if got.ID != want.ID || got.Event != want.Event || got.Kind != want.Kind || !bytes.Equal(got.Meta, want.Meta) || !bytes.Equal(got.Body, want.Body) {
		t.Errorf("%s %q came back changed", want.Kind, want.ID)
	}
}

func TestReopen(t *testing.T) {
	o := Options{Dir: t.TempDir() + "/deep/queue", Spool: Always}
	q := mustOpen(t, o)
	want := map[key]Item{}
	for i := range 20 {
		it := filled(fmt.Sprintf("e%d-%02d", i/5, i), fmt.Sprint("e", i/5), Kind(1+i%3), i*3000)
		want[key{it.ID, it.Kind}] = it
		mustPut(t, q, it)
	}
	for i := 0; i < 20; i += 4 {
		id, k := fmt.Sprintf("e%d-%02d", i/5, i), Kind(1+i%3)
		q.Done(id, k)
		delete(want, key{id, k})
	}
	before := order(q)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, o)
	if s := q.Stats(); s.Spooled != len(want) || s.RAMBytes != 0 || s.Disk != "ok" {
		t.Errorf("after reopening: %+v, want %d items", s, len(want))
	}
	var got []string
	for {
		it, ok := q.Next()
		if !ok {
			break
		}
		got = append(got, fmt.Sprintf("%s/%s", it.Kind, it.ID))
		same(t, it, want[key{it.ID, it.Kind}])
	}
	if fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("order changed\n got %v\nwant %v", got, before)
	}
}

func TestSpoolsAfterDeadline(t *testing.T) {
	o := Options{Dir: t.TempDir(), Deadline: 30 * time.Millisecond}
	q := mustOpen(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	mustPut(t, q, filled("a", "e", Picture, 5000))
	for q.Stats().Spooled == 0 {
		time.Sleep(time.Millisecond)
	}
	mustPut(t, q, filled("b", "e", Picture, 5000))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, o)
	for _, id := range []string{"a", "b"} {
		it, ok := q.Find(id)
		if !ok {
			t.Fatalf("%s is lost", id)
		}
		same(t, it, filled(id, "e", Picture, 5000))
	}
}
