package capture

import (
	"encoding/binary"
	"fmt"
	"image"
	"math/bits"
)

// LumaScale returns by how much the detector's luma plane of a picture of this
// width is smaller, each way: 8 from 640 pixels on, 4 from 320, else 2. It is
// what mjpeg.Decoder uses too, so that raw and JPEG cameras look alike.
func LumaScale(width int) int {
	switch {
	case width >= 640:
		return 8
	case width >= 320:
		return 4
	}
	return 2
}

// Luma reduces a raw frame to the detector's plane: each of its pixels is the
// average of LumaScale by LumaScale pixels (of those there are, at the right
// and lower edge), rounded. dst is given the plane's size and its memory is
// used again where it suffices. The frame's Data must have the length its
// format says; JPEG frames are mjpeg.Decoder's.
func Luma(dst *image.Gray, f Frame) error {
	if f.Format != YUYV && f.Format != NV12 {
		return fmt.Errorf("luma of a frame: format %v is not a raw one", f.Format)
	}
	if f.Width <= 0 || f.Height <= 0 || len(f.Data) < f.Format.Size(f.Width, f.Height) {
		return fmt.Errorf("luma of a frame: %d bytes are too few for %dx%d %v", len(f.Data), f.Width, f.Height, f.Format)
	}
	n := LumaScale(f.Width)
	w, h := (f.Width+n-1)/n, (f.Height+n-1)/n
	if cap(dst.Pix) < w*h {
		dst.Pix = make([]uint8, w*h)
	}
	dst.Pix, dst.Stride, dst.Rect = dst.Pix[:w*h], w, image.Rect(0, 0, w, h)

	step := 1 // bytes from one luma sample to the next
	stride := f.Width
	if f.Format == YUYV {
		step = 2
		stride = (f.Width + 1) / 2 * 4
	}
	for y := range h {
		rows := min(n, f.Height-y*n)
		src := f.Data[y*n*stride : (y*n+rows)*stride]
		row := dst.Pix[y*w : y*w+w]
		x := 0
		if rows == n && n == 8 {
			x = boxes8(row[:f.Width/8], src, stride, step)
		}
		for ; x < w; x++ {
			row[x] = box(src, stride, step, x*n, min(n, f.Width-x*n), rows)
		}
	}
	return nil
}

// box averages cols by rows samples from column x on.
func box(src []byte, stride, step, x, cols, rows int) uint8 {
	sum := 0
	for r := range rows {
		line := src[r*stride+x*step:]
		for c := range cols {
			sum += int(line[c*step])
		}
	}
	count := cols * rows
	return uint8((sum + count/2) / count)
}

// boxes8 averages full 8 by 8 boxes, several samples to a word: every other
// byte is masked out into lanes of 16 bits, in which 64 samples cannot
// overflow. The word is the machine's: on 32-bit boards 64-bit lanes are
// slower than none. It fills row and returns its length.
func boxes8(row, src []byte, stride, step int) int {
	if bits.UintSize == 32 {
		return boxes8in32(row, src, stride, step)
	}
	const even = 0x00ff00ff00ff00ff
	for x := range row {
		var sum uint64
		at := x * 8 * step
		if step == 2 {
			for r := 0; r < 8; r++ {
				p := src[at+r*stride:][:16]
				sum += binary.LittleEndian.Uint64(p)&even + binary.LittleEndian.Uint64(p[8:])&even
			}
		} else {
			for r := 0; r < 8; r++ {
				v := binary.LittleEndian.Uint64(src[at+r*stride:])
				sum += v&even + v>>8&even
			}
		}
		sum += sum >> 32
		row[x] = uint8((sum>>16&0xffff + sum&0xffff + 32) >> 6)
	}
	return len(row)
}

func boxes8in32(row, src []byte, stride, step int) int {
	const even = 0x00ff00ff
	for x := range row {
		var sum uint32
		at := x * 8 * step
		if step == 2 {
			for r := 0; r < 8; r++ {
				p := src[at+r*stride:][:16]
				sum += binary.LittleEndian.Uint32(p)&even + binary.LittleEndian.Uint32(p[4:])&even +
					binary.LittleEndian.Uint32(p[8:])&even + binary.LittleEndian.Uint32(p[12:])&even
			}
		} else {
			for r := 0; r < 8; r++ {
				p := src[at+r*stride:][:8]
				v, w := binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])
				sum += v&even + v>>8&even + w&even + w>>8&even
			}
		}
		row[x] = uint8((sum>>16 + sum&0xffff + 32) >> 6)
	}
	return len(row)
}
