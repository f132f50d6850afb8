package mjpeg

import (
	"encoding/binary"
	"math/bits"
)

// codes holds length<<16 | code for each symbol, 0 for one without a code.
type codes [256]uint32

// build takes the counts and values of a DHT segment (T.81 annex C).
func (c *codes) build(raw []byte) {
	*c = codes{}
	code, k := uint32(0), 16
	for n := 1; n <= 16; n++ {
		for range raw[n-1] {
			c[raw[k]] = uint32(n)<<16 | code
			code++
			k++
		}
		code <<= 1
	}
}

// writer writes entropy-coded data.
type writer struct {
	out   []byte
	acc   uint64 // bits to be written, at the bottom
	n     uint   // how many
	lacks bool   // a symbol had no code
}

// block writes a block: quantised coefficients in zigzag order, and which of them
// are not zero. It returns the DC value, which predicts the next one's.
func (w *writer) block(q *[64]int32, set uint64, pred int32, dc, ac *codes) int32 {
	size, val := category(q[0] - pred)
	w.symbol(dc[size&255], size, val)
	last := 0
	for set &^= 1; set != 0; set &= set - 1 {
		k := bits.TrailingZeros64(set)
		for ; k-last > 16; last += 16 {
			w.symbol(ac[0xf0], 0, 0)
		}
		size, val := category(q[k&63])
		w.symbol(ac[uint(k-last-1)<<4&0xf0|size&15], size, val)
		last = k
	}
	if last != 63 {
		w.symbol(ac[0], 0, 0)
	}
	return q[0]
}

// category is T.81 F.1.2.1: how many bits a value takes, and which.
func category(v int32) (size uint, val uint32) {
	sign := v >> 31
	size = uint(bits.Len32(uint32((v ^ sign) - sign)))
	return size, uint32(v+sign) & (1<<size - 1)
}

func (w *writer) symbol(code uint32, size uint, val uint32) {
	if code == 0 {
		w.lacks = true
	}
	w.put(uint64(code&0xffff)<<(size&63)|uint64(val), uint(code>>16)+size)
}

// put writes the low n bits of v, at most 32.
func (w *writer) put(v uint64, n uint) {
	w.acc = w.acc<<(n&63) | v
	w.n += n
	if w.n >= 32 {
		w.flush()
	}
}

// flush writes whole bytes, stuffing a zero behind 0xff (T.81 B.1.1.5).
func (w *writer) flush() {
	if w.n >= 32 {
		v := uint32(w.acc >> ((w.n - 32) & 63))
		if (^v-0x01010101)&v&0x80808080 == 0 { // no byte is 0xff
			w.out = append(w.out, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
			w.n -= 32
			return
		}
	}
	for w.n >= 8 {
		w.n -= 8
		v := byte(w.acc >> (w.n & 63))
		if w.out = append(w.out, v); v == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

// pad ends an interval: ones up to a whole byte (T.81 F.1.2.3).
func (w *writer) pad() {
	w.put(0x7f, 7)
	w.flush()
	w.acc, w.n = 0, 0
}

// copyBits writes the bits from…to of destuffed data, behind which 8 bytes can be
// read.
func (w *writer) copyBits(data []byte, from, to int) {
	for ; from+32 <= to; from += 32 {
		v := binary.BigEndian.Uint64(data[from>>3:]) << (from & 7)
		w.put(v>>32, 32)
	}
	if n := uint(to - from); to > from {
		v := binary.BigEndian.Uint64(data[from>>3:]) << (from & 7)
		w.put(v>>(64-n), n)
	}
}
