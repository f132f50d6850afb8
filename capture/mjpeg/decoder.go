package mjpeg

import (
	"fmt"
	"image"
	"math/bits"
)

const wordBits = bits.UintSize

// Decoder decodes pictures at a fraction of their size. It keeps its tables and
// buffers from picture to picture: about 0.2 MB of tables, and as much again as
// the largest picture's bytes and planes. The zero value is ready for use. It is
// not safe for concurrent use.
type Decoder struct {
	h      header
	dc, ac [4]spec
	acTabs [4]built[acTable]
	values [4]built[valueTable] // of AC slots
	firsts [4]built[valueTable] // of DC slots

	starts     [16]built[lumaTable] // by slots of DC and AC tables
	luma       lumaCoder
	chroma     [16]built[chromaTable]
	groups     [3]chromaGroup
	ngroups    int
	lumaBlocks int

	use32 bool     // whatever the machine
	bytes []byte   // destuffed data of one restart interval, and padding
	words []uint32 // the same in words, for the 32-bit reader
	end   int      // bytes of it that are data

	plane   image.Gray
	offsets [16]int // of each luma block of an MCU in the plane
	mcusX   int
	mcusY   int
	stepX   int // from MCU to MCU in the plane
	rowStep int
	dcQuant int32

	co      [64]int32
	planes  []byte
	picture image.YCbCr
}

// built is a table and the versions of the specs it was built from.
type built[T any] struct {
	table  *T
	dc, ac uint32
}

// lumaCoder is what decoding luma blocks takes.
type lumaCoder struct {
	table          *lumaTable
	ac             *acTable
	dcSpec, acSpec *spec
}

// chromaGroup is a run of blocks in an MCU that share their tables.
type chromaGroup struct {
	blocks         int
	table          *chromaTable
	ac             *acTable
	dcSpec, acSpec *spec
}

// Scale is the divisor of Luma's plane for a picture of the given width: the
// detector wants some 80 to 240 cells across.
func Scale(width int) int {
	switch {
	case width >= 640:
		return 8
	case width >= 320:
		return 4
	}
	return 2
}

// Luma decodes the picture's luma at 1/Scale(width) of its size, rounded up.
// The plane is the decoder's and is good until its next call; mind its Stride.
//
// At 1/8 every pixel is the mean of a block, its DC coefficient, to the bit what
// libjpeg-turbo gives at scale 1/8 in gray. At 1/4 and 1/2 it is the 2x2 or 4x4
// inverse DCT of the lowest coefficients. Baseline pictures take time in
// proportion to their bytes and memory in proportion to bytes and plane;
// progressive ones and rare kinds go through image/jpeg, up to 8 megapixels.
// A picture whose data ends early or is damaged gives an error.
func (d *Decoder) Luma(jpeg []byte) (*image.Gray, error) {
	plane, err := d.lumaOf(jpeg)
	if err != nil {
		return nil, fmt.Errorf("decode luma: %w", err)
	}
	return plane, nil
}

func (d *Decoder) lumaOf(jpeg []byte) (*image.Gray, error) {
	if err := d.h.parse(jpeg, d.loadHuffman); err != nil {
		return nil, err
	}
	scale := Scale(d.h.w)
	if !d.h.plain() || d.h.scan[0] != 0 {
		return d.slowLuma(jpeg, scale)
	}
	if err := d.setLuma(len(jpeg), 8/scale); err != nil {
		return nil, err
	}
	var err error
	switch {
	case scale != 8:
		err = d.intervals(jpeg, d.destuff, d.scaledLuma)
	case d.use32 || wordBits == 32:
		err = d.intervals(jpeg, d.destuffWords, d.dc32)
	default:
		err = d.intervals(jpeg, d.destuff, d.dc64)
	}
	if err != nil {
		return nil, err
	}
	return &d.plane, nil
}

// plain reports whether the frame is one that the fast paths take: baseline,
// gray or YCbCr, with the luma sampled finest.
func (h *header) plain() bool {
	if h.sof > sof1 || h.n != 1 && h.n != 3 || h.adobe == 0 && h.n == 3 {
		return false
	}
	rgb := h.n == 3 && h.comps[0].id == 'R' && h.comps[1].id == 'G' && h.comps[2].id == 'B'
	return !rgb && h.comps[0].h == h.hm && h.comps[0].v == h.vm
}

func (d *Decoder) loadHuffman(class, slot int, raw []byte) error {
	if class == 0 {
		return d.dc[slot].load(raw)
	}
	return d.ac[slot].load(raw)
}

// useTables makes sure that the scan's Huffman tables exist, the standard ones
// where the picture brings none.
func (d *Decoder) useTables(c *component) error {
	if !d.h.quantDef[c.quant] {
		return malformed("no quantisation table")
	}
	for class, slot := range [2]int{c.dc, c.ac} {
		if class == 0 && d.h.dcDef[slot] || class == 1 && d.h.acDef[slot] {
			continue
		}
		if slot > 1 {
			return malformed("no Huffman table")
		}
		if err := d.loadHuffman(class, slot, standardTables[2*class+slot][1:]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) acFor(slot int) *acTable {
	b := &d.acTabs[slot]
	if b.table == nil {
		b.table = new(acTable)
	} else if b.ac == d.ac[slot].version {
		return b.table
	}
	b.table.build(&d.ac[slot])
	b.ac = d.ac[slot].version
	return b.table
}

func (d *Decoder) chromaFor(c *component) *chromaTable {
	b := &d.chroma[4*c.dc+c.ac]
	dc, ac := &d.dc[c.dc], &d.ac[c.ac]
	if b.table == nil {
		b.table = new(chromaTable)
	} else if b.dc == dc.version && b.ac == ac.version {
		return b.table
	}
	b.table.build(dc, ac)
	b.dc, b.ac = dc.version, ac.version
	return b.table
}

func (d *Decoder) startFor(c *component) *lumaTable {
	b := &d.starts[4*c.dc+c.ac]
	dc, ac := &d.dc[c.dc], &d.ac[c.ac]
	if b.table == nil {
		b.table = new(lumaTable)
	} else if b.dc == dc.version && b.ac == ac.version {
		return b.table
	}
	b.table.build(dc, ac)
	b.dc, b.ac = dc.version, ac.version
	return b.table
}

// setLuma prepares tables and a plane of n pixels a block side.
func (d *Decoder) setLuma(size, n int) error {
	h := &d.h
	c := &h.comps[0]
	hs, vs := c.h, c.v
	if h.ns == 1 { // T.81 A.2.2
		hs, vs = 1, 1
	}
	if err := d.setMCUs(size); err != nil {
		return err
	}
	if err := d.useTables(c); err != nil {
		return err
	}
	d.luma = lumaCoder{d.startFor(c), d.acFor(c.ac), &d.dc[c.dc], &d.ac[c.ac]}
	d.lumaBlocks = hs * vs
	d.ngroups = 0
	blocks := d.lumaBlocks
	for _, i := range h.scan[1:h.ns] {
		c := &h.comps[i]
		if err := d.useTables(c); err != nil {
			return err
		}
		blocks += c.h * c.v
		g := chromaGroup{c.h * c.v, d.chromaFor(c), d.acFor(c.ac), &d.dc[c.dc], &d.ac[c.ac]}
		if last := d.ngroups - 1; last >= 0 && d.groups[last].table == g.table {
			d.groups[last].blocks += g.blocks
			continue
		}
		d.groups[d.ngroups] = g
		d.ngroups++
	}
	if blocks > 10 {
		return malformed("more than 10 blocks in an MCU")
	}
	stride := d.mcusX * hs * n
	need := stride * d.mcusY * vs * n
	if cap(d.plane.Pix) < need {
		d.plane.Pix = make([]byte, need)
	}
	d.plane.Pix = d.plane.Pix[:need]
	d.plane.Stride = stride
	d.plane.Rect = image.Rect(0, 0, (h.w*n+7)/8, (h.h*n+7)/8)
	d.stepX, d.rowStep = hs*n, stride*vs*n
	for i := range d.lumaBlocks {
		d.offsets[i] = i/hs*n*stride + i%hs*n
	}
	d.dcQuant = int32(h.quant[c.quant][0])
	return nil
}

// setMCUs counts the scan's MCUs, and refuses a picture too short to hold them:
// a block takes two bits at the least.
func (d *Decoder) setMCUs(size int) error {
	h := &d.h
	hs, vs, blocks := 8*h.hm, 8*h.vm, 0
	for _, i := range h.scan[:h.ns] {
		blocks += h.comps[i].h * h.comps[i].v
	}
	if h.ns == 1 {
		hs, vs, blocks = 8, 8, 1
		if h.n > 1 && h.scan[0] != 0 {
			return malformed("scan")
		}
	}
	d.mcusX, d.mcusY = (h.w+hs-1)/hs, (h.h+vs-1)/vs
	if d.mcusX*d.mcusY*blocks/4 > size {
		return errShort
	}
	return nil
}

// intervals decodes the scan, one restart interval after the other.
func (d *Decoder) intervals(jpeg []byte, destuff func([]byte, int) int, decode func(from, to int) error) error {
	total := d.mcusX * d.mcusY
	each := total
	if d.h.restart > 0 {
		each = d.h.restart
	}
	pos := d.h.data
	for from, i := 0, 0; from < total; from, i = from+each, i+1 {
		if i > 0 {
			// libjpeg looks for the marker here and nowhere else.
			if pos+2 > len(jpeg) || jpeg[pos+1] != rst0+byte(i-1)&7 {
				return malformed("restart marker missing")
			}
			pos += 2
		}
		pos = destuff(jpeg, pos)
		if err := decode(from, min(from+each, total)); err != nil {
			return err
		}
	}
	return nil
}

// idct1 is the 1x1 inverse DCT of libjpeg's jidctred.c: a block's mean.
func idct1(dc, quant int32) byte {
	v := (dc*quant+4)>>3 + 128
	if uint32(v) > 255 {
		v = ^(v >> 31) & 255
	}
	return byte(v)
}
