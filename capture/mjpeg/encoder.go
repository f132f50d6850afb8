package mjpeg

import (
	"image"
)

// Encoder writes baseline 4:2:0 JPEG with the standard Huffman tables. It is here
// because image/jpeg takes three times as long for the same bytes and quality.
// Its transform is the one of Arai, Agui and Nakajima ("A fast DCT-SQ scheme for
// images", 1988), whose output factors go into the quantiser.
//
// The zero value is ready for use; it is not safe for concurrent use.
type Encoder struct {
	quality int
	quant   [2][64]byte    // luminance, chrominance; zigzag order
	factors [2][64]float32 // by which coefficients are multiplied; row order
	codes   [2][2]codes    // class, slot
	w       writer
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

// Percent is the scale of the quantisers for a quality from 1 to 100, as libjpeg
// has it: what T.81's tables K.1 and K.2 are multiplied by.
func Percent(quality int) int {
	if quality < 50 {
		return 5000 / quality
	}
	return 200 - 2*quality
}

func (e *Encoder) setQuality(quality int) {
	if e.quality == quality {
		return
	}
	if e.quality == 0 {
		for i := range standardTables {
			e.codes[i/2][i%2].build(standardTables[i][1:])
		}
	}
	e.quality = quality
	for t := range 2 {
		for k := range 64 {
			q := (int(baseQuant[t][k])*Percent(quality) + 50) / 100
			q = max(1, min(255, q))
			e.quant[t][k] = byte(q)
			i := zigzag[k]
			e.factors[t][i] = aan[i&7] * aan[i>>3] / (8 * float32(q))
		}
	}
}

// Encode appends the picture to dst, at a quality from 1 to 100. m must be 4:2:0
// and start at 0, 0.
func (e *Encoder) Encode(dst []byte, m *image.YCbCr, quality int) []byte {
	e.setQuality(quality)
	e.w = writer{out: dst}
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
	e.w.pad()
	out := append(e.w.out, 0xff, eoi)
	e.w = writer{}
	return out
}

func (e *Encoder) header(w, h int) {
	out := append(e.w.out, 0xff, soi, 0xff, dqt, 0, 132)
	for t := range e.quant {
		out = append(out, byte(t))
		out = append(out, e.quant[t][:]...)
	}
	out = append(out, 0xff, sof0, 0, 17, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 3,
		1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
	out = append(out, 0xff, dht, 418>>8, 418&255)
	for _, t := range standardTables {
		out = append(out, t...)
	}
	e.w.out = append(out, 0xff, sos, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0)
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
func (e *Encoder) block(b *[64]float32, t int, pred int32) int32 {
	forward(b)
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
	return e.w.block(&q, set, pred, &e.codes[0][t], &e.codes[1][t])
}
