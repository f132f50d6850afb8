package mjpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The definition, T.81 A.3.3 with n in place of 8, in floating point.
func definition(n int, co *[64]int32, x, y int) float64 {
	sum := 0.0
	for v := range n {
		for u := range n {
			c := 0.25
			if u == 0 {
				c /= math.Sqrt2
			}
			if v == 0 {
				c /= math.Sqrt2
			}
			sum += c * float64(co[8*v+u]) *
				math.Cos(float64((2*x+1)*u)*math.Pi/float64(2*n)) *
				math.Cos(float64((2*y+1)*v)*math.Pi/float64(2*n))
		}
	}
	return max(0, min(255, sum+128))
}

func TestIDCTByDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 8; n++ {
		worst := 0.0
		for i := range 500 {
			var co [64]int32
			for k := range co {
				if co[k] = int32(rng.IntN(401) - 200); i%10 == 0 {
					co[k] *= 4
				}
			}
			want := co
			var out [64]byte
			last := 63
			if n == 1 {
				last = 0
			}
			idct(n, &co, last, out[:], 8)
			for y := range n {
				for x := range n {
					worst = max(worst, math.Abs(definition(n, &want, x, y)-float64(out[8*y+x])))
				}
			}
		}
		if worst > 1 { // half a step is rounding
			t.Errorf("%d x %d: off by up to %.2f", n, n, worst)
		}
	}
}
