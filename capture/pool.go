package capture

import "sync"

// Pool is memory for a camera's pictures, used again and again: at 15 pictures a
// second the garbage collector would else be what a quiet camera costs most. It
// cuts pictures from blocks, and a block all of whose pictures came back is the
// next one to cut from. What never comes back is left to the collector. The zero
// value is ready for use, by several goroutines.
type Pool struct {
	mu     sync.Mutex
	block  *block   // where the next picture is cut from
	spares []*block // those that came back
	lends  int      // pictures since spares were last given up
	least  int      // the fewest spares since then: those were never needed
}

type block struct {
	bytes []byte
	used  int // bytes, from the start
	lent  int // pictures
}

// Loan is memory for one picture.
type Loan struct {
	Bytes []byte // of the length asked for
	pool  *Pool
	block *block // nil once it came back
}

const (
	leastBlock    = 64 << 10
	blockPictures = 4   // of the size of the first, and a bit: what does not fit at the end is lost
	tidyAfter     = 256 // pictures, after which spares that were not needed are given up
)

// Lend returns memory for n bytes, with anything in it.
func (p *Pool) Lend(n int) *Loan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lends++; p.lends == tidyAfter {
		clear(p.spares[len(p.spares)-p.least:])
		p.spares = p.spares[:len(p.spares)-p.least]
		p.lends, p.least = 0, len(p.spares)
	}
	if p.block == nil || len(p.block.bytes)-p.block.used < n {
		p.block = p.next(n)
	}
	b := p.block
	l := &Loan{Bytes: b.bytes[b.used : b.used+n : b.used+n], pool: p, block: b}
	b.used += n
	b.lent++
	return l
}

// next returns an empty block for pictures of n bytes: the newest spare, if that
// suits. One that is far too large would hold more than a ring's limit says.
func (p *Pool) next(n int) *block {
	want := max(leastBlock, blockPictures*n+n/4)
	for last := len(p.spares) - 1; last >= 0; last-- {
		b := p.spares[last]
		p.spares[last] = nil
		p.spares = p.spares[:last]
		p.least = min(p.least, last)
		if len(b.bytes) >= n && len(b.bytes) <= 4*want {
			return b
		}
	}
	return &block{bytes: make([]byte, want)}
}

// giveBack ends the loan; the second time, and on nil, it does nothing.
func (l *Loan) giveBack() {
	if l == nil {
		return
	}
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	b := l.block
	if b == nil {
		return
	}
	l.block = nil
	if b.lent--; b.lent > 0 {
		return
	}
	b.used = 0
	if b != p.block {
		p.spares = append(p.spares, b)
	}
}
