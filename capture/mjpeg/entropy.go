package mjpeg

import "bytes"

// pad is how far beyond its data a reader may run before that is noticed: one
// MCU (10 blocks of 64 codes of 31 bits) and some loads.
const pad = 10*64*31/8 + 64

var (
	errShort = malformed("entropy-coded data ends early")
	errCode  = malformed("no such Huffman code, or a block of more than 64 coefficients")
)

// destuff copies entropy-coded data up to the next marker into d.bytes, without
// the zeros stuffed behind 0xff (T.81 B.1.1.5), so that the bit reader has
// nothing to check. It returns the position of the marker, or len(src).
func (d *Decoder) destuff(src []byte, pos int) int {
	if need := len(src) - pos + pad; cap(d.bytes) < need {
		d.bytes = make([]byte, need+need/4)
	}
	out := d.bytes[:cap(d.bytes)]
	d.bytes = out
	n := 0
	for pos < len(src) {
		i := bytes.IndexByte(src[pos:], 0xff)
		if i < 0 {
			n += copy(out[n:], src[pos:])
			pos = len(src)
			break
		}
		n += copy(out[n:], src[pos:pos+i])
		pos += i
		if pos+1 < len(src) && src[pos+1] == 0xff { // fill byte
			pos++
			continue
		}
		if pos+1 >= len(src) || src[pos+1] != 0 {
			break
		}
		out[n] = 0xff
		n++
		pos += 2
	}
	d.end = n
	return pos
}

// destuffWords is destuff for the 32-bit reader, into d.words: four bytes at once
// where none is 0xff.
func (d *Decoder) destuffWords(src []byte, pos int) int {
	if need := (len(src)-pos+pad)/4 + 1; cap(d.words) < need {
		d.words = make([]uint32, need+need/4)
	}
	d.words = d.words[:cap(d.words)]
	var (
		out  = d.words
		n    int    // whole words
		acc  uint32 // the bytes of the next one
		have uint   // how many bits of it there are: 0, 8, 16 or 24
	)
	for {
		if pos+4 <= len(src) {
			b := src[pos : pos+4 : pos+4]
			w := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			if (^w-0x01010101)&w&0x80808080 == 0 {
				out[n] = w
				if have != 0 {
					out[n] = acc<<((32-have)&31) | w>>(have&31)
				}
				acc = w
				n++
				pos += 4
				continue
			}
		}
		if pos >= len(src) {
			break
		}
		v := src[pos]
		pos++
		if v == 0xff {
			if pos < len(src) && src[pos] == 0xff { // fill byte
				continue
			}
			if pos >= len(src) || src[pos] != 0 {
				pos--
				break
			}
			pos++
		}
		acc = acc<<8 | uint32(v)
		if have += 8; have == 32 {
			out[n] = acc
			n++
			have = 0
		}
	}
	d.end = 4*n + int(have/8)
	if have != 0 {
		out[n] = acc << ((32 - have) & 31)
	}
	return pos
}
