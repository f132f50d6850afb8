package mjpeg

import (
	"fmt"
	"image"
)

// valuesFor is acFor for tables with values.
func (d *Decoder) valuesFor(slot int) *valueTable {
	b := &d.values[slot]
	if b.table == nil {
		b.table = new(valueTable)
	} else if b.ac == d.ac[slot].version {
		return b.table
	}
	b.table.build(&d.ac[slot])
	b.ac = d.ac[slot].version
	return b.table
}

// firstFor is valuesFor for DC differences.
func (d *Decoder) firstFor(slot int) *valueTable {
	b := &d.firsts[slot]
	if b.table == nil {
		b.table = new(valueTable)
	} else if b.dc == d.dc[slot].version {
		return b.table
	}
	b.table.buildDC(&d.dc[slot])
	b.dc = d.dc[slot].version
	return b.table
}

func (d *Decoder) coderFor(c *component) coder {
	return coder{
		dc: &d.dc[c.dc], ac: &d.ac[c.ac],
		start: d.startFor(c), first: d.firstFor(c.dc), values: d.valuesFor(c.ac), skip: d.acFor(c.ac),
		quant: &d.h.quant[c.quant],
	}
}

// scaledLuma decodes MCUs at 1/4 or 1/2 into the luma plane, passing the chroma.
func (d *Decoder) scaledLuma(from, to int) error {
	n := 8 / Scale(d.h.w)
	luma := d.coderFor(&d.h.comps[0])
	var chroma [3]coder
	for i, c := range d.h.scan[1:d.h.ns] {
		chroma[i] = d.coderFor(&d.h.comps[c])
	}
	r := reader{buf: d.bytes}
	for m := from; m < to; m++ {
		if r.p > d.end+8 {
			return errShort
		}
		at := m/d.mcusX*d.rowStep + m%d.mcusX*d.stepX
		for _, off := range d.offsets[:d.lumaBlocks] {
			d.co = [64]int32{}
			last, err := r.block(&luma, &d.co, lastOf[n])
			if err != nil {
				return err
			}
			idct(n, &d.co, last, d.plane.Pix[at+off:], d.plane.Stride)
		}
		for i := range d.h.ns - 1 {
			c := &d.h.comps[d.h.scan[i+1]]
			if err := r.skip(&chroma[i], c.h*c.v); err != nil {
				return err
			}
		}
	}
	return r.finish(d.end)
}

// skip passes blocks of a component, but for their DC predictions.
func (r *reader) skip(c *coder, blocks int) error {
	acc, n, p := r.acc, r.n, r.p
	for range blocks {
		acc, n, p = fill(r.buf, acc, n, p)
		e := c.start[acc>>(64-dcWindow)]
		acc <<= e & skipMask
		n -= uint(e & skipMask)
		k := uint(uint16(e)) >> skipBits
		c.pred += int32(e) >> 16
		if k == miss {
			diff, l := c.dc.slowDC(uint32(acc >> 32))
			if l == 0 {
				return errCode
			}
			c.pred += diff
			k = 1
			acc <<= l & 63
			n -= l
		}
		for k < 64 {
			acc, n, p = fill(r.buf, acc, n, p)
			e := uint(c.skip[acc>>(64-window)])
			next := k + e>>skipBits
			if next > 64 && next-ended > endedN {
				e = c.ac.slowAC(uint32(acc >> 32))
				next = k + e>>skipBits
				if next > 64 && next-ended > endedN {
					return errCode
				}
			}
			acc <<= e & skipMask
			n -= e & skipMask
			k = next
		}
	}
	r.acc, r.n, r.p = acc, n, p
	return nil
}

// bit is the position of the next bit.
func (r *reader) bit() int { return 8*r.p - int(r.n) }

func (r *reader) finish(end int) error {
	if r.bit() > 8*end {
		return errShort
	}
	return nil
}

// Colour decodes the picture at n/8 of its size, n from 1 to 8, sides rounded
// up: of each block the inverse DCT of the lowest n x n coefficients. No larger
// picture is ever held. A progressive or otherwise unusual picture, up to 8
// megapixels, comes at full size, whatever n. The planes are the decoder's and
// good until its next call.
func (d *Decoder) Colour(jpeg []byte, n int) (*image.YCbCr, error) {
	m, err := d.colour(jpeg, n)
	if err != nil {
		return nil, fmt.Errorf("decode at %d/8: %w", n, err)
	}
	return m, nil
}

func (d *Decoder) colour(jpeg []byte, n int) (*image.YCbCr, error) {
	h := &d.h
	if n < 1 || n > 8 {
		return nil, fmt.Errorf("%w: scale must be 1 to 8 eighths", ErrUnsupported)
	}
	if err := h.parse(jpeg, d.loadHuffman); err != nil {
		return nil, err
	}
	ratio, ok := h.ratio()
	if !h.plain() || h.ns != h.n || !ok {
		return h.whole(jpeg)
	}
	if err := d.setColourScan(len(jpeg)); err != nil {
		return nil, err
	}
	d.setColour(n, ratio)
	err := d.intervals(jpeg, d.destuff, func(from, to int) error { return d.colourMCUs(n, from, to) })
	if err != nil {
		return nil, err
	}
	return &d.picture, nil
}

// setColourScan prepares the scan of all components.
func (d *Decoder) setColourScan(size int) error {
	if err := d.setMCUs(size); err != nil {
		return err
	}
	blocks := 0
	for i := range d.h.n {
		if err := d.useTables(&d.h.comps[i]); err != nil {
			return err
		}
		blocks += d.h.comps[i].h * d.h.comps[i].v
	}
	if blocks > 10 {
		return malformed("more than 10 blocks in an MCU")
	}
	return nil
}

// ratio names the sampling in the standard library's words.
func (h *header) ratio() (image.YCbCrSubsampleRatio, bool) {
	if h.n == 1 {
		return image.YCbCrSubsampleRatio420, true
	}
	b, r := &h.comps[1], &h.comps[2]
	if b.h != r.h || b.v != r.v || h.hm%b.h != 0 || h.vm%b.v != 0 {
		return 0, false
	}
	switch [2]int{h.hm / b.h, h.vm / b.v} {
	case [2]int{1, 1}:
		return image.YCbCrSubsampleRatio444, true
	case [2]int{2, 1}:
		return image.YCbCrSubsampleRatio422, true
	case [2]int{2, 2}:
		return image.YCbCrSubsampleRatio420, true
	case [2]int{1, 2}:
		return image.YCbCrSubsampleRatio440, true
	case [2]int{4, 1}:
		return image.YCbCrSubsampleRatio411, true
	case [2]int{4, 2}:
		return image.YCbCrSubsampleRatio410, true
	}
	return 0, false
}

// setColour prepares planes of whole MCUs.
func (d *Decoder) setColour(n int, ratio image.YCbCrSubsampleRatio) {
	h, m := &d.h, &d.picture
	ys, yh := d.mcusX*h.comps[0].h*n, d.mcusY*h.comps[0].v*n
	cs, ch := (ys+1)/2, (yh+1)/2
	if h.n == 3 {
		cs, ch = d.mcusX*h.comps[1].h*n, d.mcusY*h.comps[1].v*n
	}
	need := ys*yh + 2*cs*ch
	if cap(d.planes) < need {
		d.planes = make([]byte, need)
	}
	p := d.planes[:need]
	m.Y, m.Cb, m.Cr = p[:ys*yh:ys*yh], p[ys*yh:ys*yh+cs*ch:ys*yh+cs*ch], p[ys*yh+cs*ch:]
	m.YStride, m.CStride, m.SubsampleRatio = ys, cs, ratio
	m.Rect = image.Rect(0, 0, (h.w*n+7)/8, (h.h*n+7)/8)
	if h.n == 1 {
		neutral(m)
	}
}

func (d *Decoder) colourMCUs(n, from, to int) error {
	h := &d.h
	var coders [3]coder
	for i := range h.n {
		coders[i] = d.coderFor(&h.comps[i])
	}
	planes := [3][]byte{d.picture.Y, d.picture.Cb, d.picture.Cr}
	strides := [3]int{d.picture.YStride, d.picture.CStride, d.picture.CStride}
	r := reader{buf: d.bytes}
	for m := from; m < to; m++ {
		if r.p > d.end+8 {
			return errShort
		}
		mx, my := m%d.mcusX, m/d.mcusX
		for i := range h.n {
			c := &h.comps[i]
			for v := range c.v {
				for u := range c.h {
					d.co = [64]int32{}
					last, err := r.block(&coders[i], &d.co, lastOf[n])
					if err != nil {
						return err
					}
					at := (my*c.v+v)*n*strides[i] + (mx*c.h+u)*n
					idct(n, &d.co, last, planes[i][at:], strides[i])
				}
			}
		}
	}
	return r.finish(d.end)
}
