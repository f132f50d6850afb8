package frames

import "math"

// bins is into how many parts of equal size the background's brightness is cut
// for the light fit.
const bins = 8

// light is the gain and offset between this frame and the background, and the
// table that takes them out; and how far the picture is shaken.
type light struct {
	gain, offset float64 // frame = gain*background + offset, in grey levels
	shake        float64 // cells, this frame's or what is left of a stronger one
	step         float64 // size of the light change, natural logarithm of the ratio
	lost         float64 // share of the background's edges that the frame does not have
	lut          [256]int16
	same         bool // the light has not changed, and the table says so

	bin   [256]uint8 // background level to bin
	stale bool       // the background has changed since
	count [bins]int32
	sum   [bins]int64
	hist  [bins][256]uint16
	ratio [64]int32 // histogram of difference over contrast, 1/16
}

// cut chooses the bins so that each holds as many cells.
func (l *light) cut(m *model) {
	if !l.stale {
		return
	}
	l.stale = false
	var hist [256]int32
	n, acc := int32(0), int32(0)
	for i := 0; i < len(m.bg); i += 3 {
		hist[m.bg[i]>>bgBits&255]++
		n++
	}
	for v, c := range hist {
		l.bin[v] = uint8(min((acc+c/2)*bins/n, bins-1))
		acc += c
	}
}

// fit finds gain and offset. Each bin gives one point, the median of the frame
// over it, so that what covers less than half a bin does not count; the line
// through the points is Theil's and Sen's. It is taken only where more cells
// agree with it than with no change at all: where nearly all agree with that,
// there is nothing to fit.
func (l *light) fit(m *model, dt float64) {
	plain, n := m.agree(nil)
	most := n - n/20
	if plain <= most {
		l.points(m)
		l.line()
	}
	fitted := false
	if plain <= most && (l.gain != 1 || l.offset != 0) {
		l.table()
		l.same = false
		agree, _ := m.agree(&l.lut)
		fitted = agree >= plain+n/20
	}
	if fitted {
		l.step = l.size()
	} else {
		l.gain, l.offset, l.step = 1, 0, 0
		if !l.same {
			l.table()
			l.same = true
		}
	}
	l.shaken(m, dt)
}

// points gathers what line needs of each bin.
func (l *light) points(m *model) {
	l.cut(m)
	for b := range l.hist {
		clear(l.hist[b][:])
		l.count[b], l.sum[b] = 0, 0
	}
	for y := 0; y < m.h; y += 2 {
		for x := y >> 1 & 1; x < m.w; x += 2 {
			i := y*m.w + x
			bg := m.base[i]
			b := l.bin[uint8(bg>>vBits)]
			l.hist[b&(bins-1)][m.cells[i]]++
			l.count[b&(bins-1)]++
			l.sum[b&(bins-1)] += int64(bg)
		}
	}
}

func (l *light) line() {
	var xs, ys, ws [bins]float64
	n := 0
	for b := range l.hist {
		if l.count[b] < 12 {
			continue
		}
		half, acc := l.count[b]/2, int32(0)
		for v, c := range l.hist[b] {
			if acc+int32(c) > half {
				ys[n] = float64(v) + (float64(half-acc)+0.5)/float64(c) - 0.5
				break
			}
			acc += int32(c)
		}
		xs[n] = float64(l.sum[b]) / float64(l.count[b]) / (1 << vBits)
		ws[n] = float64(l.count[b])
		n++
	}
	l.gain, l.offset = 1, 0
	if n == 0 {
		return
	}
	var slopes, weights [bins * bins / 2]float64
	k := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			if dx := xs[j] - xs[i]; dx >= 6 {
				slopes[k], weights[k] = (ys[j]-ys[i])/dx, ws[i]*ws[j]*dx
				k++
			}
		}
	}
	if k > 0 {
		l.gain = min(max(median(slopes[:k], weights[:k]), 0.2), 5)
	}
	for i := range n {
		ys[i] -= l.gain * xs[i]
	}
	l.offset = median(ys[:n], ws[:n])
}

// median is the weighted median; it sorts its arguments.
func median(v, w []float64) float64 {
	total := 0.0
	for i := range v {
		total += w[i]
		for j := i; j > 0 && v[j] < v[j-1]; j-- {
			v[j], v[j-1] = v[j-1], v[j]
			w[j], w[j-1] = w[j-1], w[j]
		}
	}
	acc := 0.0
	for i := range v {
		if acc += w[i]; acc*2 >= total {
			return v[i]
		}
	}
	return v[len(v)-1]
}

// size is how much brighter or darker the middle bins became.
func (l *light) size() float64 {
	most := 0.0
	for b := bins / 4; b < bins-bins/4; b++ {
		if l.count[b] == 0 {
			continue
		}
		x := float64(l.sum[b])/float64(l.count[b])/(1<<vBits) + 8
		most = max(most, math.Abs(math.Log(max(l.gain*(x-8)+l.offset, 0)+8)-math.Log(x)))
	}
	return most
}

func (l *light) table() {
	inv := 1 / l.gain
	for c := range l.lut {
		v := (float64(c) - l.offset) * inv * (1 << vBits)
		l.lut[c] = int16(min(max(v, -256<<vBits), 512<<vBits))
	}
}

// agree counts, of every fourth cell, those that are within half their limit of
// the background; under the light of a table, or as they are.
func (m *model) agree(lut *[256]int16) (agree, n int) {
	for y := 1; y < m.h; y += 2 {
		lo, hi := y*m.w, (y+1)*m.w
		cells, base, thr := m.cells[lo:hi], m.base[lo:hi], m.thr[lo:hi]
		base, thr = base[:len(cells)], thr[:len(cells)]
		first := y >> 1 & 1
		n += (len(cells) - first + 1) / 2
		for x := first; x < len(cells); x += 2 {
			v := int32(cells[x]) << vBits
			if lut != nil {
				v = int32(lut[cells[x]])
			}
			d, t := v-int32(base[x]), int32(thr[x])>>1
			if d*d < t*t {
				agree++
			}
		}
	}
	return agree, n
}

// shaken measures by how many cells the picture is displaced or blurred: the
// median of difference over contrast at the background's edges, where an edge
// that is still in its place counts as none. A thing that moves touches few of
// them. A camera that shook will shake again, so the measure fades over seconds.
func (l *light) shaken(m *model, dt float64) {
	clear(l.ratio[:])
	lost := int32(0)
	for k := range m.rims {
		r := &m.rims[k]
		here := int32(l.lut[m.cells[r.i]])
		b, v := int32(r.step), here-int32(l.lut[m.cells[r.j]])
		if b < 0 {
			b, v = -b, -v
		}
		if v*5 > b*2 {
			continue
		}
		lost++
		d := abs(here - int32(m.base[r.i]))
		l.ratio[min(d/int32(r.edge), int32(len(l.ratio)-1))]++
	}
	n := int32(len(m.rims))
	l.ratio[0] += n - lost
	l.shake *= 1 - dt/(dt+4)
	l.lost = 0
	if n < 16 {
		return
	}
	l.lost = float64(lost) / float64(n)
	acc := int32(0)
	for r, c := range l.ratio {
		if acc += c; acc*2 > n {
			l.shake = max(l.shake, float64(r)/16)
			return
		}
	}
}

// follow is the part of the light's change that the background takes over in
// one step.
func (l *light) follow(weight int32) shift {
	return shift{
		gain:   int32((l.gain - 1) * float64(weight) * 16),
		offset: int32(l.offset * float64(weight) / 1024 * (1 << bgBits)),
	}
}

type shift struct{ gain, offset int32 } // gain in 1/16384

func (s shift) apply(bg int32) int32 {
	return max(0, min(bg+int32(int64(bg)*int64(s.gain)>>14)+s.offset, 255<<bgBits))
}
