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
	if d.use32 {
		d.toWords()
	}
	return pos
}

// toWords copies the destuffed bytes into native words.
func (d *Decoder) toWords() {
	n := d.end/4 + 1
	if need := n + pad/4; cap(d.words) < need {
		d.words = make([]uint32, need+need/4)
	}
	d.words = d.words[:cap(d.words)]
	w, b := d.words[:n], d.bytes[:4*n]
	for i := range w {
		q := b[4*i : 4*i+4 : 4*i+4]
		w[i] = uint32(q[0])<<24 | uint32(q[1])<<16 | uint32(q[2])<<8 | uint32(q[3])
	}
}
