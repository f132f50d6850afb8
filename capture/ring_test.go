package capture

import (
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// at is a frame of so many bytes, taken so long after t0.
func at(d time.Duration, size int) Frame {
	return Frame{At: t0.Add(d), Data: make([]byte, size)}
}

func TestRingKeepsByAgeAndBytes(t *testing.T) {
	r := NewRing(1000, 2*time.Second)
	if _, ok := r.Newest(); ok || len(r.Since(t0)) != 0 {
		t.Error("a new ring is not empty")
	}
	for i := range 100 {
		r.Add(at(time.Duration(i)*100*time.Millisecond, 10))
	}
	got := r.Since(t0)
	if len(got) != 21 || r.Bytes() != 210 || r.Short() != 0 {
		t.Fatalf("%d frames, %d bytes, short %d; want the last 2 s: 21, 210, 0", len(got), r.Bytes(), r.Short())
	}
	for i, f := range got {
		if want := t0.Add(7900*time.Millisecond + time.Duration(i)*100*time.Millisecond); !f.At.Equal(want) {
			t.Errorf("frame %d is of %v, want %v", i, f.At, want)
		}
	}
	if got := r.Since(t0.Add(9700 * time.Millisecond)); len(got) != 3 {
		t.Errorf("%d frames since 9.7 s, want 3", len(got))
	}
	if f, ok := r.Newest(); !ok || !f.At.Equal(t0.Add(9900*time.Millisecond)) {
		t.Errorf("newest is of %v", f.At)
	}

	r.Add(at(10*time.Second, 900)) // leaves room for ten small ones
	if got := r.Since(t0); len(got) != 11 || r.Bytes() != 1000 || r.Short() != 1 {
		t.Errorf("%d frames, %d bytes, short %d; want 11, 1000, 1", len(got), r.Bytes(), r.Short())
	}
	r.Add(at(10100*time.Millisecond, 1001))
	if got := r.Since(t0); len(got) != 0 || r.Bytes() != 0 {
		t.Errorf("a frame larger than the ring leaves %d frames, %d bytes", len(got), r.Bytes())
	}
	r.Add(at(11*time.Second, 10))
	r.Clear()
	if r.Bytes() != 0 || len(r.Since(t0)) != 0 {
		t.Error("Clear leaves frames")
	}
}

// However long it runs, the ring's own memory does not grow.
func TestRingDoesNotGrow(t *testing.T) {
	r := NewRing(1<<20, time.Second)
	for i := range 100_000 {
		r.Add(at(time.Duration(i)*100*time.Millisecond, 1))
	}
	if c := cap(r.frames); c > 64 {
		t.Errorf("room for %d frames where 11 are kept", c)
	}
	held := 0
	for _, f := range r.frames[:cap(r.frames)] {
		if f.Data != nil {
			held++
		}
	}
	if held != 11 {
		t.Errorf("%d pictures are held where 11 are kept", held)
	}
}

func TestRingGivesItsOwnSlice(t *testing.T) {
	r := NewRing(1000, time.Second)
	r.Add(at(0, 1))
	r.Since(t0)[0].At = time.Time{}
	if len(r.Since(t0)) != 1 {
		t.Error("a caller's change reached the ring")
	}
}

func BenchmarkRing(b *testing.B) {
	r := NewRing(16<<20, 2*time.Second)
	b.ReportAllocs()
	f := at(0, 100_000)
	for b.Loop() {
		f.At = f.At.Add(100 * time.Millisecond)
		r.Add(f)
	}
}
