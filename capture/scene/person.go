package scene

import "math"

// person is somebody at a moment of walking through.
type person struct {
	x, ground float64 // where the feet are, pixels
	height    float64 // pixels
	facing    float64 // 1: to the right, −1: to the left
	phase     float64 // of the steps, radians
	look      uint64  // chooses the clothes
}

// visit is one person's walk across the picture.
type visit struct {
	start, end float64 // seconds: when the person enters and has left
	height     float64 // picture heights
	facing     float64
	look       uint64
}

// How much of the picture's width lies between a walk's ends and its edges.
const margin = 0.05

// visit returns the k-th walk.
func (s *Scene) visit(k int) visit {
	seed := func(n uint64) float64 { return unit(s.o.Seed, 100, uint64(k), n) }
	v := visit{height: s.o.PersonHeight, facing: 1, look: hash(s.o.Seed, 101, uint64(k))}
	if v.height <= 0 {
		v.height = 0.30 + 0.16*seed(1)
	}
	if seed(2) < 0.5 {
		v.facing = -1
	}
	every := s.every()
	v.start = s.o.First.Seconds() + float64(k)*every
	if k > 0 {
		v.start += (seed(3) - 0.5) * 0.2 * every
	}
	v.end = v.start + s.crossing(v.height)
	return v
}

// every is the time from one walk to the next; chance moves each by a tenth of
// it at most, and even the slowest is over by then.
func (s *Scene) every() float64 {
	slowest := s.o.PersonHeight
	if slowest <= 0 {
		slowest = 0.30
	}
	return max(s.o.Every.Seconds(), 1.25*s.crossing(slowest)+1)
}

// from is the number of a walk that begins before t, or 0, with at most two
// more up to t.
func (s *Scene) from(t float64) int {
	return max(int((t-s.o.First.Seconds())/s.every())-1, 0)
}

// crossing is how long somebody of that height takes from edge to edge.
func (s *Scene) crossing(height float64) float64 {
	aspect := float64(s.o.Width) / float64(s.o.Height)
	return (1 + 2*margin) * aspect / (s.o.PersonSpeed * height)
}

// visitAt returns the walk that is under way at t.
func (s *Scene) visitAt(t float64) (visit, bool) {
	if s.o.First < 0 {
		return visit{}, false
	}
	for k := s.from(t); ; k++ {
		v := s.visit(k)
		if t < v.start {
			return visit{}, false
		}
		if t < v.end {
			return v, true
		}
	}
}

// personAt returns who walks through the picture at t.
func (s *Scene) personAt(t float64) (person, bool) {
	v, ok := s.visitAt(t)
	if !ok {
		return person{}, false
	}
	w, h := float64(s.o.Width), float64(s.o.Height)
	done := (1 + 2*margin) * w * (t - v.start) / (v.end - v.start) // pixels
	p := person{height: v.height * h, facing: v.facing, look: v.look}
	p.x = done - margin*w
	if v.facing < 0 {
		p.x = w - p.x
	}
	// Somebody as tall as the camera is high would reach the horizon; it hangs
	// half as high again.
	p.ground = min(max(horizon+v.height*1.5, 0.70), 0.97) * h
	p.phase = 2 * math.Pi * done / (0.80 * p.height) // two steps are 0.8 body heights
	return p, true
}

// limb is a tapered line with a round end, in pixels.
type limb struct {
	x0, y0, r0, x1, y1, r1 float64
	c                      ycc
}

var (
	jackets  = []rgb{hex(0x27364f), hex(0x7d2f2c), hex(0x3e4a35), hex(0x4b4b52), hex(0xc2a24a)}
	trousers = []rgb{hex(0x2a3038), hex(0x3b4a63), hex(0x57503f)}
	skins    = []rgb{hex(0xd9a886), hex(0x8d5a3c), hex(0xe8c0a0)}
	hairs    = []rgb{hex(0x2d2119), hex(0x6b4a2a), hex(0x8f8d88)}
)

// limbs builds the walking figure, the far side first.
func (p person) limbs() []limb {
	h, f := p.height, p.facing
	pick := func(of []rgb, n uint64) rgb { return of[hash(p.look, n)%uint64(len(of))] }
	jacket, trouser, skin, hair := pick(jackets, 1), pick(trousers, 2), pick(skins, 3), pick(hairs, 4)
	shoe := hex(0x1d1b1a)

	type leg struct{ knee, ankle, toe [2]float64 }
	hip := [2]float64{0, 0.505 * h}
	step := func(phase float64) leg {
		s, c := math.Sincos(phase)
		thigh := 0.42*s + 0.06
		bend := 0.12 + 0.95*math.Pow(max(c, 0), 1.6) // the knee bends while the leg swings forward
		shin := thigh - bend
		var l leg
		l.knee = [2]float64{hip[0] + 0.245*h*math.Sin(thigh), hip[1] - 0.245*h*math.Cos(thigh)}
		l.ankle = [2]float64{l.knee[0] + 0.235*h*math.Sin(shin), l.knee[1] - 0.235*h*math.Cos(shin)}
		foot := shin*0.75 + 0.1
		l.toe = [2]float64{l.ankle[0] + 0.095*h*math.Cos(foot), l.ankle[1] + 0.095*h*math.Sin(foot) - 0.012*h}
		return l
	}
	far, near := step(p.phase+math.Pi), step(p.phase)
	// The lower foot stands on the ground, which makes the body bob.
	sole := 0.028 * h
	lift := sole - min(far.ankle[1], far.toe[1], near.ankle[1], near.toe[1])
	lean := 0.02 * h
	at := func(q [2]float64) (x, y float64) { return p.x + f*q[0], p.ground - q[1] - lift }
	var limbs []limb
	add := func(a, b [2]float64, r0, r1 float64, c rgb) {
		x0, y0 := at(a)
		x1, y1 := at(b)
		limbs = append(limbs, limb{x0, y0, r0 * h, x1, y1, r1 * h, c.ycc()})
	}
	shoulder := [2]float64{lean, 0.80 * h}
	arm := func(phase, dim float64) {
		s := math.Sin(phase)
		upper, lower := 0.5*s, 0.5*s+0.35+0.2*s
		elbow := [2]float64{shoulder[0] + 0.165*h*math.Sin(upper), shoulder[1] - 0.165*h*math.Cos(upper)}
		hand := [2]float64{elbow[0] + 0.15*h*math.Sin(lower), elbow[1] - 0.15*h*math.Cos(lower)}
		add(hand, hand, 0.021, 0.021, skin.times(dim))
		add(elbow, hand, 0.027, 0.022, jacket.times(dim))
		add(shoulder, elbow, 0.037, 0.028, jacket.times(dim))
	}
	walk := func(l leg, dim float64) {
		add(l.ankle, l.toe, 0.026, 0.018, shoe.times(dim))
		add(l.knee, l.ankle, 0.043, 0.028, trouser.times(dim))
		add(hip, l.knee, 0.062, 0.045, trouser.times(dim))
	}
	arm(p.phase, 0.7)
	walk(far, 0.75)
	walk(near, 1)
	add([2]float64{0, 0.53 * h}, [2]float64{lean * 0.9, 0.785 * h}, 0.070, 0.066, jacket)
	add([2]float64{lean * 1.1, 0.83 * h}, [2]float64{lean * 1.4, 0.89 * h}, 0.030, 0.032, skin.times(0.85))
	head := [2]float64{lean * 1.9, 0.935 * h}
	add(head, [2]float64{head[0] + 0.010*h, head[1] - 0.022*h}, 0.054, 0.046, skin)
	add([2]float64{head[0] - 0.020*h, head[1] + 0.018*h}, [2]float64{head[0] + 0.016*h, head[1] + 0.030*h}, 0.048, 0.034, hair)
	arm(p.phase+math.Pi, 1)
	return limbs
}

// drawPerson draws the shadow and the figure and returns where it is; behind
// says that the tree will be drawn over it.
func (s *Scene) drawPerson(p person, behind bool, by light) Truth {
	limbs := p.limbs()
	s.drawShadow(p, limbs, by)
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, l := range limbs {
		s.drawLimb(l, by)
		x0, x1 = min(x0, l.x0-l.r0, l.x1-l.r1), max(x1, l.x0+l.r0, l.x1+l.r1)
		y0, y1 = min(y0, l.y0-l.r0, l.y1-l.r1), max(y1, l.y0+l.r0, l.y1+l.r1)
	}
	w, h := float64(s.o.Width), float64(s.o.Height)
	cx0, cx1 := max(x0, 0), min(x1, w)
	cy0, cy1 := max(y0, 0), min(y1, h)
	if cx1-cx0 < (x1-x0)/3 || cy1 <= cy0 {
		return Truth{}
	}
	if trunk := trunkR * h; behind && min(cx1, trunkX*w+trunk)-max(cx0, trunkX*w-trunk) > (cx1-cx0)/2 {
		return Truth{}
	}
	return Truth{Person: true, Box: [4]float64{cx0 / w, cy0 / h, (cx1 - cx0) / w, (cy1 - cy0) / h}}
}

// drawLimb draws one limb, lit from the upper left, on all three planes.
func (s *Scene) drawLimb(l limb, by light) {
	each(l, 1, s.o.Width, s.o.Height, func(x, y int, cover, side float64) {
		alb := float64(l.c.y) * (1.06 - 0.24*side)
		s.put(x, y, int(alb), int(256*cover), by)
	})
	each(l, 0.5, s.o.Width/2, s.o.Height/2, func(x, y int, cover, _ float64) {
		s.putColour(x, y, l.c, int(256*cover), by)
	})
}

// each calls f for every pixel a limb touches, on a plane of the given scale
// and size, with how much of it is covered and on which side of the limb it
// lies (−1: towards the light, 1: away).
func each(l limb, scale float64, w, h int, f func(x, y int, cover, side float64)) {
	ax, ay, bx, by := l.x0*scale, l.y0*scale, l.x1*scale, l.y1*scale
	ra, rb := l.r0*scale, l.r1*scale
	dx, dy := bx-ax, by-ay
	length2 := dx*dx + dy*dy
	r := max(ra, rb) + 1
	for y := max(int(min(ay, by)-r), 0); y < min(int(max(ay, by)+r)+1, h); y++ {
		for x := max(int(min(ax, bx)-r), 0); x < min(int(max(ax, bx)+r)+1, w); x++ {
			px, py := float64(x)+0.5-ax, float64(y)+0.5-ay
			t := 0.0
			if length2 > 0 {
				t = min(max((px*dx+py*dy)/length2, 0), 1)
			}
			nx, ny := px-t*dx, py-t*dy
			radius := ra + t*(rb-ra)
			d := math.Sqrt(nx*nx+ny*ny) - radius
			if d < 0.5 {
				f(x, y, min(0.5-d, 1), min(max((0.8*nx+0.6*ny)/radius, -1), 1))
			}
		}
	}
}

// drawShadow darkens the ground where the figure keeps the sun off: the same
// limbs, laid down away from it. By night only what is right under the feet is
// left of it.
func (s *Scene) drawShadow(p person, limbs []limb, by light) {
	strength := 0.20 + 0.22*ramp(80, 220, float64(by.gain))
	cast := ramp(60, 200, float64(by.gain))
	w, h := s.o.Width, s.o.Height
	x0, y0, x1, y1 := w, h, 0, 0
	cover := func(l limb) {
		each(l, 1, w, h, func(x, y int, c, _ float64) {
			x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
			s.mask[y*w+x] = max(s.mask[y*w+x], uint8(255*c))
		})
	}
	lay := func(x, y float64) (float64, float64) {
		up := p.ground - y
		return x + 0.75*cast*up, p.ground - 0.02*p.height - 0.10*cast*up
	}
	for _, l := range limbs {
		l.x0, l.y0 = lay(l.x0, l.y0)
		l.x1, l.y1 = lay(l.x1, l.y1)
		l.r0, l.r1 = 0.55*l.r0, 0.55*l.r1
		cover(l)
	}
	cover(limb{x0: p.x - 0.09*p.height, y0: p.ground - 0.015*p.height, r0: 0.02 * p.height, x1: p.x + 0.11*p.height, y1: p.ground - 0.015*p.height, r1: 0.02 * p.height})
	for y := y0; y <= y1; y++ {
		for x := x0; x <= x1; x++ {
			i := y*w + x
			if m := int(s.mask[i]); m > 0 {
				s.out.Y[y*s.out.YStride+x] = uint8(int(s.out.Y[y*s.out.YStride+x]) * (65025 - int(strength*255)*m) / 65025)
				s.mask[i] = 0
			}
		}
	}
}
