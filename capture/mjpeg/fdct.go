package mjpeg

import "math"

// aan are the factors that forward leaves to the quantiser, for one dimension:
// 1/a(u). The other factor is 1/8.
var aan = func() (f [8]float32) {
	f[0] = 1
	for u := 1; u < 8; u++ {
		f[u] = float32(1 / (math.Sqrt2 * math.Cos(float64(u)*math.Pi/16)))
	}
	return f
}()

// forward is the two-dimensional forward DCT by Arai, Agui and Nakajima: 5
// multiplications for 8 values. Coefficient (u, v) comes out times 8 a(u) a(v),
// a(0) = 1, a(u) = sqrt(2) cos(uπ/16).
func forward(b *[64]float32) {
	for i := 0; i < 64; i += 8 {
		r := b[i : i+8 : i+8]
		r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7] =
			fdct8(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
	}
	for i := range 8 {
		c := b[i : i+57 : i+57]
		c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] =
			fdct8(c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56])
	}
}

func fdct8(s0, s1, s2, s3, s4, s5, s6, s7 float32) (float32, float32, float32, float32, float32, float32, float32, float32) {
	const (
		c4   = 0.70710678118654752440 // cos(4π/16)
		c6   = 0.38268343236508977173 // cos(6π/16)
		c2m6 = 0.54119610014619698440 // cos(2π/16) - cos(6π/16)
		c2p6 = 1.30656296487637652785 // cos(2π/16) + cos(6π/16)
	)
	t0, t7 := s0+s7, s0-s7
	t1, t6 := s1+s6, s1-s6
	t2, t5 := s2+s5, s2-s5
	t3, t4 := s3+s4, s3-s4

	a0, a3 := t0+t3, t0-t3
	a1, a2 := t1+t2, t1-t2
	z1 := (a2 + a3) * c4

	b0, b1, b2 := t4+t5, t5+t6, t6+t7
	z5 := (b0 - b2) * c6
	z2 := c2m6*b0 + z5
	z4 := c2p6*b2 + z5
	z3 := b1 * c4
	z11, z13 := t7+z3, t7-z3

	return a0 + a1, z11 + z4, a3 + z1, z13 - z2, a0 - a1, z13 + z2, a3 - z1, z11 - z4
}
