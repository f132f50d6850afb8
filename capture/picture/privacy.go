package picture

import (
	"bytes"
	"fmt"
	"image"
	"math"
)

// maxCorners bounds the time that masks take.
const maxCorners = 1000

func checkPolygons(polygons [][][2]float64) error {
	corners := 0
	for i, p := range polygons {
		if len(p) < 3 {
			return fmt.Errorf("privacy polygon %d: %d corners; 3 or more would do", i+1, len(p))
		}
		for _, c := range p {
			if !(c[0] >= 0 && c[0] <= 1 && c[1] >= 0 && c[1] <= 1) {
				return fmt.Errorf("privacy polygon %d: corner [%v, %v]; fractions of the picture from 0 to 1 would do", i+1, c[0], c[1])
			}
		}
		if corners += len(p); corners > maxCorners {
			return fmt.Errorf("privacy polygons: more than %d corners together", maxCorners)
		}
	}
	return nil
}

// paint blackens every sample that a polygon touches, in the part of a picture of
// w by h pixels that m shows.
func paint(m *image.YCbCr, w, h int, polygons [][][2]float64) {
	hr, vr := subsampling(m.SubsampleRatio)
	r := m.Rect
	cr := image.Rect(r.Min.X/hr, r.Min.Y/vr, (r.Max.X+hr-1)/hr, (r.Max.Y+vr-1)/vr)
	for _, p := range polygons {
		fw, fh := float64(w), float64(h)
		fill(m.Y, m.YStride, r, fw, fh, p, 16)
		fw, fh = fw/float64(hr), fh/float64(vr)
		fill(m.Cb, m.CStride, cr, fw, fh, p, 128)
		fill(m.Cr, m.CStride, cr, fw, fh, p, 128)
	}
}

// fill sets the samples of a plane that polygon p touches: those its border
// passes through, and those whose middle is inside (by the winding number, so
// that where it overlaps itself is inside, too). sx and sy turn fractions into
// samples, and r is which of them the plane has. Those beyond the picture go with
// its last row and column.
func fill(plane []byte, stride int, r image.Rectangle, sx, sy float64, p [][2]float64, v byte) {
	var crossings [maxCorners]crossing
	w := r.Dx()
	for i := range r.Dy() {
		y := min(r.Min.Y+i, int(math.Ceil(sy))-1)
		top, bottom, middle := float64(y), float64(y+1), float64(y)+0.5
		row := line{plane[i*stride:][:w], r.Min.X, int(math.Ceil(sx)) - 1, v}
		n := 0
		a := p[len(p)-1]
		for _, b := range p {
			x0, y0, x1, y1 := a[0]*sx, a[1]*sy, b[0]*sx, b[1]*sy
			a = b
			if max(y0, y1) < top || min(y0, y1) >= bottom {
				continue
			}
			at := func(y float64) float64 {
				if y0 == y1 {
					return x0
				}
				return x0 + (x1-x0)*(y-y0)/(y1-y0)
			}
			// The border within this row of samples.
			l, r := x0, x1
			if y0 != y1 {
				l, r = at(max(top, min(y0, y1))), at(min(bottom, max(y0, y1)))
			}
			row.cover(min(l, r), max(l, r))
			if up := y0 <= middle && y1 > middle; up || y1 <= middle && y0 > middle {
				c := crossing{x: at(middle), turn: 1}
				if !up {
					c.turn = -1
				}
				i := n
				for ; i > 0 && crossings[i-1].x > c.x; i-- {
					crossings[i] = crossings[i-1]
				}
				crossings[i] = c
				n++
			}
		}
		winding := 0
		for i := range n {
			if winding != 0 {
				row.cover(crossings[i-1].x, crossings[i].x)
			}
			winding += crossings[i].turn
		}
	}
}

// crossing is where a polygon's border crosses the middle of a row.
type crossing struct {
	x    float64
	turn int
}

// line is a row of a plane that starts at column x; last is the picture's last.
type line struct {
	samples []byte
	x, last int
	v       byte
}

// cover sets the samples from l to r, both included.
func (n *line) cover(l, r float64) {
	from, to := int(math.Floor(l)), int(math.Floor(r))
	from = max(0, min(n.last, from)-n.x)
	if to >= n.last {
		to = n.x + len(n.samples)
	}
	for i := from; i <= min(to-n.x, len(n.samples)-1); i++ {
		n.samples[i] = n.v
	}
}

// grid marks the 8 x 8 blocks of a picture that masks touch.
type grid struct {
	w, h  int // of the picture
	cells []byte
	size  image.Point
}

func (g *grid) set(w, h int, polygons [][][2]float64) {
	if g.w == w && g.h == h || len(polygons) == 0 {
		return
	}
	g.w, g.h, g.size = w, h, image.Pt((w+7)/8, (h+7)/8)
	g.cells = make([]byte, g.size.X*g.size.Y)
	for _, p := range polygons {
		fill(g.cells, g.size.X, image.Rectangle{Max: g.size}, float64(w)/8, float64(h)/8, p, 1)
	}
}

// touch reports whether masks touch a rectangle of whole blocks.
func (g *grid) touch(r image.Rectangle) bool {
	for y := r.Min.Y / 8; y < min(r.Max.Y/8, g.size.Y); y++ {
		for x := r.Min.X / 8; x < min(r.Max.X/8, g.size.X); x++ {
			if g.cells[y*g.size.X+x] != 0 {
				return true
			}
		}
	}
	return false
}

// strip leaves out the segments that may hold a second picture or a text: all
// APPn but plain JFIF, colour profile and Adobe's, and comments. It returns nil
// for a header that it cannot follow up to the data.
func strip(jpeg []byte) []byte {
	out := append(make([]byte, 0, len(jpeg)), jpeg[:2]...)
	for pos := 2; pos+4 <= len(jpeg) && jpeg[pos] == 0xff; {
		m, n := jpeg[pos+1], 2+int(jpeg[pos+2])<<8+int(jpeg[pos+3])
		switch {
		case m == 0xff: // fill byte
			pos++
			continue
		case m == 0xda:
			return append(out, jpeg[pos:]...)
		case n < 4 || pos+n > len(jpeg):
			return nil
		}
		keep := m != 0xfe
		if body := jpeg[pos+4 : pos+n]; m&0xf0 == 0xe0 {
			keep = bytes.HasPrefix(body, []byte("JFIF\x00")) && len(body) == 14 ||
				bytes.HasPrefix(body, []byte("ICC_PROFILE\x00")) || bytes.HasPrefix(body, []byte("Adobe"))
		}
		if keep {
			out = append(out, jpeg[pos:pos+n]...)
		}
		pos += n
	}
	return nil
}
