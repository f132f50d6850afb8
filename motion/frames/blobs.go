package frames

// maxBlobs bounds what is looked at in one frame; the largest are kept.
const maxBlobs = 32

// blob is one connected changed place.
type blob struct {
	x0, y0, x1, y1 int // inclusive, cells
	area           int // changed cells
	strong, moving int // of them
	cx, cy         float64
	size, need     float64 // cells: what counts of it, and what it would need
	kept, textured int
	sharp          int // places where the difference itself jumps
	confirmed      bool
	why            why
}

func (b *blob) box(m *model) [4]float64 {
	return [4]float64{
		float64(b.x0) / float64(m.w), float64(b.y0) / float64(m.h),
		float64(b.x1-b.x0+1) / float64(m.w), float64(b.y1-b.y0+1) / float64(m.h),
	}
}

// reason is what a blob is for itself, whyNew for what may be an object.
func (b *blob) reason(fine *Fine, minCells float64) why {
	switch {
	case b.size < minCells:
		return whySmall
	case !b.moves():
		return whyStill
	case b.textured >= 6 && float64(b.kept) > fine.Flat*float64(b.textured):
		return whyLight
	case float64(b.sharp) < fine.Outline*float64(2*(b.x1-b.x0+b.y1-b.y0+2)):
		return whyLight
	}
	return whyNew
}

// moves is whether enough of it differs from half a second ago, too.
func (b *blob) moves() bool { return b.moving*8 >= b.area }

// mark makes the blob's cells known as an object's, from which little is learnt.
func (m *model) mark(b *blob) {
	for y := b.y0; y <= b.y1; y++ {
		row := m.mask[(y+1)*(m.w+2)+1:]
		for x := b.x0; x <= b.x1; x++ {
			if row[x] != 0 {
				row[x] |= object
			}
		}
	}
}

// finder collects changed cells to blobs.
type finder struct {
	blobs []blob
	stack []int32
	done  []bool // per mask cell, cleared for the cells that were set
	cells []int32
}

func (f *finder) begin(m *model) {
	f.blobs = make([]blob, 0, maxBlobs)
	f.stack = make([]int32, 0, len(m.mask))
	f.cells = make([]int32, 0, len(m.mask))
	f.done = make([]bool, len(m.mask))
}

// find grows each strong cell over the weak ones around it (hysteresis).
func (f *finder) find(m *model) {
	f.blobs = f.blobs[:0]
	f.cells = f.cells[:0]
	s := int32(m.w + 2)
	around := [8]int32{-s - 1, -s, -s + 1, -1, 1, s - 1, s, s + 1}
	for _, p := range m.hits {
		if f.done[p] {
			continue
		}
		f.done[p] = true
		f.stack = append(f.stack[:0], p)
		b := blob{x0: m.w, y0: m.h, x1: -1, y1: -1}
		var sx, sy int
		for len(f.stack) > 0 {
			q := f.stack[len(f.stack)-1]
			f.stack = f.stack[:len(f.stack)-1]
			f.cells = append(f.cells, q)
			class := m.mask[q]
			x, y := int(q%s)-1, int(q/s)-1
			b.x0, b.x1 = min(b.x0, x), max(b.x1, x)
			b.y0, b.y1 = min(b.y0, y), max(b.y1, y)
			b.area++
			sx += x
			sy += y
			if class&strong != 0 {
				b.strong++
			}
			if class&moving != 0 {
				b.moving++
			}
			i := y*m.w + x
			k, t := m.edges(i, x, y)
			b.kept += k
			b.sharp += m.jumps(i, x, y)
			b.textured += t
			for _, o := range around {
				if n := q + o; m.mask[n] != 0 && !f.done[n] {
					f.done[n] = true
					f.stack = append(f.stack, n)
				}
			}
		}
		b.size = float64(b.strong) + float64(b.area-b.strong)/2
		b.cx, b.cy = float64(sx)/float64(b.area), float64(sy)/float64(b.area)
		f.keep(b)
	}
	for _, p := range f.cells {
		f.done[p] = false
	}
}

func (f *finder) keep(b blob) {
	if len(f.blobs) < maxBlobs {
		f.blobs = append(f.blobs, b)
		return
	}
	least := 0
	for i := range f.blobs {
		if f.blobs[i].area < f.blobs[least].area {
			least = i
		}
	}
	if b.area > f.blobs[least].area {
		f.blobs[least] = b
	}
}
