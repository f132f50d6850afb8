package frames

// light is the gain and offset between this frame and the background, and the
// table that takes them out.
type light struct {
	gain, offset float64 // frame = gain*background + offset, in grey levels
	lut          [256]int16
	count        [8]int32
	sum          [8]int64
	hist         [8][256]uint16
}

// fit finds them from the median of the frame over cells of like background
// brightness: what covers less than half of them does not count.
func (l *light) fit(m *model) {
	for b := range l.hist {
		if l.count[b] != 0 {
			clear(l.hist[b][:])
		}
		l.count[b], l.sum[b] = 0, 0
	}
	for y := 0; y < m.h; y += 2 {
		for x := y & 2 / 2; x < m.w; x += 2 {
			i := y*m.w + x
			bg := m.bg[i] >> (bgBits - vBits)
			b := bg >> (5 + vBits) & 7
			l.hist[b][m.cells[i]]++
			l.count[b]++
			l.sum[b] += int64(bg)
		}
	}
	// Weighted straight line through the bins.
	var sw, sx, sy, sxx, sxy float64
	for b := range l.hist {
		if l.count[b] < 12 {
			continue
		}
		half, acc, med := l.count[b]/2, int32(0), 0.0
		for v, c := range l.hist[b] {
			if acc+int32(c) > half {
				med = float64(v) + (float64(half-acc)+0.5)/float64(c) - 0.5
				break
			}
			acc += int32(c)
		}
		x := float64(l.sum[b]) / float64(l.count[b]) / (1 << vBits)
		wt := float64(l.count[b])
		sw += wt
		sx += wt * x
		sy += wt * med
		sxx += wt * x * x
		sxy += wt * x * med
	}
	l.gain, l.offset = 1, 0
	if sw > 0 {
		den := sxx - sx*sx/sw
		if den/sw > 64 {
			l.gain = min(max((sxy-sx*sy/sw)/den, 0.25), 4)
		}
		l.offset = (sy - l.gain*sx) / sw
	}
	inv := 1 / l.gain
	for c := range l.lut {
		v := (float64(c) - l.offset) * inv * (1 << vBits)
		l.lut[c] = int16(min(max(v, -256<<vBits), 512<<vBits))
	}
}

// follow is the part of the light's change that the background takes over in
// one step.
func (l *light) follow(weight int32) shift {
	return shift{
		gain:   int32((l.gain-1)*float64(weight)*16) >> 0,
		offset: int32(l.offset * float64(weight) / 1024 * (1 << bgBits)),
	}
}

type shift struct{ gain, offset int32 } // gain in 1/16384

func (s shift) apply(bg int32) int32 {
	return max(0, min(bg+int32(int64(bg)*int64(s.gain)>>14)+s.offset, 255<<bgBits))
}
