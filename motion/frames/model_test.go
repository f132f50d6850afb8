package frames

import (
	"math/rand"
	"slices"
	"testing"
)

// Eight cells at once are judged as one after the other, whatever the limits and
// the size of the plane.
func TestEightCellsAtOnce(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	o := Defaults()
	differed := 0
	for range 300 {
		var m model
		m.begin(8+rng.Intn(40), 8+rng.Intn(20), o)
		l := light{gain: 1}
		l.table()
		for i := range m.bg {
			m.bg[i] = int32(rng.Intn(255<<bgBits + 1))
			m.noise[i] = uint16(rng.Intn(8 << 8))
			m.watched[i] = rng.Intn(10) > 0
			m.cells[i] = uint8(min(max(int(m.bg[i]>>bgBits)+rng.Intn(61)-30, 0), 255))
		}
		m.limits(&o.Fine, 0.2+2*rng.Float64())
		if !m.bound {
			t.Fatal("limits of some grey levels leave no room")
		}
		m.differ(&l, &o.Fine)
		mask, hits := slices.Clone(m.mask), slices.Clone(m.hits)
		l.same = true
		m.differ(&l, &o.Fine)
		if !slices.Equal(m.mask, mask) || !slices.Equal(m.hits, hits) {
			t.Fatalf("%dx%d: %d cells changed, one by one %d", m.w, m.h, len(m.hits), len(hits))
		}
		differed += len(hits)
	}
	if differed == 0 {
		t.Error("nothing has changed")
	}
	// A limit below a grey level: no cell may be as it was, and that is known.
	var m model
	m.begin(8, 8, o)
	for i := range m.bg {
		m.bg[i] = 100<<bgBits + 8<<(bgBits-vBits)
	}
	o.Fine.Floor, o.Fine.Shake = 0.5, 0
	if m.limits(&o.Fine, 0.7); m.bound {
		t.Error("limits that no cell is within count as bounds")
	}
}
