package frames

// rasterize sets watched[c] to whether the centre of cell c is watched, and
// returns how many are.
func rasterize(watched []bool, w, h int, watch, ignore [][][2]float64) int {
	n := 0
	for y := range h {
		fy := (float64(y) + 0.5) / float64(h)
		for x := range w {
			fx := (float64(x) + 0.5) / float64(w)
			in := len(watch) == 0 || inAny(watch, fx, fy)
			in = in && !inAny(ignore, fx, fy)
			watched[y*w+x] = in
			if in {
				n++
			}
		}
	}
	return n
}

func inAny(polys [][][2]float64, x, y float64) bool {
	for _, p := range polys {
		if inside(p, x, y) {
			return true
		}
	}
	return false
}

// inside counts the edges that a ray to the right crosses (even-odd rule).
func inside(p [][2]float64, x, y float64) bool {
	in := false
	for i, j := 0, len(p)-1; i < len(p); j, i = i, i+1 {
		a, b := p[i], p[j]
		if (a[1] > y) != (b[1] > y) && x < (b[0]-a[0])*(y-a[1])/(b[1]-a[1])+a[0] {
			in = !in
		}
	}
	return in
}
