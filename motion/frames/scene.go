package frames

import "math"

// scene tells changes of the whole picture from things that move in it: much
// of it changes at once, where a thing that comes near grows over many frames.
type scene struct {
	name    string
	left    float64 // seconds until the new scene counts as known
	away    float64 // seconds that the edges are elsewhere
	since   float64 // seconds since it changed
	changed float64 // share of the picture, recent
	step    float64 // light change, recent
	lost    float64 // share of its edges, recent
}

func (s *scene) judge(d *Detector, changed, dt float64) string {
	f := &d.o.Fine
	m := &d.model
	lost, switched := d.light.lost, math.Log(f.Switch)
	light := changed > f.Scene && s.changed < f.Scene/2 || d.light.step > switched && s.step < switched/2
	moved := lost > f.Scene && s.lost < f.Scene/2
	recent := min(0.5, dt/0.3) // one look never forgets all
	s.changed += (changed - s.changed) * recent
	s.step += (d.light.step - s.step) * recent
	s.lost += (lost - s.lost) * recent
	if s.left <= 0 {
		switch {
		case light:
			s.name, s.left, s.since = SceneLight, settleS, 0
			m.correct(&d.light)
			if kept, textured := m.texture(); float64(kept) < f.Flat*float64(textured) {
				s.name = SceneMoved
			}
		case s.away > 0 && lost < f.Scene/2:
			s.away = 0 // it shook and is back
		case s.away > settleS:
			s.name, s.left, s.since, s.away = SceneMoved, settleS, 0, 0
		case moved || s.away > 0:
			s.away += dt
			return SceneMoved
		}
		if s.left <= 0 {
			return ""
		}
	} else if (changed > f.Scene/5 || lost > f.Scene/2) && s.since < 3 {
		// Exposure and white balance swing for a while after a step.
		s.left = settleS
	}
	s.left -= dt
	s.since += dt
	d.light.cut(m)
	m.relearn()
	m.age = f.Learn.Seconds()
	if s.left <= 0 {
		s.changed, s.lost, s.step = 0, 0, 0
	}
	return s.name
}

// settleS is how long a new scene must look the same to count as known.
const settleS = 0.6

// relearn takes the frame over as background, as it is.
func (m *model) relearn() {
	for i, c := range m.cells {
		m.bg[i] += (int32(c)<<bgBits - m.bg[i]) / 2
		v := int16(m.bg[i] >> (bgBits - vBits))
		m.v[i], m.base[i] = v, v
		m.still[i] = 0
		for p := range m.past {
			m.past[p][i] = v
		}
	}
	m.fresh, m.bound = true, false
	m.findRims()
	clear(m.mask)
	m.hits = m.hits[:0]
}

// texture counts, over the changed cells, the background's edges and those of
// them that the frame still has.
func (m *model) texture() (kept, textured int) {
	for _, p := range m.hits {
		y, x := int(p)/(m.w+2)-1, int(p)%(m.w+2)-1
		k, t := m.edges(y*m.w+x, x, y)
		kept += k
		textured += t
	}
	return kept, textured
}

// edges looks at the edges to the right and below of one cell: how many the
// background has there, and how many the frame keeps.
func (m *model) edges(i, x, y int) (kept, textured int) {
	if x < m.w-1 {
		k, t := m.keeps(i, i+1)
		kept, textured = kept+k, textured+t
	}
	if y < m.h-1 {
		k, t := m.keeps(i, i+m.w)
		kept, textured = kept+k, textured+t
	}
	return kept, textured
}

func (m *model) keeps(i, j int) (kept, textured int) {
	b := (m.bg[i] - m.bg[j]) >> (bgBits - vBits)
	sig := int32(m.noise[i]) >> (8 - vBits)
	if abs(b) < 3<<vBits+2*sig {
		return 0, 0
	}
	v := int32(m.v[i]) - int32(m.v[j])
	if b < 0 {
		b, v = -b, -v
	}
	if v*5 > b*2 && v*2 < b*6 {
		return 1, 1
	}
	return 0, 1
}

// jumps counts the neighbours of a cell between which the ratio of frame to
// background jumps by three quarters of the limit: an object has an outline, light
// seldom. Of less the noise within a large shadow makes as many.
func (m *model) jumps(i, x, y int) int {
	n := 0
	if x < m.w-1 && m.jump(i, i+1) {
		n++
	}
	if x > 0 && m.jump(i, i-1) {
		n++
	}
	if y < m.h-1 && m.jump(i, i+m.w) {
		n++
	}
	if y > 0 && m.jump(i, i-m.w) {
		n++
	}
	return n
}

func (m *model) jump(i, j int) bool {
	vi, vj := int32(m.v[i]), int32(m.v[j])
	bi, bj := int32(m.base[i]), int32(m.base[j])
	return abs(vi*bj-vj*bi) > int32(m.thr[i])*3/4*max(vi, vj, bi, bj, 1)
}
