package frames

// scene tells changes of the whole picture from things that move in it.
type scene struct {
	name    string
	left    float64 // seconds until the new scene counts as known
	since   float64 // seconds since it changed
	changed float64 // share of the picture, recent
}

func (s *scene) judge(d *Detector, changed, dt float64) string {
	f := &d.o.Fine
	m := &d.model
	step := changed > f.Scene && s.changed < f.Scene/2
	// Exposure and white balance swing for a while after a step.
	if s.left > 0 && changed > f.Scene/5 && s.since < 3 {
		step = true
	}
	s.changed += (changed - s.changed) * min(1, dt/0.3)
	if step {
		if s.left <= 0 {
			s.since = 0
			s.name = SceneMoved
			if kept, textured := m.texture(); textured == 0 || float64(kept) >= f.Flat*float64(textured) {
				s.name = SceneLight
			}
		}
		s.left = 0.6
	}
	if s.left <= 0 {
		return ""
	}
	s.left -= dt
	s.since += dt
	m.relearn()
	m.age = f.Learn.Seconds()
	if s.left <= 0 {
		s.changed = 0
	}
	return s.name
}

// relearn takes the frame over as background, as it is.
func (m *model) relearn() {
	for i, c := range m.cells {
		m.bg[i] += (int32(c)<<bgBits - m.bg[i]) / 2
		v := int16(m.bg[i] >> (bgBits - vBits))
		m.v[i] = v
		m.still[i] = 0
		for p := range m.past {
			m.past[p][i] = v
		}
	}
	clear(m.mask)
	m.hits = m.hits[:0]
}

// texture counts, over the changed cells, the background's edges and those of
// them that the frame still has.
func (m *model) texture() (kept, textured int) {
	for _, p := range m.hits {
		k, t := m.edges(int(p))
		kept += k
		textured += t
	}
	return kept, textured
}

// edges looks at the edges to the right and below of one cell (an index into
// mask): how many the background has there, and how many the frame keeps.
func (m *model) edges(p int) (kept, textured int) {
	y, x := p/(m.w+2)-1, p%(m.w+2)-1
	i := y*m.w + x
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
	if v*5 > b*2 && v*2 < b*5 {
		return 1, 1
	}
	return 0, 1
}

// jumps counts the neighbours of a cell between which the difference to the
// background jumps by half the limit: an object has an outline, light seldom.
func (m *model) jumps(p int) int {
	y, x := p/(m.w+2)-1, p%(m.w+2)-1
	i := y*m.w + x
	d := int32(m.v[i]) - m.bg[i]>>(bgBits-vBits)
	t := int32(m.thr[i]) / 2
	n := 0
	if x < m.w-1 && abs(d-int32(m.v[i+1])+m.bg[i+1]>>(bgBits-vBits)) > t {
		n++
	}
	if x > 0 && abs(d-int32(m.v[i-1])+m.bg[i-1]>>(bgBits-vBits)) > t {
		n++
	}
	if y < m.h-1 && abs(d-int32(m.v[i+m.w])+m.bg[i+m.w]>>(bgBits-vBits)) > t {
		n++
	}
	if y > 0 && abs(d-int32(m.v[i-m.w])+m.bg[i-m.w]>>(bgBits-vBits)) > t {
		n++
	}
	return n
}
