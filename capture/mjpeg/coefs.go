package mjpeg

// zigzag is T.81 figure 5: the place in the block of the k-th coefficient.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// lastOf[n] is the last coefficient in zigzag order of the lowest n x n.
var lastOf = [9]int{0, 0, 4, 12, 24, 39, 50, 59, 63}

// valueWindow is the window of valueTable: one AC symbol with its value.
const valueWindow = 10

// valueTable holds one AC symbol an entry, skip | to<<5 | value<<16, or miss
// where code and value do not fit the window.
type valueTable [1 << valueWindow]uint32

func (t *valueTable) build(s *spec) {
	for i := range t {
		t[i] = miss << skipBits
		b := uint32(i) << (32 - valueWindow)
		sym, n := s.symbol(b >> 16)
		if n == 0 {
			continue
		}
		size, to := step(sym)
		if n+size <= valueWindow {
			t[i] = uint32(n+size) | uint32(to)<<skipBits | uint32(extend(b<<n, size))<<16
		}
	}
}

// buildDC fills the table with DC differences: skip | miss, or skip and the value.
func (t *valueTable) buildDC(s *spec) {
	for i := range t {
		t[i] = miss << skipBits
		b := uint32(i) << (32 - valueWindow)
		if diff, n := s.slowDC(b); n > 0 && n <= valueWindow {
			t[i] = uint32(n) | uint32(diff)<<16
		}
	}
}

// coder is what decoding a component's blocks with values takes.
type coder struct {
	dc, ac *spec
	start  *lumaTable
	first  *valueTable // DC differences
	values *valueTable
	skip   *acTable
	quant  *[64]uint16
	pred   int32
}

// reader reads bits of destuffed data; see fill.
type reader struct {
	buf []byte
	acc uint64
	n   uint
	p   int
}

// block decodes the coefficients up to the given zigzag index, dequantised, into
// co, which must be zero; the rest it passes (upTo 63: all of them). last is the highest index stored.
func (r *reader) block(c *coder, co *[64]int32, upTo int) (last int, err error) {
	buf := r.buf
	acc, n, p := fill(buf, r.acc, r.n, r.p)
	e := c.first[acc>>(64-valueWindow)]
	diff, l := int32(e)>>16, uint(e&skipMask)
	if e&(miss<<skipBits) != 0 {
		if diff, l = c.dc.slowDC(uint32(acc >> 32)); l == 0 {
			return 0, errCode
		}
	}
	acc <<= l & 63
	n -= l
	c.pred += diff
	co[0] = int32(int16(c.pred)) * int32(c.quant[0])
	k := uint(1)
	for k <= uint(upTo) {
		acc, n, p = fill(buf, acc, n, p)
		e := c.values[acc>>(64-valueWindow)]
		skip, next, v := uint(e&skipMask), k+uint(uint16(e)>>skipBits), int32(e)>>16
		if next >= k+miss {
			sym, l := c.ac.symbol(uint32(acc >> 48))
			if l == 0 {
				return 0, errCode
			}
			bits, to := step(sym)
			skip, next = uint(l+bits), k+uint(to)
			v = extend(uint32(acc>>32)<<l, bits)
		}
		acc <<= skip & skipMask
		n -= skip
		k = next
		if k > 64 {
			if k-ended <= endedN {
				break
			}
			return 0, errCode
		}
		i := (k - 1) & 63
		co[zigzag[i]&63] = v * int32(c.quant[i])
		last = int(i)
	}
	for k < 64 {
		acc, n, p = fill(buf, acc, n, p)
		e := uint(c.skip[acc>>(64-window)])
		next := k + e>>skipBits
		if next > 64 && next-ended > endedN {
			e = c.ac.slowAC(uint32(acc >> 32))
			next = k + e>>skipBits
			if next > 64 && next-ended > endedN {
				return 0, errCode
			}
		}
		acc <<= e & skipMask
		n -= e & skipMask
		k = next
	}
	r.acc, r.n, r.p = acc, n, p
	return last, nil
}
