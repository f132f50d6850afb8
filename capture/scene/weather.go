package scene

import (
	"image"
	"math"
	"math/rand/v2"
)

// weather draws what lies between the scene and the lens, or passes over it.
func (s *Scene) weather(i int, t float64) {
	for _, h := range s.o.Happenings {
		since := t - h.At.Seconds()
		switch {
		case since < 0:
		case h.Kind == Headlights && since < 3:
			s.headlights(since / 3)
		case h.Kind == Cloud && since < 20:
			s.cloud(since / 20)
		}
	}
	if s.o.Rain {
		s.rain(uint64(i))
	}
}

// headlights lights up a patch that sweeps from right to left; done is 0…1.
func (s *Scene) headlights(done float64) {
	w, h := s.o.Width, s.o.Height
	cx, cy := float64(w)*(1.2-1.4*done), 0.62*float64(h)
	rx, ry := 0.28*float64(w), 0.34*float64(h)
	strength := 1.6 * math.Sin(math.Pi*done)
	for y := max(int(cy-ry), 0); y < min(int(cy+ry), h); y++ {
		for x := max(int(cx-rx), 0); x < min(int(cx+rx), w); x++ {
			dx, dy := (float64(x)-cx)/rx, (float64(y)-cy)/ry
			d := 1 - dx*dx - dy*dy
			if d <= 0 {
				continue
			}
			p := &s.out.Y[y*s.out.YStride+x]
			add := strength * d * d * float64(s.back.img.Y[y*s.back.img.YStride+x])
			*p = uint8(min(float64(*p)+add, 255))
		}
	}
}

// cloud dims what its shadow lies on while it drifts from left to right.
func (s *Scene) cloud(done float64) {
	w := s.o.Width
	gain := make([]int, w)
	for x := range gain {
		at := float64(x)/float64(w) - 3*done + 1.5 // −1…1 across the cloud
		gain[x] = 256 - int(100*ramp(1, 0.4, math.Abs(at)))
	}
	for y := range s.o.Height {
		row := s.out.Y[y*s.out.YStride:][:w]
		for x := range row {
			row[x] = uint8(int(row[x]) * gain[x] >> 8)
		}
	}
}

// rain draws streaks, others in every picture.
func (s *Scene) rain(i uint64) {
	w, h := s.o.Width, s.o.Height
	for n := range uint64(140) {
		u := func(k uint64) float64 { return unit(s.o.Seed, 300, i, n, k) }
		near := u(1)
		length := (0.03 + 0.09*near*near) * float64(h)
		x, y := u(2)*float64(w), u(3)*float64(h)*1.1-length
		alpha := int(256 * (0.12 + 0.22*near))
		for d := 0.0; d < length; d++ {
			px, py := int(x+d*0.13), int(y+d)
			if px >= 0 && px < w && py >= 0 && py < h {
				p := &s.out.Y[py*s.out.YStride+px]
				bright := min(int(*p)/2+110, 235)
				*p = uint8(int(*p) + (bright-int(*p))*alpha>>8)
			}
		}
	}
}

// bumpAt is by how many pixels the camera has been knocked aside until t.
func (s *Scene) bumpAt(t float64) (dx, dy int) {
	for n := range s.count(Bump, t) {
		u := func(k uint64) float64 { return unit(s.o.Seed, 400, uint64(n), k) - 0.5 }
		sign := math.Copysign(1, u(1))
		dx += 2 * int(sign*(0.02+0.02*math.Abs(u(2)))*float64(s.o.Width)/2)
		dy += 2 * int(0.04*u(3)*float64(s.o.Height)/2)
	}
	return dx, dy
}

// shift moves a picture by an even number of pixels; its edges are drawn out.
func shift(dst, src *image.YCbCr, dx, dy int) {
	plane := func(d, s []byte, stride, w, h, dx, dy int) {
		for y := range h {
			from := s[min(max(y-dy, 0), h-1)*stride:][:w]
			to := d[y*stride:][:w]
			for x := range to {
				to[x] = from[min(max(x-dx, 0), w-1)]
			}
		}
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	plane(dst.Y, src.Y, src.YStride, w, h, dx, dy)
	plane(dst.Cb, src.Cb, src.CStride, w/2, h/2, dx/2, dy/2)
	plane(dst.Cr, src.Cr, src.CStride, w/2, h/2, dx/2, dy/2)
}

// addNoise adds the sensor's noise, other noise in every picture: each row
// begins at another place of a long table of it.
func (s *Scene) addNoise(img *image.YCbCr, i int, sigma float64) {
	if sigma <= 0 {
		return
	}
	const table = 1 << 16
	if sigma = math.Round(sigma*8) / 8; sigma != s.sigma || s.grains == nil {
		s.sigma, s.grains = sigma, make([]int8, table+s.o.Width)
		r := rand.New(rand.NewPCG(s.o.Seed, 500))
		for j := range table {
			s.grains[j] = int8(min(max(math.Round(r.NormFloat64()*sigma), -127), 127))
		}
		copy(s.grains[table:], s.grains)
	}
	for y := range s.o.Height {
		row := img.Y[y*img.YStride:][:s.o.Width]
		from := s.grains[hash(s.o.Seed, 501, uint64(i), uint64(y))%table:][:len(row)]
		for x := range row {
			row[x] = uint8(min(max(int(row[x])+int(from[x]), 0), 255))
		}
	}
}
