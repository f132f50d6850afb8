package picture

import (
	"image"
	"math"
	"math/bits"

	"pirwatch/capture/mjpeg"
)

// encoder writes baseline 4:2:0 JPEG with the standard Huffman tables. It is here
// because image/jpeg takes three times as long for the same bytes and quality.
// Its transform is the one of Arai, Agui and Nakajima ("A fast DCT-SQ scheme for
// images", 1988), whose output factors go into the quantiser.
type encoder struct {
	quality int
	quant   [2][64]byte    // luminance, chrominance; zigzag order
	factors [2][64]float32 // by which coefficients are multiplied; row order
	codes   [2][2]codes    // class, slot
	out     []byte
	acc     uint64 // bits to be written, at the bottom
	n       uint   // how many
}

// codes holds length<<16 | code for each symbol.
type codes [256]uint32

func newEncoder() *encoder {
	e := new(encoder)
	for class := range 2 {
		for slot := range 2 {
			table := mjpeg.StandardTable(class, slot)
			code, k := uint32(0), 17
			for n := 1; n <= 16; n++ {
				for range table[n] {
					e.codes[class][slot][table[k]] = uint32(n)<<16 | code
					code++
					k++
				}
				code <<= 1
			}
		}
	}
	return e
}

// zigzag is T.81 figure 5.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// baseQuant is T.81 tables K.1 and K.2, in zigzag order.
var baseQuant = [2][64]byte{
	{
		16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40,
		26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
		56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
		95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
	},
	{
		17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
	},
}

// percent is the scale of the quantisers for a quality, as libjpeg has it.
func percent(quality int) int {
	if quality < 50 {
		return 5000 / quality
	}
	return 200 - 2*quality
}

func (e *encoder) setQuality(quality int) {
	if e.quality == quality {
		return
	}
	e.quality = quality
	// The transform leaves coefficient (u, v) times 8 a(u) a(v).
	var a [8]float64
	for u := range a {
		a[u] = 1
		if u > 0 {
			a[u] = math.Sqrt2 * math.Cos(float64(u)*math.Pi/16)
		}
	}
	for t := range 2 {
		for k := range 64 {
			q := (int(baseQuant[t][k])*percent(quality) + 50) / 100
			q = max(1, min(255, q))
			e.quant[t][k] = byte(q)
			i := zigzag[k]
			e.factors[t][i] = float32(1 / (8 * a[i&7] * a[i>>3] * float64(q)))
		}
	}
}

// encode appends the picture to dst. m must be 4:2:0 and start at 0, 0.
func (e *encoder) encode(dst []byte, m *image.YCbCr, quality int) []byte {
	e.setQuality(quality)
	e.out, e.acc, e.n = dst, 0, 0
	w, h := m.Rect.Dx(), m.Rect.Dy()
	e.header(w, h)
	cw, ch := (w+1)/2, (h+1)/2
	var pred [3]int32
	var block [64]float32
	for y := 0; y < h; y += 16 {
		for x := 0; x < w; x += 16 {
			for i := range 4 {
				load(&block, m.Y, m.YStride, w, h, x+i&1*8, y+i>>1*8)
				pred[0] = e.block(&block, 0, pred[0])
			}
			load(&block, m.Cb, m.CStride, cw, ch, x/2, y/2)
			pred[1] = e.block(&block, 1, pred[1])
			load(&block, m.Cr, m.CStride, cw, ch, x/2, y/2)
			pred[2] = e.block(&block, 1, pred[2])
		}
	}
	e.put(0x7f, 7) // T.81 F.1.2.3: fill with ones
	e.flush()
	out := append(e.out, 0xff, 0xd9)
	e.out = nil
	return out
}

func (e *encoder) header(w, h int) {
	e.out = append(e.out, 0xff, 0xd8, 0xff, 0xdb, 0, 132)
	for t := range 2 {
		e.out = append(e.out, byte(t))
		e.out = append(e.out, e.quant[t][:]...)
	}
	e.out = append(e.out, 0xff, 0xc0, 0, 17, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 3,
		1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
	e.out = append(e.out, 0xff, 0xc4, 418>>8, 418&255)
	for slot := range 2 {
		for class := range 2 {
			e.out = append(e.out, mjpeg.StandardTable(class, slot)...)
		}
	}
	e.out = append(e.out, 0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0)
}

// load reads a block at x, y of a plane of w by h samples, repeating its edges.
func load(b *[64]float32, plane []byte, stride, w, h, x, y int) {
	if x+8 <= w && y+8 <= h {
		for i := range 8 {
			row := plane[(y+i)*stride+x:][:8]
			o := b[8*i : 8*i+8 : 8*i+8]
			for j, v := range row {
				o[j&7] = float32(v)
			}
		}
		return
	}
	for i := range 8 {
		row := plane[min(y+i, h-1)*stride:]
		for j := range 8 {
			b[8*i+j] = float32(row[min(x+j, w-1)])
		}
	}
}

// block transforms, quantises and writes a block; it returns its DC value, which
// predicts the next one's.
func (e *encoder) block(b *[64]float32, t int, pred int32) int32 {
	fdct(b)
	b[0] -= 64 * 128 // the level shift, T.81 A.3.1
	var q [64]int32  // zigzag order
	var set uint64   // which are not zero
	factors := &e.factors[t]
	for k, i := range zigzag {
		// Rounding by the trick of a large constant: no branch, no call.
		v := int32(b[i&63]*factors[i&63]+16384.5) - 16384
		q[k&63] = v
		set |= uint64(uint32(v|-v)>>31) << (k & 63)
	}
	dc := q[0]
	diff := dc - pred
	size, val := category(diff)
	c := e.codes[0][t][size]
	e.put(uint64(c&0xffff)<<size|uint64(val), uint(c>>16)+size)
	ac := &e.codes[1][t]
	last := 0
	for set &^= 1; set != 0; set &= set - 1 {
		k := bits.TrailingZeros64(set)
		for ; k-last > 16; last += 16 {
			e.put(uint64(ac[0xf0]&0xffff), uint(ac[0xf0]>>16))
		}
		size, val := category(q[k&63])
		c := ac[uint(k-last-1)<<4&0xf0|size&15]
		e.put(uint64(c&0xffff)<<size|uint64(val), uint(c>>16)+size)
		last = k
	}
	if last != 63 {
		e.put(uint64(ac[0]&0xffff), uint(ac[0]>>16))
	}
	return dc
}

// category is T.81 F.1.2.1: how many bits a value takes, and which.
func category(v int32) (size uint, val uint32) {
	sign := v >> 31
	size = uint(bits.Len32(uint32((v ^ sign) - sign)))
	return size, uint32(v+sign) & (1<<size - 1)
}

// put writes the low n bits of v, at most 27.
func (e *encoder) put(v uint64, n uint) {
	e.acc = e.acc<<(n&63) | v
	e.n += n
	if e.n >= 32 {
		e.flush()
	}
}

// flush writes whole bytes, stuffing a zero behind 0xff (T.81 B.1.1.5).
func (e *encoder) flush() {
	if e.n >= 32 {
		w := uint32(e.acc >> (e.n - 32))
		if (^w-0x01010101)&w&0x80808080 == 0 { // no byte is 0xff
			e.out = append(e.out, byte(w>>24), byte(w>>16), byte(w>>8), byte(w))
			e.n -= 32
			return
		}
	}
	for e.n >= 8 {
		e.n -= 8
		v := byte(e.acc >> e.n)
		if e.out = append(e.out, v); v == 0xff {
			e.out = append(e.out, 0)
		}
	}
}
