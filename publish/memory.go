package publish

import (
	"errors"
	"fmt"

	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// itemKey names a picture on its way; a resend has kind 0.
type itemKey struct {
	id   string
	kind queue.Kind
}

type pieceKey struct {
	itemKey
	pos int
}

// memory is what one connection leaves to the next: which pieces are through,
// and which pictures might have killed the link. Only Run's goroutine uses it.
//
// A packet can kill a link: too large for a broker, or poison to something on
// the way. After a death with pieces under way each of their pictures is
// suspect and goes alone, one piece at a time. A death with a piece as the only
// one under way is a strike against it; the second in a row is a verdict. A
// broker that restarts must never cause one: a strike counts only if the broker
// hung up, rather than fell silent, and took the very next connection; a piece
// with a strike waits until the connection has lived for a while (probation),
// and is cleared if that dies before; every acknowledgement of the piece clears
// it too.
type memory struct {
	acked   map[itemKey]bits
	tries   map[itemKey]int // for fresh ids of the recipe profile
	alone   map[itemKey]bool
	strikes map[pieceKey]int

	suspect  *pieceKey // a strike, if the next connection is taken
	large    *message  // the same for a state
	sparing  bool      // a link died with a large state under way: no pieces beside one
	convicts []verdict // to be put aside by the next connection
	rejected []*message
}

// verdict names a picture to quarantine.
type verdict struct {
	itemKey
	reason string
}

// maxRemembered bounds each of memory's tables; what is forgotten costs pieces
// sent twice.
const maxRemembered = 256

func newMemory() memory {
	return memory{acked: map[itemKey]bits{}, tries: map[itemKey]int{}, alone: map[itemKey]bool{}, strikes: map[pieceKey]int{}}
}

// connected tells whether the try to connect after a death succeeded.
func (m *memory) connected(ok bool) {
	suspect, large := m.suspect, m.large
	m.suspect, m.large = nil, nil
	if !ok {
		return
	}
	if suspect != nil {
		m.strikes[*suspect]++
		if m.strikes[*suspect] >= 2 {
			m.convicts = append(m.convicts, verdict{suspect.itemKey,
				fmt.Sprintf("piece %d was twice the only one under way when the broker closed the link", suspect.pos)})
			m.forget(suspect.itemKey)
		}
	}
	if large != nil {
		if large.strikes++; large.strikes >= 2 {
			m.rejected = append(m.rejected, large)
		}
	}
}

// died remembers what was under way when a link ended with err, and clears the
// piece that it did not even wait for.
func (m *memory) died(flights []flight, err error, trial *pieceKey) {
	if trial != nil {
		delete(m.strikes, *trial)
	}
	var last *flight
	var large *message
	pieces, larges := 0, 0
	for i, f := range flights {
		switch {
		case f.t != nil:
			pieces++
			last = &flights[i]
			limit(m.alone)
			m.alone[f.t.key] = true
		case f.m != nil && f.m.state && len(f.m.payload) >= largeState:
			larges++
			large = f.m
		}
	}
	m.sparing = larges > 0
	hungUp := !errors.Is(err, mqtt.ErrSilent)
	if hungUp && pieces == 1 && larges == 0 {
		limit(m.strikes)
		m.suspect = &pieceKey{last.t.key, last.pos}
	}
	if hungUp && pieces == 0 && larges == 1 {
		m.large = large
	}
}

// largeState is the size from which a state could be what a broker refuses.
const largeState = 16 << 10

// keep remembers how far a picture got.
func (m *memory) keep(t *transfer) {
	limit(m.acked)
	limit(m.tries)
	m.acked[t.key] = t.acked
	m.tries[t.key]++
}

// forget drops all memory of a picture that is delivered or put aside.
func (m *memory) forget(k itemKey) {
	delete(m.acked, k)
	delete(m.tries, k)
	delete(m.alone, k)
	for p := range m.strikes {
		if p.itemKey == k {
			delete(m.strikes, p)
		}
	}
}

// limit makes room in a table, by forgetting any one entry.
func limit[K comparable, V any](table map[K]V) {
	for k := range table {
		if len(table) < maxRemembered {
			return
		}
		delete(table, k)
	}
}

// bits is a set of piece positions.
type bits []uint64

func newBits(n int) bits      { return make(bits, (n+63)/64) }
func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) clear(i int)    { b[i/64] &^= 1 << (i % 64) }
