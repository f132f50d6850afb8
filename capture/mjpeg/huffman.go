package mjpeg

import "bytes"

// The lookup tables. One entry tells what a window of the next bits holds: not
// one symbol but as many whole ones as fit, for a coefficient that nobody wants
// need not be decoded, only passed. The value bits of the last symbol may lie
// outside the window.
//
// An entry is skip | to<<5, where skip (0…31) is how many bits it stands for and
// to says where in the block it leads: how many coefficients on, plus eob when
// it ends the block, or miss when the window does not hold one whole code.
// In a block the position k runs from 1 to 64, so after an entry k is
//
//	  2 …  63   inside the block: go on
//	       64   the block is full
//	129 … 191   ended by an EOB
//	otherwise   a miss, or symbols that belong to the next block already: take
//	            one symbol by the canonical search instead.
const (
	skipBits = 5
	skipMask = 1<<skipBits - 1
	eob      = 128
	miss     = 1024
	ended    = eob + 1     // least k after an EOB
	endedN   = 191 - ended // span of the k that an EOB gives
)

// Window sizes in bits. Larger ones hold more symbols and more cache: 12 or 13
// pays with 32 KB of first-level cache, 11 with an ARMv6's 16 KB.
const (
	window   = 11 + 2*(wordBits/64)
	dcWindow = 11 + 1*(wordBits/64)
	// oneWindow is for one symbol at a time, where values are wanted.
	oneWindow = 9
)

// spec is a Huffman table as it is transmitted, and its canonical form
// (T.81 annex C, F.2.2.3). version changes when the contents do, so that tables
// built from it can be kept from picture to picture.
type spec struct {
	version uint32
	raw     []byte
	// limit[n] is one past the largest code of n bits, left-aligned in 16 bits;
	// base[n] is added to a code (n bits) to find its symbol.
	limit [17]uint32
	base  [17]int32
	vals  [256]byte
}

// load takes the counts and values of a DHT segment. It copies raw.
func (s *spec) load(raw []byte) error {
	if bytes.Equal(s.raw, raw) {
		return nil
	}
	s.version++
	s.raw = s.raw[:0]
	code, index := uint32(0), int32(0)
	for n := 1; n <= 16; n++ {
		count := uint32(raw[n-1])
		s.base[n] = index - int32(code)
		code += count
		index += int32(count)
		if code > 1<<n {
			return malformed("over-full Huffman table")
		}
		s.limit[n] = code << (16 - n)
		code <<= 1
	}
	copy(s.vals[:], raw[16:])
	s.raw = append(s.raw, raw...)
	return nil
}

// symbol decodes the code at the top of the 16 bits b. It returns n = 0 when
// there is no such code.
func (s *spec) symbol(b uint32) (sym byte, n int) {
	for n := 1; n <= 16; n++ {
		if b < s.limit[n] {
			return s.vals[uint8(int32(b>>(16-n))+s.base[n])], n
		}
	}
	return 0, 0
}

// step is an AC symbol's effect (T.81 F.1.2.2): bits after the code, and where
// it leads as in an entry.
func step(sym byte) (bits, to int) {
	run, size := int(sym>>4), int(sym&15)
	switch {
	case size != 0:
		return size, run + 1
	case run == 15:
		return 0, 16
	}
	return 0, eob
}

// slowAC passes one AC symbol at the top of b, as an entry. It is miss<<5 when
// there is no such code.
func (s *spec) slowAC(b uint32) uint {
	sym, n := s.symbol(b >> 16)
	if n == 0 {
		return miss << skipBits
	}
	bits, to := step(sym)
	return uint(n+bits) | uint(to)<<skipBits
}

// slowDC decodes a DC difference at the top of b (T.81 F.2.2.1) and how many
// bits it took; 0 when there is no such code.
func (s *spec) slowDC(b uint32) (diff int32, n uint) {
	sym, l := s.symbol(b >> 16)
	if l == 0 || sym > 15 {
		return 0, 0
	}
	return extend(b<<l, int(sym)), uint(l) + uint(sym)
}

// extend reads the n-bit value at the top of b (T.81 F.2.2.1, EXTEND).
func extend(b uint32, n int) int32 {
	if n == 0 {
		return 0
	}
	v := int32(b >> (32 - n))
	if v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v
}

// one looks up single symbols: code length | symbol<<8, 0 where the code is
// longer than the window. It is what the larger tables are built with.
type one [1 << oneWindow]uint16

func (t *one) build(s *spec) {
	for i := range t {
		t[i] = 0
		if sym, n := s.symbol(uint32(i) << (16 - oneWindow)); n > 0 && n <= oneWindow {
			t[i] = uint16(n) | uint16(sym)<<8
		}
	}
}

// lookup decodes the code at the top of the 16 bits b by table, else search.
func (t *one) lookup(s *spec, b uint32) (byte, int) {
	if e := t[b>>(16-oneWindow)&(1<<oneWindow-1)]; e != 0 {
		return byte(e >> 8), int(e & 255)
	}
	return s.symbol(b)
}

// run describes as many whole AC symbols as the top have bits of the 16-bit b
// hold, from position k of a block.
func run(s *spec, t *one, b uint32, have, k int) (skip, to int) {
	for {
		sym, n := t.lookup(s, b<<skip&0xffff)
		if n == 0 || skip+n > have {
			return skip, to
		}
		bits, adv := step(sym)
		if adv == eob {
			return skip + n, to + eob
		}
		if k+to+adv > 64 {
			return skip, to
		}
		skip += n + bits
		to += adv
		if skip >= have || k+to == 64 {
			return skip, to
		}
	}
}

type (
	acTable     [1 << window]uint16
	lumaTable   [1 << dcWindow]uint32 // entry | DC difference << 16
	chromaTable [1 << dcWindow]uint16
)

func (t *acTable) build(s *spec) {
	var o one
	o.build(s)
	for i := range t {
		skip, to := run(s, &o, uint32(i)<<(16-window), window, 1)
		if skip == 0 {
			to = miss
		}
		t[i] = uint16(skip | to<<skipBits)
	}
}

// first is the table entry of a block's start: the DC difference and whatever
// AC symbols follow. The entry's position is absolute, k itself.
func first(dc, ac *spec, o *one, b uint32, needValue bool) (entry uint32) {
	sym, n := dc.symbol(b)
	size := int(sym)
	if n == 0 || n > dcWindow || size > 15 || needValue && n+size > dcWindow {
		return miss << skipBits
	}
	skip := n + size
	diff := extend(b<<(16+n), size)
	k := 1
	if skip < dcWindow {
		s, to := run(ac, o, b<<skip&0xffff, dcWindow-skip, 1)
		skip += s
		k += to
	}
	return uint32(skip|k<<skipBits) | uint32(diff)<<16
}

func (t *lumaTable) build(dc, ac *spec) {
	var o one
	o.build(ac)
	for i := range t {
		t[i] = first(dc, ac, &o, uint32(i)<<(16-dcWindow), true)
	}
}

func (t *chromaTable) build(dc, ac *spec) {
	var o one
	o.build(ac)
	for i := range t {
		t[i] = uint16(first(dc, ac, &o, uint32(i)<<(16-dcWindow), false))
	}
}
