package mjpeg

import "math"

// The inverse DCT of the lowest n x n coefficients of a block, to n x n samples
// (T.81 A.3.3 with n in place of 8 in the cosines; the scaling that keeps a
// block's mean is the same for every n). Fixed point: constBits for cosines, and
// passBits kept between columns and rows.
const (
	constBits = 12
	passBits  = 3
)

// cosines[n][u][x] = C(u)/2 cos((2x+1)uπ/2n), for the left half of x; the right
// half follows by symmetry.
var cosines = func() (c [9][8][4]int32) {
	for n := 1; n <= 8; n++ {
		for u := range n {
			scale := float64(int(1)<<constBits) / 2
			if u == 0 {
				scale /= math.Sqrt2
			}
			for x := range (n + 1) / 2 {
				c[n][u][x] = int32(math.Round(scale * math.Cos(float64(2*x+1)*float64(u)*math.Pi/float64(2*n))))
			}
		}
	}
	return c
}()

func clamp(v int32) byte {
	if uint32(v) > 255 {
		v = ^(v >> 31) & 255
	}
	return byte(v)
}

// idct transforms co and writes to out, whose rows are stride apart.
func idct(n int, co *[64]int32, last int, out []byte, stride int) {
	if last == 0 {
		v := idct1(co[0], 1)
		for y := range n {
			row := out[y*stride:][:n]
			for x := range row {
				row[x] = v
			}
		}
		return
	}
	switch n {
	case 2:
		idct2(co, out, stride)
	case 4:
		idct4(co, out, stride)
	default:
		idctN(n, co, out, stride)
	}
}

func idctN(n int, co *[64]int32, out []byte, stride int) {
	m := &cosines[n]
	half := (n + 1) / 2
	for u := range n {
		var e, o [4]int32
		for v := 0; v < n; v++ {
			s := co[8*v+u]
			if s == 0 {
				continue
			}
			w := &e
			if v&1 == 1 {
				w = &o
			}
			for y := range half {
				w[y&3] += s * m[v][y&3]
			}
		}
		const round = 1 << (constBits - passBits - 1)
		for y := range half {
			co[8*y+u] = (e[y&3] + o[y&3] + round) >> (constBits - passBits)
			co[8*(n-1-y)+u] = (e[y&3] - o[y&3] + round) >> (constBits - passBits)
		}
	}
	for y := range n {
		var e, o [4]int32
		in := co[8*y : 8*y+8]
		for u := 0; u < n; u++ {
			w := &e
			if u&1 == 1 {
				w = &o
			}
			for x := range half {
				w[x&3] += in[u] * m[u][x&3]
			}
		}
		row := out[y*stride:][:n]
		const round = 1<<(constBits+passBits-1) + 128<<(constBits+passBits)
		for x := range half {
			row[x] = clamp((e[x&3] + o[x&3] + round) >> (constBits + passBits))
			row[n-1-x] = clamp((e[x&3] - o[x&3] + round) >> (constBits + passBits))
		}
	}
}

// idct2 and idct4 are idctN written out for the detector's scales. At 2 x 2 the
// factors multiply to 1/8 exactly.
func idct2(co *[64]int32, out []byte, stride int) {
	a, b := co[0]+co[8]+4, co[1]+co[9]
	c, d := co[0]-co[8]+4, co[1]-co[9]
	out[0], out[1] = clamp((a+b)>>3+128), clamp((a-b)>>3+128)
	out[stride], out[stride+1] = clamp((c+d)>>3+128), clamp((c-d)>>3+128)
}

func idct4(co *[64]int32, out []byte, stride int) {
	const (
		c0    = 1448 // 2^12 / (2 sqrt 2)
		c1    = 1892 // 2^11 cos(pi/8)
		c3    = 784  // 2^11 sin(pi/8)
		round = 1 << (constBits - passBits - 1)
		last  = 1<<(constBits+passBits-1) + 128<<(constBits+passBits)
	)
	for u := range 4 {
		e0, e1 := (co[u]+co[16+u])*c0+round, (co[u]-co[16+u])*c0+round
		o0, o1 := co[8+u]*c1+co[24+u]*c3, co[8+u]*c3-co[24+u]*c1
		co[u], co[24+u] = (e0+o0)>>(constBits-passBits), (e0-o0)>>(constBits-passBits)
		co[8+u], co[16+u] = (e1+o1)>>(constBits-passBits), (e1-o1)>>(constBits-passBits)
	}
	for y := range 4 {
		in, row := co[8*y:8*y+4:8*y+4], out[y*stride:][:4]
		e0, e1 := (in[0]+in[2])*c0+last, (in[0]-in[2])*c0+last
		o0, o1 := in[1]*c1+in[3]*c3, in[1]*c3-in[3]*c1
		row[0], row[3] = clamp((e0+o0)>>(constBits+passBits)), clamp((e0-o0)>>(constBits+passBits))
		row[1], row[2] = clamp((e1+o1)>>(constBits+passBits)), clamp((e1-o1)>>(constBits+passBits))
	}
}
