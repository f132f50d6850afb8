package scene

import (
	"image"
	"math"
)

// backdrop is what does not move: a house front with a garden, as it looks in
// even light, and what of it a lamp beside the door and the windows light up.
type backdrop struct {
	img  *image.YCbCr // albedo
	lamp []uint8      // the lamp's light on each luma pixel
	glow []uint8      // the windows' own light
}

// Where things stand, in fractions of the picture.
const (
	horizon  = 0.30 // the eye's height: what stands there is as high as the camera
	houseEnd = 0.60 // right edge of the wall
	footing  = 0.655
	lampX    = 0.505
	lampY    = 0.405
	trunkX   = 0.845
	trunkY   = 0.80
	trunkR   = 0.026 // in heights
)

func paintBackdrop(w, h int, seed uint64) *backdrop {
	c := newCanvas(w, h)
	px := float64(h) // grain is round where x is measured in heights too
	aspect := float64(w) / float64(h)

	// Sky, far trees, meadow.
	c.box(func(x, y float64, _ rgb) rgb {
		cloud := ramp(0.0, 0.5, grain(seed+1, x*aspect*3, y*9, 4)) * 0.5
		return hex(0x86abd0).mix(hex(0xd3dee6), ramp(-0.05, 0.42, y)).mix(hex(0xeef1f2), cloud)
	}, 0, 0, 1, 0.6)
	c.box(func(x, y float64, under rgb) rgb {
		top := 0.385 + 0.03*grain(seed+2, x*9, 0, 3) - 0.012*grain(seed+3, x*70, 0, 2)
		g := grain(seed+4, x*aspect*40, y*50, 3)
		return under.mix(hex(0x5d7566).mix(hex(0x7d927a), 0.5+0.5*g), ramp(top-0.006, top+0.006, y))
	}, 0.3, 0.3, 0.7, 0.3)
	lawn := func(x, y float64, _ rgb) rgb {
		depth := 1 / (y - horizon) // grows finer with distance
		fine := grain(seed+5, x*aspect*depth*14, depth*60, 3)
		broad := grain(seed+6, x*aspect*depth*1.3, depth*5, 3)
		blade := grain(seed+7, x*px*0.9, y*px*0.35, 1)
		col := hex(0x587a36).mix(hex(0x7c9a4d), 0.5+0.6*fine)
		col = col.mix(hex(0x8a9a55), 0.35*ramp(0.1, 0.6, broad))
		return col.times((0.9 + 0.13*blade) * (0.82 + 0.25*ramp(0.5, 1, y)))
	}
	c.box(lawn, 0, 0.5, 1, 0.5)

	// A hedge and a paling fence on the right.
	c.polygon(func(x, y float64, _ rgb) rgb {
		g := grain(seed+8, x*aspect*45, y*45, 4)
		return hex(0x3c5a33).mix(hex(0x6a8a4c), 0.5+0.7*g).times(1 - 0.5*ramp(0.50, 0.60, y))
	}, houseEnd, 0.475, 0.72, 0.462, 0.86, 0.47, 1, 0.458, 1, 0.60, houseEnd, 0.595)
	for i := range 24 {
		x := houseEnd + 0.004 + float64(i)*0.0172
		tone := 0.78 + 0.1*unit(seed, 9, uint64(i))
		c.polygon(plain(hex(0xd8d4c6).times(tone)), x, 0.522, x+0.005, 0.510, x+0.010, 0.522, x+0.010, 0.633, x, 0.633)
		c.box(shade(0.25), x+0.0085, 0.52, 0.0015, 0.113)
	}
	for _, y := range []float64{0.540, 0.605} {
		c.box(plain(hex(0xc8c3b4).times(0.8)), houseEnd, y, 0.4, 0.010)
	}
	c.polygon(shade(0.30), houseEnd, 0.633, 1, 0.633, 1, 0.652, houseEnd, 0.652)

	paintHouse(c, seed, aspect)

	// The path from the door, and the border of flowers along the wall.
	c.polygon(func(x, y float64, _ rgb) rgb {
		depth := 1 / (y - horizon)
		g := grain(seed+20, x*aspect*depth*22, depth*90, 3) + 0.5*grain(seed+21, x*px*0.8, y*px*0.8, 1)
		return hex(0xa59b8b).mix(hex(0xcbc2b1), 0.5+0.5*g)
	}, 0.405, footing+0.012, 0.485, footing+0.012, 0.60, 1, 0.33, 1)
	for i := range 90 {
		x := 0.015 + 0.38*unit(seed, 22, uint64(i))
		if i%3 == 0 {
			x = 0.50 + 0.095*unit(seed, 23, uint64(i))
		}
		y := footing + 0.004 + 0.022*unit(seed, 24, uint64(i))
		r := 0.004 + 0.007*unit(seed, 25, uint64(i))
		col := hex(0x47692f).times(0.7 + 0.6*unit(seed, 26, uint64(i)))
		if i%4 == 0 {
			col = []rgb{hex(0xb8454e), hex(0xd9b44a), hex(0xe6e0e4), hex(0x8a62a8)}[hash(seed, 27, uint64(i))%4]
			r *= 0.55
			y -= 0.012
		}
		c.polygon(plain(col), ring(x, y, r, aspect)...)
	}
	// The tree's shade on the lawn; the crown is drawn with every picture.
	soft := func(x, y float64, under rgb) rgb {
		dx, dy := (x-trunkX-0.06)/0.17, (y-trunkY-0.05)/0.062
		d := math.Hypot(dx, dy) + 0.35*grain(seed+30, x*aspect*16, y*40, 3)
		return under.times(1 - 0.38*ramp(1.1, 0.6, d))
	}
	c.box(soft, 0.6, 0.68, 0.4, 0.32)

	b := &backdrop{img: image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420), lamp: make([]uint8, w*h), glow: make([]uint8, w*h)}
	c.into(b.img)
	b.light(aspect)
	return b
}

// ring is a polygon near a circle of radius r (in widths).
func ring(x, y, r, aspect float64) []float64 {
	var xy []float64
	for i := range 12 {
		s, c := math.Sincos(float64(i) * math.Pi / 6)
		xy = append(xy, x+r*c, y+r*aspect*s)
	}
	return xy
}

func paintHouse(c *canvas, seed uint64, aspect float64) {
	const eaves = 0.215
	// Wall: render with weather marks, darker below.
	c.box(func(x, y float64, _ rgb) rgb {
		g := 0.045*grain(seed+40, x*aspect*6, y*6, 4) + 0.03*grain(seed+41, x*aspect*90, y*90, 2)
		return hex(0xd9c9a8).times(0.94 + g - 0.10*ramp(0.55, footing, y) - 0.07*x)
	}, 0, eaves, houseEnd, footing-eaves)
	c.box(func(x, y float64, _ rgb) rgb {
		return hex(0x8d857a).times(0.9 + 0.2*grain(seed+42, x*aspect*60, y*60, 2))
	}, 0, footing-0.04, houseEnd, 0.05)
	// Roof: rows of tiles.
	c.polygon(func(x, y float64, _ rgb) rgb {
		row := math.Floor(y / 0.021)
		tile := math.Floor(x*aspect/0.026 + 0.5*math.Mod(row, 2))
		col := hex(0x8a4a3a).mix(hex(0xa8634c), unit(seed, 43, uint64(int64(row)), uint64(int64(tile))))
		return col.times(1 - 0.35*ramp(0.6, 1, y/0.021-row))
	}, 0, 0, 0.52, 0, houseEnd+0.035, eaves, 0, eaves)
	c.box(plain(hex(0xe4dfd2)), 0, eaves, houseEnd+0.035, 0.014) // gutter
	c.polygon(shade(0.34), 0, eaves+0.014, houseEnd, eaves+0.014, houseEnd, eaves+0.05, 0, eaves+0.062)

	for _, x := range []float64{0.07, 0.235} {
		paintWindow(c, seed, x, 0.325, 0.105, 0.185)
	}
	// Door with its frame, two panes, a step.
	c.box(plain(hex(0xe9e4d8)), 0.396, 0.345, 0.098, 0.315)
	c.box(func(x, y float64, _ rgb) rgb {
		return hex(0x2f5a55).times(0.92 + 0.12*grain(seed+44, x*aspect*120, y*12, 2))
	}, 0.405, 0.360, 0.080, 0.300)
	for _, y := range []float64{0.545} {
		c.box(shade(0.22), 0.415, y, 0.060, 0.085)
		c.box(plain(hex(0x376862)), 0.418, y+0.006, 0.055, 0.074)
	}
	c.box(plain(hex(0x59707a)), 0.415, 0.385, 0.026, 0.125)
	c.box(plain(hex(0x59707a)), 0.449, 0.385, 0.026, 0.125)
	c.polygon(plain(hex(0x8fa3aa)), 0.415, 0.45, 0.441, 0.395, 0.441, 0.42, 0.415, 0.475)
	c.polygon(plain(hex(0xd8c98a)), ring(0.4785, 0.53, 0.0032, aspect)...)
	c.box(plain(hex(0xb9b2a6)), 0.385, footing, 0.12, 0.018)
	c.box(shade(0.3), 0.385, footing+0.013, 0.12, 0.006)
	// The lamp beside it.
	c.box(plain(hex(0x2b2b2b)), lampX-0.006, lampY-0.030, 0.012, 0.008)
	c.polygon(plain(hex(0xf2ead2)), lampX-0.0075, lampY-0.022, lampX+0.0075, lampY-0.022, lampX+0.005, lampY+0.020, lampX-0.005, lampY+0.020)
	// The corner's downpipe.
	c.box(plain(hex(0xbdb6a6)), houseEnd-0.014, eaves+0.014, 0.007, footing-eaves-0.014)
	c.box(shade(0.3), houseEnd-0.007, eaves+0.014, 0.007, footing-eaves-0.014)
}

func paintWindow(c *canvas, seed uint64, x, y, w, h float64) {
	c.box(plain(hex(0xece8de)), x-0.009, y-0.014, w+0.018, h+0.028)
	c.box(func(u, v float64, _ rgb) rgb { // panes mirror the sky, curtains behind
		col := hex(0x46565f).mix(hex(0x8fa6b5), ramp(0.3, 0.9, (u-x)/w+0.4*(y+h-v)/h)*0.8)
		side := min(u-x, x+w-u) / w
		fold := 0.85 + 0.15*math.Sin(u*900)
		return col.mix(hex(0xb9b3a6).times(fold), 0.6*ramp(0.27, 0.22, side))
	}, x, y, w, h)
	c.box(plain(hex(0xe6e1d5)), x+w/2-0.004, y, 0.008, h)
	c.box(plain(hex(0xe6e1d5)), x, y+h*0.4, w, 0.011)
	c.box(plain(hex(0xcfc8b9)), x-0.014, y+h+0.012, w+0.028, 0.016)
	c.box(shade(0.22), x-0.010, y+h+0.028, w+0.024, 0.010)
	_ = seed
}

// light fills in what shines at night: the lamp on wall and ground, one window.
func (b *backdrop) light(aspect float64) {
	w, h := b.img.Rect.Dx(), b.img.Rect.Dy()
	for y := range h {
		for x := range w {
			fx, fy := (float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)
			dx, dy := (fx-lampX)*aspect, fy-lampY
			if fy > footing { // the ground lies towards us: the light reaches further there
				dy = (footing-lampY)*0.6 + (fy-footing)*0.9
				dx *= 0.8
			}
			v := 1 / (1 + 20*(dx*dx+dy*dy))
			if fx > houseEnd && fy < footing { // beyond the corner there is no wall to be lit
				v *= 0.25
			}
			if fy < 0.215 { // above the eaves
				v *= 0.12
			}
			b.lamp[y*w+x] = uint8(255 * v)
			g := 0.0
			if math.Abs(dx) < 0.012 && fy > lampY-0.022 && fy < lampY+0.020 {
				g = 1
			}
			if u, v := (fx-0.235)/0.105, (fy-0.325)/0.185; u > 0 && u < 1 && v > 0 && v < 1 {
				bars := math.Abs(u-0.5) < 0.04 || math.Abs(v-0.43) < 0.035
				if !bars {
					g = 0.62 - 0.25*ramp(0.25, 0, min(u, 1-u)) - 0.15*v
				}
			}
			b.glow[y*w+x] = uint8(255 * g)
		}
	}
}
