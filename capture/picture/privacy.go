package picture

import (
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

// paint blackens every sample that a polygon touches. m is 4:2:0.
func paint(m *image.YCbCr, polygons [][][2]float64) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for _, p := range polygons {
		fw, fh := float64(w), float64(h)
		fill(m.Y, m.YStride, w, h, fw, fh, p, 16)
		cw, ch := (w+1)/2, (h+1)/2
		fill(m.Cb, m.CStride, cw, ch, fw/2, fh/2, p, 128)
		fill(m.Cr, m.CStride, cw, ch, fw/2, fh/2, p, 128)
	}
}

// fill sets the samples of a plane that polygon p touches: those its border
// passes through, and those whose middle is inside (by the winding number, so
// that where it overlaps itself is inside, too). sx and sy turn fractions into
// samples.
func fill(plane []byte, stride, w, h int, sx, sy float64, p [][2]float64, v byte) {
	var crossings [maxCorners]crossing
	for y := range h {
		row := plane[y*stride:][:w]
		top, bottom, middle := float64(y), float64(y+1), float64(y)+0.5
		if y == h-1 {
			bottom = math.Inf(1)
		}
		n := 0
		a := p[len(p)-1]
		for _, b := range p {
			x0, y0, x1, y1 := a[0]*sx, a[1]*sy, b[0]*sx, b[1]*sy
			a = b
			if max(y0, y1) < top || min(y0, y1) > bottom {
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
			cover(row, min(l, r), max(l, r), v)
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
				cover(row, crossings[i-1].x, crossings[i].x, v)
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

// cover sets the samples from l to r, both included.
func cover(row []byte, l, r float64, v byte) {
	from := max(0, min(len(row)-1, int(math.Floor(l))))
	to := max(0, min(len(row)-1, int(math.Floor(r))))
	for i := from; i <= to; i++ {
		row[i] = v
	}
}
