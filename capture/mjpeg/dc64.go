package mjpeg

import "encoding/binary"

// fill tops up the bits of a 64-bit reader: they sit at the top of acc, n of
// them counted, and the next come from buf[p]. At least 56 are there afterwards.
func fill(buf []byte, acc uint64, n uint, p int) (uint64, uint, int) {
	return acc | binary.BigEndian.Uint64(buf[p:])>>(n&63), n | 56, p + int((63-n)>>3)
}

// dc64 decodes the MCUs from…to, one restart interval, whose destuffed bytes are
// d.bytes[:d.end], on machines with 64-bit registers. A table entry stands for at
// most 28 bits (31 by the canonical search), so that one fill serves two.
func (d *Decoder) dc64(from, to int) error {
	var (
		buf     = d.bytes
		end     = d.end + 8 // the reader is up to 8 bytes ahead
		acc     uint64
		n       uint
		p       int
		dc      int32
		dcTable = d.luma.table
		acTable = d.luma.ac
		blocks  = d.lumaBlocks
		offsets = d.offsets
		groups  = d.groups[:d.ngroups]
		pix     = d.plane.Pix
		quant   = d.dcQuant
		x       = from % d.mcusX
		row     = from / d.mcusX * d.rowStep
	)
	for range to - from {
		if p > end {
			return errShort
		}
		at := row + x*d.stepX
		if x++; x == d.mcusX {
			x, row = 0, row+d.rowStep
		}
		for i := range blocks {
			acc, n, p = fill(buf, acc, n, p)
			e := dcTable[acc>>(64-dcWindow)]
			acc <<= e & skipMask
			n -= uint(e & skipMask)
			k := uint(uint16(e)) >> skipBits
			dc += int32(e) >> 16
			if k >= 64 {
				if k != miss {
					pix[at+offsets[i&15]] = idct1(dc, quant)
					continue
				}
				diff, l := d.luma.dcSpec.slowDC(uint32(acc >> 32))
				if l == 0 {
					return errCode
				}
				dc += diff
				k = 1
				acc, n, p = fill(buf, acc<<l, n-l, p)
			}
			pix[at+offsets[i&15]] = idct1(dc, quant)
			for {
				e := uint(acTable[acc>>(64-window)])
				next := k + e>>skipBits
				if next >= 64 {
					if next == 64 || next-ended <= endedN {
						acc <<= e & skipMask
						n -= e & skipMask
						break
					}
					acc, n, p = fill(buf, acc, n, p)
					e = d.luma.acSpec.slowAC(uint32(acc >> 32))
					next = k + e>>skipBits
					if next > 64 && next-ended > endedN {
						return errCode
					}
				}
				acc, n, p = fill(buf, acc<<(e&skipMask), n-e&skipMask, p)
				if k = next; k >= 64 {
					break
				}
				e = uint(acTable[acc>>(64-window)])
				next = k + e>>skipBits
				if next >= 64 {
					if next == 64 || next-ended <= endedN {
						acc <<= e & skipMask
						n -= e & skipMask
						break
					}
					acc, n, p = fill(buf, acc, n, p)
					e = d.luma.acSpec.slowAC(uint32(acc >> 32))
					next = k + e>>skipBits
					if next > 64 && next-ended > endedN {
						return errCode
					}
				}
				acc <<= e & skipMask
				n -= e & skipMask
				if k = next; k >= 64 {
					break
				}
			}
		}
		for i := range groups {
			g := &groups[i]
			for range g.blocks {
				acc, n, p = fill(buf, acc, n, p)
				e := uint(g.table[acc>>(64-dcWindow)])
				acc <<= e & skipMask
				n -= e & skipMask
				k := e >> skipBits
				if k >= 64 {
					if k != miss {
						continue
					}
					_, l := g.dcSpec.slowDC(uint32(acc >> 32))
					if l == 0 {
						return errCode
					}
					k = 1
					acc <<= l
					n -= l
				}
				for k < 64 {
					acc, n, p = fill(buf, acc, n, p)
					e := uint(g.ac[acc>>(64-window)])
					next := k + e>>skipBits
					if next > 64 && next-ended > endedN {
						e = g.acSpec.slowAC(uint32(acc >> 32))
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
		}
	}
	if p*8-int(n) > d.end*8 {
		return errShort
	}
	return nil
}
