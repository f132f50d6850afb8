package frames

import (
	"encoding/binary"
	"image"
)

// Cell classes in model.mask.
const (
	weak   = 1 // above half the threshold
	strong = 2 // above the threshold
	moving = 4 // differs from half a second ago as well
	object = 8 // part of something that moves along a path
)

const (
	bgBits   = 12   // fractional bits of the background
	vBits    = 4    // fractional bits of the corrected picture
	tickS    = 0.19 // between updates: a fifth of a second, clear of rounding
	clipLow  = 3
	clipHigh = 250
	pastKept = 3 // snapshots, one a tick: the oldest is 0.4 to 0.6 s back
)

// model is what is known of each cell.
type model struct {
	w, h         int
	halve        bool
	watched      []bool
	watchedCells int
	ready        bool

	cells []uint8  // this frame
	v     []int16  // this frame under the background's light, vBits
	bg    []int32  // background, bgBits
	noise []uint16 // scaled mean absolute deviation, 8 fractional bits: sigma
	thr   []int16  // what differs by more has changed, vBits
	edge  []uint8  // contrast to the neighbours, grey levels
	base  []int16  // background, vBits
	least []uint8  // the cells that are as they were where the light has not changed: from least…
	span  []uint8  // …to least+span
	rims  []rim    // the background's edges, where a shaking camera shows
	above []int32  // contrast of a row to the one above it, for limits
	still []uint8  // ticks that a changed cell held still
	mask  []uint8  // cell classes, stride w+2, one cell of margin
	hits  []int32  // strong cells of this frame

	past  [pastKept][]int16
	head  int     // newest in past
	fresh bool    // v is of this frame
	bound bool    // least and span are of this background, and say all
	since float64 // seconds since the last update
	age   float64 // seconds of background in the model
}

func (m *model) begin(w, h int, o Options) {
	m.halve = w > maxGrid
	if m.halve {
		w, h = w/2, h/2
	}
	m.w, m.h, m.ready = w, h, false
	n := w * h
	m.cells = make([]uint8, n)
	m.v = make([]int16, n)
	m.bg = make([]int32, n)
	m.noise = make([]uint16, n)
	m.thr = make([]int16, n)
	m.still = make([]uint8, n)
	m.edge = make([]uint8, n)
	m.mask = make([]uint8, (w+2)*(h+2))
	m.hits = make([]int32, 0, n)
	m.base = make([]int16, n)
	m.least = make([]uint8, n)
	m.span = make([]uint8, n)
	m.rims = make([]rim, 0, n/4+w)
	m.above = make([]int32, w)
	for i := range m.past {
		m.past[i] = make([]int16, n)
	}
	m.watched = make([]bool, n)
	m.watchedCells = rasterize(m.watched, w, h, o.Watch, o.Ignore)
	if m.watchedCells == 0 {
		m.watchedCells = 1
	}
}

// load takes the plane in, averaged 2x2 where it is larger than the grid.
func (m *model) load(luma *image.Gray) {
	if !m.halve {
		for y := range m.h {
			copy(m.cells[y*m.w:(y+1)*m.w], luma.Pix[y*luma.Stride:])
		}
		return
	}
	for y := range m.h {
		a := luma.Pix[2*y*luma.Stride:][:2*m.w]
		b := luma.Pix[(2*y+1)*luma.Stride:][:2*m.w]
		out := m.cells[y*m.w:][:m.w]
		for x := range out {
			i := 2 * x
			out[x] = uint8((uint(a[i]) + uint(a[i+1]) + uint(b[i]) + uint(b[i+1]) + 2) >> 2)
		}
	}
}

// learn gathers the first background, from the seen-th frame.
func (m *model) learn(seen int) {
	if seen == 1 {
		for i, c := range m.cells {
			m.bg[i] = int32(c) << bgBits
			m.noise[i] = 1 << 8
		}
		return
	}
	k := int32(min(seen, 8))
	for i, c := range m.cells {
		diff := int32(c)<<bgBits - m.bg[i]
		// What passes through must not become background or noise at once.
		most := (3*int32(m.noise[i]) + 2<<8) << (bgBits - 8)
		diff = max(-most, min(diff, most))
		m.bg[i] += diff / k
		dev := abs(diff) >> (bgBits - 8)
		dev += dev >> 2
		m.noise[i] = uint16(int32(m.noise[i]) + (dev-int32(m.noise[i]))/k)
	}
}

func (m *model) settle(f *Fine, strict float64) {
	m.ready = true
	m.limits(f, strict)
	for i := range m.bg {
		v := int16(m.bg[i] >> (bgBits - vBits))
		for p := range m.past {
			m.past[p][i] = v
		}
	}
	m.since, m.age = 0, f.Learn.Seconds()
}

// differ compares the frame, under the background's light, with the background
// and with half a second ago. It returns the changed share of the watched area.
func (m *model) differ(l *light, f *Fine) float64 {
	m.hits = m.hits[:0]
	m.fresh = false
	clear(m.mask)
	c := changes{
		l: l, ago: m.past[(m.head+1)%pastKept],
		shake: int32(max(0, 3*l.shake-f.Shake) * (1 << vBits)), trust: int32(f.Trust * 256),
	}
	if l.same && m.bound {
		m.outside(&c)
		return float64(len(m.hits)) / float64(m.watchedCells)
	}
	cells := m.cells
	base, thr := m.base[:len(cells)], m.thr[:len(cells)]
	for i, v := range cells {
		// Twice the half above zero: both signs in one comparison.
		h := int32(thr[i]) >> 1
		if uint32(int32(l.lut[v])-int32(base[i])+h) > uint32(2*h) {
			m.judge(i, &c)
		}
	}
	return float64(len(m.hits)) / float64(m.watchedCells)
}

// outside is differ's loop for a frame in the background's own light: eight
// cells at once, most of which are as they were.
func (m *model) outside(c *changes) {
	const high = 0x8080808080808080
	cells, least, span := m.cells, m.least[:len(m.cells)], m.span[:len(m.cells)]
	i := 0
	for ; i+8 <= len(cells); i += 8 {
		x, y, s := binary.LittleEndian.Uint64(cells[i:]), binary.LittleEndian.Uint64(least[i:]), binary.LittleEndian.Uint64(span[i:])
		d := (x | high - y&^high) ^ (x^^y)&high // x-y of each byte
		q := (s | high - d&^high) ^ (s^^d)&high // s-d, …
		if (^s&d|(^s|d)&q)&high == 0 {          // …which borrows where d is larger
			continue
		}
		for k := i; k < i+8; k++ {
			if cells[k]-least[k] > span[k] {
				m.judge(k, c)
			}
		}
	}
	for ; i < len(cells); i++ {
		if cells[i]-least[i] > span[i] {
			m.judge(i, c)
		}
	}
}

// changes is what judging a cell takes.
type changes struct {
	l            *light
	ago          []int16
	shake, trust int32
}

// judge classes a cell that differs by more than half its limit.
func (m *model) judge(i int, k *changes) {
	if !m.watched[i] {
		return
	}
	c := m.cells[i]
	val, bg := int32(k.l.lut[c]), int32(m.base[i])
	diff := abs(val - bg)
	t := int32(m.thr[i]) + int32(m.edge[i])*k.shake + abs(int32(c)<<vBits-val)*k.trust>>8
	if diff*2 <= t {
		return
	}
	if c >= clipHigh && val < bg || c <= clipLow && val > bg {
		return // the sensor is at its end: nothing is known
	}
	p := i + 2*(i/m.w) + m.w + 3
	class := uint8(weak)
	if diff > t {
		class = weak | strong
		m.hits = append(m.hits, int32(p))
	}
	if abs(val-int32(k.ago[i]))*2 > t {
		class |= moving
	}
	m.mask[p] = class
}

// correct puts this frame into v, under the background's light.
func (m *model) correct(l *light) {
	if m.fresh {
		return
	}
	m.fresh = true
	v := m.v[:len(m.cells)]
	for i, c := range m.cells {
		v[i] = l.lut[c]
	}
}

// update learns from the frame, at most once in tickS.
func (m *model) update(dt float64, l *light, f *Fine, strict float64) {
	m.since += dt
	if m.since < tickS {
		return
	}
	dt = m.since
	m.since = 0
	m.correct(l)
	m.head = (m.head + 1) % pastKept
	copy(m.past[m.head], m.v)
	m.age += dt
	m.learnRows(dt, f)
	m.follow(l.follow(rate(dt, 2)))
	l.stale = true
	m.limits(f, strict)
}

// learnRows takes the frame into background and noise, for the dt seconds since
// the last time.
func (m *model) learnRows(dt float64, f *Fine) {
	// An average over all frames until the time constant is reached.
	tau := min(m.age, f.Background.Seconds())
	r := rates{
		calm: rate(dt, tau), slow: rate(dt, 4*tau), object: rate(dt, 4*tau) / 4, absorb: rate(dt, 1),
		stillTicks: uint8(min(f.Still.Seconds()/dt, 250)),
	}
	for y := range m.h {
		m.updateRow(y, &r)
	}
}

// follow moves the whole background with the light, so that its rows stay alike.
func (m *model) follow(s shift) {
	if s == (shift{}) {
		return
	}
	for i, bg := range m.bg {
		m.bg[i] = s.apply(bg)
	}
}

// rates are what one update learns with, in 1/1024.
type rates struct {
	calm, slow, object, absorb int32
	stillTicks                 uint8
}

func (m *model) updateRow(y int, r *rates) {
	lo, hi := y*m.w, (y+1)*m.w
	row := m.mask[(y+1)*(m.w+2)+1:][:m.w]
	n := len(row)
	bgs, vs, noises, thrs, stills := m.bg[lo:hi][:n], m.v[lo:hi][:n], m.noise[lo:hi][:n], m.thr[lo:hi][:n], m.still[lo:hi][:n]
	calm := r.calm
	for x, class := range row {
		bg := bgs[x]
		diff := int32(vs[x])<<(bgBits-vBits) - bg
		learn, noise := calm, true
		if class == 0 {
			stills[x] = 0
		} else {
			learn, noise, stills[x] = r.changed(class, stills[x])
		}
		bgs[x] = max(0, min(bg+diff>>10*learn, 255<<bgBits))
		if !noise {
			continue
		}
		// Noise is learnt from at most twice the limit, so that what passes
		// once leaves little and what keeps coming raises it.
		dev := min(abs(diff)>>(bgBits-8), int32(thrs[x])<<(9-vBits))
		nz := int32(noises[x])
		nz += (dev + dev>>2 - nz) * calm >> 10
		noises[x] = uint16(min(nz, 60<<8))
	}
}

// changed decides what is learnt from a changed cell: how fast, whether noise
// too, and for how many ticks it has held still.
func (r *rates) changed(class, still uint8) (learn int32, noise bool, ticks uint8) {
	switch {
	case class&object != 0 && class&moving != 0:
		return r.object, false, 0
	case class&moving != 0:
		return r.slow, true, 0
	case class&strong == 0:
		if class&object != 0 {
			return r.object, false, still
		}
		return r.slow, false, still
	case still < r.stillTicks:
		if class&object != 0 {
			return r.object, false, still + 1
		}
		return r.slow, false, still + 1
	}
	return r.absorb, false, still
}

// limits sets the thresholds: the floor or the noise, and a part of the contrast
// to the neighbours.
func (m *model) limits(f *Fine, strict float64) {
	m.bound = true
	clear(m.above)
	for y := range m.h {
		m.limitsRow(y, f, strict)
	}
	m.findRims()
}

func (m *model) limitsRow(y int, f *Fine, strict float64) {
	floor := int32(f.Floor * (1 << vBits) * strict)
	nk := int32(f.Noise * strict * 16) // for 8 fractional bits, >>8
	sk := int32(f.Shake * strict * 256)
	lo, hi := y*m.w, (y+1)*m.w
	here, below := m.bg[lo:hi], m.bg[lo:hi]
	if y < m.h-1 {
		below = m.bg[hi : hi+m.w]
	}
	n := len(here)
	below = below[:n]
	noises, thrs, edges := m.noise[lo:hi][:n], m.thr[lo:hi][:n], m.edge[lo:hi][:n]
	bases, least, span, above := m.base[lo:hi][:n], m.least[lo:hi][:n], m.span[lo:hi][:n], m.above[:n]
	empty := int32(0)
	left := int32(0) // contrast to it
	for x, b := range here {
		right := int32(0)
		if x+1 < n {
			right = abs(b - here[x+1])
		}
		down := abs(b - below[x])
		e := max(left, right, above[x], down)
		left, above[x] = right, down
		edges[x] = uint8(e >> bgBits)
		t := max(floor, int32(noises[x])*nk>>8) + e>>(bgBits-vBits)*sk>>8
		t = min(t, 200<<vBits)
		thrs[x] = int16(t)
		v := b >> (bgBits - vBits)
		bases[x] = int16(v)
		low := max(0, (v-t>>1+1<<vBits-1)>>vBits)
		width := min(255, (v+t>>1)>>vBits) - low
		least[x], span[x] = uint8(low), uint8(width)
		empty |= width
	}
	if empty < 0 { // limits of less than a grey level
		m.bound = false
	}
}

// rim is an edge of the background, between a cell and its right or lower
// neighbour, whichever stands out more.
type rim struct {
	i, j int32
	step int16 // from i to j, vBits
	edge int16 // contrast of i, grey levels
}

// findRims looks at every fourth cell.
func (m *model) findRims() {
	m.rims = m.rims[:0]
	for y := 1; y < m.h-1; y += 2 {
		m.rimsRow(y)
	}
}

func (m *model) rimsRow(y int) {
	lo := y * m.w
	edges, base, below := m.edge[lo:lo+m.w], m.base[lo:lo+m.w], m.base[lo+m.w:lo+2*m.w]
	for x := 1 + y>>1&1; x < m.w-1; x += 2 {
		if edges[x] < 10 {
			continue
		}
		r := rim{int32(lo + x), int32(lo + x + 1), base[x] - base[x+1], int16(edges[x])}
		if down := base[x] - below[x]; abs(int32(down)) > abs(int32(r.step)) {
			r.j, r.step = int32(lo+x+m.w), down
		}
		m.rims = append(m.rims, r)
	}
}

// rate is the weight, in 1/1024, of a step of dt seconds for a time constant.
func rate(dt, tau float64) int32 { return int32(1024 * dt / (dt + tau)) }

func abs(v int32) int32 {
	if v < 0 {
		return -v
	}
	return v
}
