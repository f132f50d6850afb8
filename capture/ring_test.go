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
// but not what somebody keeps, and nothing twice.
func TestRingGivesMemoryBack(t *testing.T) {
	var p Pool
	r := NewRing(1000, 200*time.Millisecond)
	add := func(i, size int) Frame {
		f := Frame{At: t0.Add(time.Duration(i) * 100 * time.Millisecond), Loan: p.Lend(size)}
		f.Data = f.Loan.Bytes
		r.Add(f)
		return f
	}
	owns := func(l *Loan, f Frame) bool { return &l.Bytes[:1][0] == &f.Data[:1][0] }
	var all []Frame
	for i := range 5 {
		all = append(all, add(i, 100)) // the ring holds three; 1 is dropped, 0 given back
	}
	l := p.Lend(100)
	if !owns(l, all[0]) {
		t.Error("the oldest frame's memory is not used again")
	}
	if l := p.Lend(100); owns(l, all[0]) || owns(l, all[1]) {
		t.Error("memory was lent twice, or before the next Add")
	}
	all[2].Keep()
	r.Since(t0.Add(400 * time.Millisecond)) // keeps 4
	for i := 5; i < 9; i++ {
		all = append(all, add(i, 100))
	}
	for _, f := range p.free {
		if owns(f, all[2]) || owns(f, all[4]) {
			t.Error("memory that is kept was given back")
		}
	}
	big := add(9, 2000) // no room for it
	for _, f := range p.free {
		if owns(f, big) {
			t.Error("the caller of Add still uses the frame")
		}
	}
	add(10, 100)
	if l := p.Lend(1500); !owns(l, big) {
		t.Error("the memory of what had no room is lost")
	}
	big.Drop()
	big.Drop()
	if a, b := p.Lend(2000), p.Lend(2000); owns(a, big) == owns(b, big) {
		t.Error("dropped twice, memory is lent twice or not at all")
	}
}

// Memory that does not suit the pictures any more is given up.
func TestPoolFollowsTheSize(t *testing.T) {
	var p Pool
	for _, size := range []int{100_000, 10_000, 100_000} {
		for range 10 {
			var l [8]*Loan
			for i := range l {
				l[i] = p.Lend(size)
				if c := cap(l[i].Bytes); c < size || c > 2*size {
					t.Fatalf("%d bytes are lent for %d", c, size)
				}
			}
			for _, l := range l {
				l.giveBack()
			}
		}
		if len(p.free) > spares {
			t.Errorf("%d loans wait", len(p.free))
		}
	}
	f := Frame{}
	if n := testing.AllocsPerRun(100, func() { f.Loan = p.Lend(100_000); f.Drop() }); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
}
