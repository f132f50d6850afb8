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
	case 3:
		idct3(co, out, stride)
	case 4:
		idct4(co, out, stride)
	case 8:
		idct8(co, out, stride)
	default:
		idctN(n, co, out, stride)
	}
}

// idctN serves every n: even and odd coefficients apart, for the samples left and
// right of the middle differ in the sign of the odd ones alone.
func idctN(n int, co *[64]int32, out []byte, stride int) {
	m := &cosines[n]
	half := (n + 1) / 2
	for u := range n {
		const round = 1 << (constBits - passBits - 1)
		e, o := [4]int32{round, round, round, round}, [4]int32{}
		for v := 0; v < n; v += 2 {
			s, t := co[(8*v+u)&63], co[(8*v+8+u)&63]
			sum(&e, &o, s, t, &m[v&7], &m[(v+1)&7])
		}
		for y := range half {
			a, b := e[y&3], o[y&3]
			co[(8*y+u)&63] = (a + b) >> (constBits - passBits)
			co[(8*(n-1-y)+u)&63] = (a - b) >> (constBits - passBits)
		}
	}
	for y := range n {
		const round = 1<<(constBits+passBits-1) + 128<<(constBits+passBits)
		e, o := [4]int32{round, round, round, round}, [4]int32{}
		in := co[8*y : 8*y+8 : 8*y+8]
		for u := 0; u < n; u += 2 {
			sum(&e, &o, in[u&7], in[(u+1)&7], &m[u&7], &m[(u+1)&7])
		}
		row := out[y*stride:][:n]
		for x := range half {
			a, b := e[x&3], o[x&3]
			row[x] = clamp((a + b) >> (constBits + passBits))
			row[n-1-x] = clamp((a - b) >> (constBits + passBits))
		}
	}
}

// sum adds an even and an odd coefficient's shares. For odd n the last pair has no
// odd one: its cosines are zero.
func sum(e, o *[4]int32, s, t int32, ce, co *[4]int32) {
	e[0] += s * ce[0]
	e[1] += s * ce[1]
	e[2] += s * ce[2]
	e[3] += s * ce[3]
	o[0] += t * co[0]
	o[1] += t * co[1]
	o[2] += t * co[2]
	o[3] += t * co[3]
}

// idct2, idct3 and idct4 are idctN written out for the detector's scales and the
// commonest thumbnails'. At 2 x 2 the factors multiply to 1/8 exactly.
func idct2(co *[64]int32, out []byte, stride int) {
	a, b := co[0]+co[8]+4, co[1]+co[9]
	c, d := co[0]-co[8]+4, co[1]-co[9]
	out[0], out[1] = clamp((a+b)>>3+128), clamp((a-b)>>3+128)
	out[stride], out[stride+1] = clamp((c+d)>>3+128), clamp((c-d)>>3+128)
}

func idct3(co *[64]int32, out []byte, stride int) {
	const (
		c0    = 1448 // 2^12 / (2 sqrt 2)
		c1    = 1774 // 2^11 cos(pi/6)
		round = 1 << (constBits - passBits - 1)
		last  = 1<<(constBits+passBits-1) + 128<<(constBits+passBits)
	)
	for u := range 3 {
		s0, s1, s2 := co[u]*c0+round, co[8+u]*c1, co[16+u]<<10
		co[u] = (s0 + s2 + s1) >> (constBits - passBits)
		co[8+u] = (s0 - 2*s2) >> (constBits - passBits)
		co[16+u] = (s0 + s2 - s1) >> (constBits - passBits)
	}
	for y := range 3 {
		in, row := co[8*y:8*y+3:8*y+3], out[y*stride:][:3]
		s0, s1, s2 := in[0]*c0+last, in[1]*c1, in[2]<<10
		row[0] = clamp((s0 + s2 + s1) >> (constBits + passBits))
		row[1] = clamp((s0 - 2*s2) >> (constBits + passBits))
		row[2] = clamp((s0 + s2 - s1) >> (constBits + passBits))
	}
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

// idct8 is the full transform after Loeffler, Ligtenberg and Moschytz ("Practical
// fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989), in the form with
// 12 that libjpeg's jidctint.c has.
func idct8(co *[64]int32, out []byte, stride int) {
	const pass = 2
	for u := range 8 {
		c := co[u : u+57 : u+57]
		if c[8]|c[16]|c[24]|c[32]|c[40]|c[48]|c[56] == 0 {
			v := c[0] << pass
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = v, v, v, v, v, v, v, v
			continue
		}
		a, b := lift(c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56], 1<<(lift1-pass-1))
		c[0], c[56] = (a[0]+b[0])>>(lift1-pass), (a[0]-b[0])>>(lift1-pass)
		c[8], c[48] = (a[1]+b[1])>>(lift1-pass), (a[1]-b[1])>>(lift1-pass)
		c[16], c[40] = (a[2]+b[2])>>(lift1-pass), (a[2]-b[2])>>(lift1-pass)
		c[24], c[32] = (a[3]+b[3])>>(lift1-pass), (a[3]-b[3])>>(lift1-pass)
	}
	const shift = lift1 + pass + 3
	for y := range 8 {
		c, row := co[8*y:8*y+8:8*y+8], out[y*stride:][:8]
		a, b := lift(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], 1<<(shift-1)+128<<shift)
		row[0], row[7] = clamp((a[0]+b[0])>>shift), clamp((a[0]-b[0])>>shift)
		row[1], row[6] = clamp((a[1]+b[1])>>shift), clamp((a[1]-b[1])>>shift)
		row[2], row[5] = clamp((a[2]+b[2])>>shift), clamp((a[2]-b[2])>>shift)
		row[3], row[4] = clamp((a[3]+b[3])>>shift), clamp((a[3]-b[3])>>shift)
	}
}

const lift1 = 13 // bits of lift's constants

// lift is one dimension of idct8: the even and the odd part, times 2^lift1 and the
// root of 8. round is added to the even part.
func lift(s0, s1, s2, s3, s4, s5, s6, s7, round int32) (even, odd [4]int32) {
	const (
		f0298 = 2446
		f0390 = 3196
		f0541 = 4433
		f0765 = 6270
		f0899 = 7373
		f1175 = 9633
		f1501 = 12299
		f1847 = 15137
		f1961 = 16069
		f2053 = 16819
		f2562 = 20995
		f3072 = 25172
	)
	z := (s2 + s6) * f0541
	t2, t3 := z-s6*f1847, z+s2*f0765
	t0, t1 := (s0+s4)<<lift1+round, (s0-s4)<<lift1+round
	even = [4]int32{t0 + t3, t1 + t2, t1 - t2, t0 - t3}

	z1, z2, z3, z4 := -(s7+s1)*f0899, -(s5+s3)*f2562, s7+s3, s5+s1
	z5 := (z3 + z4) * f1175
	z3, z4 = z5-z3*f1961, z5-z4*f0390
	odd = [4]int32{s1*f1501 + z1 + z4, s3*f3072 + z2 + z3, s5*f2053 + z2 + z4, s7*f0298 + z1 + z3}
	return even, odd
}
