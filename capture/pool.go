package capture

import (
	"sync"
	"sync/atomic"
)

// Pool is memory for a camera's pictures, used again and again: at 15 pictures a
// second the garbage collector would else be what a quiet camera costs most. The
// zero value is ready for use, by several goroutines.
type Pool struct {
	mu   sync.Mutex
	free []*Loan
}

// spares is how many loans wait for the next picture; one comes back for each
// that goes.
const spares = 4

// Loan is memory for one picture.
type Loan struct {
	Bytes []byte // of the length asked for
	pool  *Pool
	lent  bool        // under the pool's lock: it comes back once
	kept  atomic.Bool // it never comes back
}

// Lend returns memory for n bytes, with anything in it.
func (p *Pool) Lend(n int) *Loan {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range p.free {
		// What is far too large would hold more than the ring's limit says.
		if c := cap(l.Bytes); c >= n && c/2 <= n {
			last := len(p.free) - 1
			p.free[i], p.free[last] = p.free[last], nil
			p.free = p.free[:last]
			l.Bytes, l.lent = l.Bytes[:n], true
			return l
		}
	}
	// The capacity is what the allocator takes anyway.
	return &Loan{Bytes: append([]byte(nil), make([]byte, n)...), pool: p, lent: true}
}

// giveBack lends the memory to the next picture, unless somebody keeps it.
func (l *Loan) giveBack() {
	if l == nil || l.kept.Load() {
		return
	}
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.lent {
		return
	}
	l.lent = false
	if len(p.free) == spares { // all too small or too large, it seems
		p.free = append(p.free[:0], p.free[1:]...)
	}
	p.free = append(p.free, l)
}
