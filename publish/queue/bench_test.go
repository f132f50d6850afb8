package queue

import (
	"fmt"
	"testing"
)

// BenchmarkPutNextDone is a picture's way through RAM while the broker
// acknowledges, with 1,000 others queued.
func BenchmarkPutNextDone(b *testing.B) {
	q, err := Open(Options{RAMBytes: 1 << 30}, nil)
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 100_000)
	for i := range 1000 {
		q.Put(Item{ID: fmt.Sprint("old", i), Event: "old", Kind: Picture, Body: body})
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		q.Put(Item{ID: "now", Event: "now", Kind: Picture, Body: body})
		it, _ := q.Next()
		q.Done(it.ID, it.Kind)
	}
}

// BenchmarkRecover opens a queue of 240 MB, from the page cache.
func BenchmarkRecover(b *testing.B) {
	o := Options{Dir: b.TempDir(), RAMBytes: 64 << 20, DiskBytes: 300 << 20}
	q, err := Open(o, nil)
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 100_000)
	for i := range 2400 {
		if err := q.Put(Item{ID: fmt.Sprintf("01K00000000000000000%06d-%02d", i/10, i%10), Event: fmt.Sprint(i / 10), Kind: Picture, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		q, err := Open(o, nil)
		if err != nil {
			b.Fatal(err)
		}
		if s := q.Stats(); s.Pictures != 2400 {
			b.Fatalf("%+v", s)
		}
		b.StopTimer()
		q.Close()
		b.StartTimer()
	}
}
