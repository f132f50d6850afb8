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

// A ring gives back the memory of what it drops, at the next Add at the earliest,
// and nothing twice.
func TestRingGivesMemoryBack(t *testing.T) {
	var p Pool
	r := NewRing(1_000_000, 200*time.Millisecond)
	lent := func() (n int) {
		for _, b := range append([]*block{p.block}, p.spares...) {
			n += b.lent
		}
		return n
	}
	add := func(i, size int) Frame {
		f := Frame{At: t0.Add(time.Duration(i) * 100 * time.Millisecond), Loan: p.Lend(size)}
		f.Data = f.Loan.Bytes
		r.Add(f)
		return f
	}
	for i, want := range []int{1, 2, 3, 4, 4, 4} { // three in the ring, and one that was just dropped
		add(i, 1000)
		if n := lent(); n != want {
			t.Errorf("%d pictures lent after %d, want %d", n, i+1, want)
		}
	}
	big := add(6, 2_000_000) // no room for it, nor for what was there
	if big.Loan.block == nil {
		t.Error("the caller of Add still uses the frame")
	}
	kept := add(7, 1000)
	if n := lent(); n != 1 || big.Loan.block != nil {
		t.Errorf("%d pictures lent, want 1", n)
	}
	big.Drop()
	kept.Data[0] = 1
	kept = kept.Keep()
	add(20, 1000)
	add(21, 1000)
	if n := lent(); n != 2 {
		t.Errorf("%d pictures lent, want 2", n)
	}
	clear(p.block.bytes)
	clear(p.spares[0].bytes)
	if kept.Data[0] != 1 {
		t.Error("what was kept changed")
	}
}

// Memory follows the pictures' size, up and down; what somebody does not give
// back holds up nothing.
func TestPoolFollowsTheSize(t *testing.T) {
	var p Pool
	var ring []*Loan
	blocks := func() int { // what the loans hold
		held, total := map[*block]bool{p.block: true}, 0
		for _, b := range p.spares {
			held[b] = true
		}
		for _, l := range ring {
			held[l.block] = true
		}
		for b := range held {
			total += len(b.bytes)
		}
		return total
	}
	for _, size := range []int{100_000, 10_000, 200_000, 150_000} {
		for i := range 2 * tidyAfter {
			l := p.Lend(size + i)
			if len(l.Bytes) != size+i || cap(l.Bytes) != size+i {
				t.Fatalf("%d bytes, room for %d, are lent for %d", len(l.Bytes), cap(l.Bytes), size+i)
			}
			if i%10 == 9 {
				continue // lost
			}
			if ring = append(ring, l); len(ring) > 30 {
				ring[0].giveBack()
				ring = ring[1:]
			}
		}
		if total, most := blocks(), 2*30*size; total > most {
			t.Errorf("%d bytes for 30 pictures of %d", total, size)
		}
	}
	for _, l := range ring { // an event is over, say
		l.giveBack()
	}
	for range 2 * tidyAfter {
		p.Lend(150_000).giveBack()
	}
	if n := len(p.spares); n > 1 {
		t.Errorf("%d blocks wait where one is needed", n)
	}
	var f Frame
	if n := testing.AllocsPerRun(100, func() { f.Loan = p.Lend(100_000); f.Drop() }); n > 1 {
		t.Errorf("%v allocations a picture", n)
	}
}
