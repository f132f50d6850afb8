package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
)

// ErrNotRetouchable: a good picture, but one that Retouch cannot take apart:
// progressive, oddly sampled, or with Huffman tables that lack a code it needs.
var ErrNotRetouchable = errors.New("picture cannot be retouched")

// Retouch changes parts of a picture and leaves the rest as it is, to the last
// coefficient: what is not wanted is copied as bits, at about the cost of Luma;
// only the wanted MCUs are decoded and, where paint has changed a block, encoded
// again with the picture's own tables.
//
// wanted is asked for each MCU's rectangle in the picture, left to right and top
// to bottom; for those it wants, paint gets the part of the picture, good during
// the call only. Its Rect is the MCU's, which may reach beyond the picture; paint
// decides what is to be there. A gray picture's Cb and Cr do not matter.
//
// All segments before the data are kept; what follows the data is dropped. The
// result is a new slice.
func (d *Decoder) Retouch(jpeg []byte, wanted func(image.Rectangle) bool, paint func(*image.YCbCr)) ([]byte, error) {
	out, err := d.retouch(WithTables(jpeg), wanted, paint)
	if err != nil {
		return nil, fmt.Errorf("retouch: %w", err)
	}
	return out, nil
}

func (d *Decoder) retouch(jpeg []byte, wanted func(image.Rectangle) bool, paint func(*image.YCbCr)) ([]byte, error) {
	h := &d.h
	if err := h.parse(jpeg, d.loadHuffman); err != nil {
		return nil, err
	}
	ratio, ok := h.ratio()
	if !h.plain() || h.ns != h.n || !ok {
		return nil, ErrNotRetouchable
	}
	if err := d.setColourScan(len(jpeg)); err != nil {
		return nil, err
	}
	t := newTouch(d, ratio, wanted, paint)
	t.w.out = append(make([]byte, 0, len(jpeg)+len(jpeg)/16+64), jpeg[:h.data]...)
	interval := 0
	err := d.intervals(jpeg, d.destuff, func(from, to int) error {
		if interval > 0 {
			t.w.out = append(t.w.out, 0xff, rst0+byte(interval-1)&7)
		}
		interval++
		return t.mcus(from, to)
	})
	if err != nil {
		return nil, err
	}
	if t.w.lacks {
		return nil, ErrNotRetouchable
	}
	return append(t.w.out, 0xff, eoi), nil
}

// touch is one Retouch under way.
type touch struct {
	d      *Decoder
	wanted func(image.Rectangle) bool
	paint  func(*image.YCbCr)
	w      writer
	coders [3]coder
	dc, ac [3]codes
	quant  [3]*[64]uint16
	preds  [3]int32 // of what is written
	tile   image.YCbCr
	planes [3][]byte
	strde  [3]int
	was    []byte        // the tile before it was painted
	blocks [10][64]int32 // of the MCU, quantised, in row order
}

// plainQuant leaves coefficients quantised.
var plainQuant = func() (q [64]uint16) {
	for i := range q {
		q[i] = 1
	}
	return q
}()

func newTouch(d *Decoder, ratio image.YCbCrSubsampleRatio, wanted func(image.Rectangle) bool, paint func(*image.YCbCr)) *touch {
	h := &d.h
	t := &touch{d: d, wanted: wanted, paint: paint}
	for i := range h.n {
		c := &h.comps[i]
		t.coders[i] = d.coderFor(c)
		t.quant[i] = t.coders[i].quant
		t.coders[i].quant = &plainQuant
		t.dc[i].build(d.dc[c.dc].raw)
		t.ac[i].build(d.ac[c.ac].raw)
	}
	if h.n == 1 {
		ratio = image.YCbCrSubsampleRatio444
	}
	t.tile = *image.NewYCbCr(image.Rect(0, 0, 8*h.hm, 8*h.vm), ratio)
	t.planes = [3][]byte{t.tile.Y, t.tile.Cb, t.tile.Cr}
	t.strde = [3]int{t.tile.YStride, t.tile.CStride, t.tile.CStride}
	return t
}

// mcus copies an interval, and repaints what is wanted of it.
func (t *touch) mcus(from, to int) error {
	d, h := t.d, &t.d.h
	r := reader{buf: d.bytes}
	for i := range t.coders {
		t.coders[i].pred = 0
	}
	copied := 0    // bits of the source
	apart := false // the DC predictions differ: the next MCU must be written anew
	for m := from; m < to; m++ {
		if r.p > d.end+8 {
			return errShort
		}
		at := image.Pt(m%d.mcusX*8*h.hm, m/d.mcusX*8*h.vm)
		want := t.wanted(image.Rectangle{at, at.Add(image.Pt(8*h.hm, 8*h.vm))})
		if !want && !apart {
			for i := range h.n {
				if err := r.skip(&t.coders[i], h.comps[i].h*h.comps[i].v); err != nil {
					return err
				}
			}
			continue
		}
		if start := r.bit(); start > 8*d.end {
			return errShort
		} else if !apart {
			t.w.copyBits(d.bytes, copied, start)
			for i := range t.coders {
				t.preds[i] = t.coders[i].pred
			}
		}
		if err := t.read(&r); err != nil {
			return err
		}
		if want {
			t.repaint(at)
		}
		t.write()
		copied = r.bit()
		apart = false
		for i := range h.n {
			apart = apart || t.preds[i] != t.coders[i].pred
		}
	}
	if err := r.finish(d.end); err != nil {
		return err
	}
	t.w.copyBits(d.bytes, copied, r.bit())
	t.w.pad()
	return nil
}

func (t *touch) read(r *reader) error {
	b := 0
	for i := range t.d.h.n {
		c := &t.d.h.comps[i]
		for range c.h * c.v {
			t.blocks[b] = [64]int32{}
			if _, err := r.block(&t.coders[i], &t.blocks[b], 63); err != nil {
				return err
			}
			b++
		}
	}
	return nil
}

func (t *touch) write() {
	b := 0
	for i := range t.d.h.n {
		c := &t.d.h.comps[i]
		for range c.h * c.v {
			var q [64]int32
			var set uint64
			for k, at := range zigzag {
				if v := t.blocks[b][at&63]; v != 0 {
					q[k&63] = v
					set |= 1 << (k & 63)
				}
			}
			t.preds[i] = t.w.block(&q, set, t.preds[i], &t.dc[i], &t.ac[i])
			b++
		}
	}
}

// repaint turns the blocks into samples, has them painted, and turns those blocks
// that have changed back.
func (t *touch) repaint(at image.Point) {
	h := &t.d.h
	t.each(func(b, i int, samples []byte) {
		co, quant := t.blocks[b], t.quant[i]
		last := 0
		for k, p := range zigzag {
			if co[p&63] != 0 {
				co[p&63] *= int32(quant[k&63])
				last = k
			}
		}
		idct(8, &co, last, samples, t.strde[i])
	})
	t.was = append(append(append(t.was[:0], t.tile.Y...), t.tile.Cb...), t.tile.Cr...)
	t.tile.Rect = image.Rectangle{at, at.Add(image.Pt(8*h.hm, 8*h.vm))}
	t.paint(&t.tile)
	was := [3][]byte{t.was, t.was[len(t.tile.Y):], t.was[len(t.tile.Y)+len(t.tile.Cb):]}
	t.each(func(b, i int, samples []byte) {
		offset := len(t.planes[i]) - len(samples)
		if stride := t.strde[i]; !same(samples, was[i][offset:], stride) {
			quantise(&t.blocks[b], samples, stride, t.quant[i])
		}
	})
}

// each visits the MCU's blocks in order: the block's number, its component, and
// where its samples start in the tile.
func (t *touch) each(f func(b, i int, samples []byte)) {
	b := 0
	for i := range t.d.h.n {
		c := &t.d.h.comps[i]
		for v := range c.v {
			for u := range c.h {
				f(b, i, t.planes[i][8*v*t.strde[i]+8*u:])
				b++
			}
		}
	}
}

func same(a, b []byte, stride int) bool {
	for y := range 8 {
		if !bytes.Equal(a[y*stride:][:8], b[y*stride:][:8]) {
			return false
		}
	}
	return true
}

// quantise transforms 8 x 8 samples into quantised coefficients in row order.
func quantise(co *[64]int32, samples []byte, stride int, quant *[64]uint16) {
	var b [64]float32
	for y := range 8 {
		for x, v := range samples[y*stride:][:8] {
			b[8*y+x] = float32(v)
		}
	}
	forward(&b)
	b[0] -= 64 * 128
	for k, at := range zigzag {
		v := b[at] * aan[at&7] * aan[at>>3] / (8 * float32(max(1, quant[k])))
		co[at] = int32(v+16384.5) - 16384
	}
}
