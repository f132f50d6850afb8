package mjpeg

// peek returns the 32 bits at bit position at of big-endian words.
func peek(words []uint32, at uint) uint32 {
	i, s := at>>5, at&31
	pair := words[i : i+2 : i+2]
	return pair[0]<<s | pair[1]>>1>>(^s&31) // 31-s, which the compiler sees is below 32
}

// dc32 is dc64 for machines with 32-bit registers. The destuffed data is in
// native words (d.words), for an ARMv6 loads those in one instruction, and the
// reader is a mere bit position: no count of bits in hand, nothing to refill.
func (d *Decoder) dc32(from, to int) error {
	var (
		words   = d.words
		end     = uint(d.end) * 8
		bit     uint
		dc      int32
		dcTable = d.luma.table
		acTable = d.luma.ac
		groups  = d.groups[:d.ngroups]
		pix     = d.plane.Pix
		quant   = d.dcQuant
		x       = from % d.mcusX
		row     = from / d.mcusX * d.rowStep
	)
	for range to - from {
		if bit > end {
			return errShort
		}
		at := row + x*d.stepX
		if x++; x == d.mcusX {
			x, row = 0, row+d.rowStep
		}
		for i := range d.lumaBlocks {
			b := peek(words, bit)
			e := dcTable[b>>(32-dcWindow)]
			bit += uint(e & skipMask)
			k := uint(uint16(e)) >> skipBits
			dc += int32(e) >> 16
			if k == miss {
				diff, l := d.luma.dcSpec.slowDC(b)
				if l == 0 {
					return errCode
				}
				dc += diff
				bit += l
				k = 1
			}
			pix[at+d.offsets[i&15]] = idct1(dc, quant)
			for k < 64 {
				b := peek(words, bit)
				e := uint(acTable[b>>(32-window)])
				next := k + e>>skipBits
				if next > 64 && next-ended > endedN {
					e = d.luma.acSpec.slowAC(b)
					next = k + e>>skipBits
					if next > 64 && next-ended > endedN {
						return errCode
					}
				}
				bit += e & skipMask
				k = next
			}
		}
		for i := range groups {
			g := &groups[i]
			for range g.blocks {
				b := peek(words, bit)
				e := uint(g.table[b>>(32-dcWindow)])
				bit += e & skipMask
				k := e >> skipBits
				if k == miss {
					_, l := g.dcSpec.slowDC(b)
					if l == 0 {
						return errCode
					}
					bit += l
					k = 1
				}
				for k < 64 {
					b := peek(words, bit)
					e := uint(g.ac[b>>(32-window)])
					next := k + e>>skipBits
					if next > 64 && next-ended > endedN {
						e = g.acSpec.slowAC(b)
						next = k + e>>skipBits
						if next > 64 && next-ended > endedN {
							return errCode
						}
					}
					bit += e & skipMask
					k = next
				}
			}
		}
	}
	if bit > end {
		return errShort
	}
	return nil
}
