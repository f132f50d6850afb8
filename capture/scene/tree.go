package scene

import (
	"math"
	"slices"
)

// tree is a crown of leaves on a trunk, and the wind's hold on each.
type tree struct{ leaves []leaf }

// leaf is one tuft: where it hangs in still air and how large, in picture
// heights from the trunk's foot; how it moves.
type leaf struct {
	x, y, r    float64
	c          ycc
	sway       float64 // how much the whole tree's swaying moves it
	own, phase float64 // its own flutter
}

func growTree(seed uint64) *tree {
	const tufts = 1100
	boughs := [][3]float64{ // centre and radius
		{-0.02, 0.62, 0.17}, {-0.17, 0.52, 0.13}, {0.14, 0.54, 0.14}, {-0.09, 0.42, 0.12},
		{0.09, 0.40, 0.12}, {0.02, 0.74, 0.11}, {0.24, 0.45, 0.09}, {-0.25, 0.44, 0.08},
	}
	tr := &tree{}
	for i := range uint64(tufts) {
		u := func(n uint64) float64 { return unit(seed, 200, i, n) }
		b := boughs[int(u(1)*float64(len(boughs)))]
		d, a := math.Sqrt(u(2)), 2*math.Pi*u(3)
		l := leaf{
			x:   b[0] + b[2]*d*math.Cos(a),
			y:   b[1] + b[2]*d*math.Sin(a)*0.9,
			r:   0.011 + 0.013*u(4),
			own: 0.002 + 0.004*u(6),
		}
		l.phase = 2 * math.Pi * u(7)
		l.sway = l.y * l.y * 0.055
		// Lighter towards the sun, on the upper left of each bough, and outside.
		sun := 0.5 + 0.5*(-0.6*math.Cos(a)+0.8*math.Sin(a))*d
		l.c = hex(0x24401f).mix(hex(0x86a653), 0.15+0.70*sun*(0.55+0.45*u(8))).ycc()
		tr.leaves = append(tr.leaves, l)
	}
	// The dark inner ones first.
	slices.SortStableFunc(tr.leaves, func(a, b leaf) int { return a.c.y - b.c.y })
	return tr
}

func (s *Scene) drawTree(t float64, by light) {
	w, h := float64(s.o.Width), float64(s.o.Height)
	// Gusts: the wind rises and falls over some ten seconds.
	gust := s.o.Wind * (0.55 + 0.45*math.Sin(2*math.Pi*t/11+1)*math.Sin(2*math.Pi*t/7.3))
	lean := gust * (0.5 + 0.5*math.Sin(2*math.Pi*0.31*t))
	bark := hex(0x5c4a3a).ycc()
	foot := limb{x0: trunkX * w, y0: trunkY * h, r0: trunkR * h, x1: trunkX*w + 0.010*h, y1: (trunkY - 0.42) * h, r1: 0.014 * h, c: bark}
	s.drawLimb(foot, by)
	for _, side := range []float64{-1, 1} {
		s.drawLimb(limb{x0: foot.x1 - 0.004*h, y0: (trunkY - 0.26) * h, r0: 0.012 * h, x1: foot.x1 + side*0.13*h + lean*0.01*h, y1: (trunkY - 0.47) * h, r1: 0.006 * h, c: bark}, by)
	}
	for i := range s.tree.leaves {
		l := &s.tree.leaves[i]
		flutter := gust * l.own * math.Sin(2*math.Pi*(1.3+0.9*math.Sin(l.phase*7))*t+l.phase)
		x := trunkX*w + (l.x+lean*l.sway+flutter)*h
		y := (trunkY-l.y)*h + 0.7*gust*l.own*h*math.Sin(2*math.Pi*1.1*t+2*l.phase)
		s.drawTuft(x, y, l.r*h, l.c, by)
	}
}

// drawTuft draws a soft disc. It is lit as its middle is, which makes it one
// value a plane: the tree is most of what a picture costs to draw.
func (s *Scene) drawTuft(x, y, r float64, c ycc, by light) {
	w, h := s.o.Width, s.o.Height
	i := min(max(int(y), 0), h-1)*w + min(max(int(x), 0), w-1)
	luma := min(c.y*(by.gain+int(s.back.lamp[i])*by.lamp>>8)>>8, 255)
	colour, warm := s.colour(i, by)
	disc(s.out.Y, s.out.YStride, w, h, x-0.5, y-0.5, r, luma)
	x, y, r = x/2-0.5, y/2-0.5, r/2
	disc(s.out.Cb, s.out.CStride, w/2, h/2, x, y, r, int(tint(c.cb, colour, -warm)))
	disc(s.out.Cr, s.out.CStride, w/2, h/2, x, y, r, int(tint(c.cr, colour, warm/2)))
}

// disc blends a value into a plane: fully in the disc's middle, less and less
// over its outer part.
func disc(plane []uint8, stride, w, h int, cx, cy, r float64, v int) {
	slope := 256 / (r*r*0.6 + 1)
	full := r*r - 256/slope // the square of the radius within which it covers
	for y := max(int(cy-r), 0); y <= min(int(cy+r)+1, h-1); y++ {
		dy2 := (float64(y) - cy) * (float64(y) - cy)
		if dy2 >= r*r {
			continue
		}
		half := math.Sqrt(r*r - dy2)
		x0, x1 := max(int(math.Ceil(cx-half)), 0), min(int(cx+half), w-1)
		in0, in1 := x1+1, x1
		if full > dy2 {
			half = math.Sqrt(full - dy2)
			in0, in1 = max(int(math.Ceil(cx-half)), 0), min(int(cx+half), w-1)
		}
		row := plane[y*stride : y*stride+w]
		for x := x0; x <= x1; x++ {
			if x == in0 {
				for ; x <= in1; x++ {
					row[x] = uint8(v)
				}
				if x > x1 {
					break
				}
			}
			dx := float64(x) - cx
			a := min(int((r*r-dy2-dx*dx)*slope), 256)
			row[x] = uint8(int(row[x]) + (v-int(row[x]))*a>>8)
		}
	}
}
