package capture

import "sync"

// Pool is memory for a camera's pictures, used again and again: at 15 pictures a
// second the garbage collector would else be what a quiet camera costs most. It
// cuts pictures from blocks, and a block all of whose pictures came back is the
// next one to cut from. What never comes back is left to the collector. The zero
// value is ready for use, by several goroutines.
type Pool struct {
	mu    sync.Mutex
	block *block // where the next picture is cut from
	spare *block // one that came back
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
	blockPictures = 4 // of the size of the first: what does not fit at the end is lost
)

// Lend returns memory for n bytes, with anything in it.
func (p *Pool) Lend(n int) *Loan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.block; b == nil || len(b.bytes)-b.used < n {
		// One that is far too large would hold more than a ring's limit says.
		if s := p.spare; s != nil && len(s.bytes) >= n && len(s.bytes) <= max(leastBlock, 4*blockPictures*n) {
			p.block, p.spare = s, nil
		} else {
			p.block = &block{bytes: make([]byte, max(leastBlock, blockPictures*n))}
		}
	}
	b := p.block
	l := &Loan{Bytes: b.bytes[b.used : b.used+n : b.used+n], pool: p, block: b}
	b.used += n
	b.lent++
	return l
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
		p.spare = b
	}
}
