package mjpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

const (
	// slowPixels is the most that goes through image/jpeg: for a progressive
	// picture it holds some 8 bytes a pixel.
	slowPixels = 8 << 20
	// slowScans bounds the time: each scan of a progressive picture visits every
	// block, however few bytes it has. Encoders write about ten.
	slowScans = 32
)

// whole decodes a picture of a rare kind at full size by image/jpeg.
func (h *header) whole(pic []byte) (*image.YCbCr, error) {
	if h.w*h.h > slowPixels {
		return nil, fmt.Errorf("%w: %dx%d pixels; a progressive or unusual picture may have up to %d megapixels",
			ErrTooLarge, h.w, h.h, slowPixels>>20)
	}
	if n := bytes.Count(pic, []byte{0xff, sos}); n > slowScans {
		return nil, fmt.Errorf("%w: %d scans; up to %d would do", ErrUnsupported, n, slowScans)
	}
	img, err := jpeg.Decode(bytes.NewReader(WithTables(pic)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch m := img.(type) {
	case *image.YCbCr:
		return m, nil
	case *image.Gray:
		out := image.NewYCbCr(m.Rect, image.YCbCrSubsampleRatio420)
		for y := range m.Rect.Dy() {
			copy(out.Y[y*out.YStride:], m.Pix[y*m.Stride:][:m.Rect.Dx()])
		}
		neutral(out)
		return out, nil
	}
	b := img.Bounds()
	out := image.NewYCbCr(b, image.YCbCrSubsampleRatio444)
	for y := range b.Dy() {
		for x := range b.Dx() {
			r, g, bl, _ := img.At(b.Min.X+x, b.Min.Y+y).RGBA()
			i := y*out.YStride + x
			out.Y[i], out.Cb[i], out.Cr[i] = color.RGBToYCbCr(uint8(r>>8), uint8(g>>8), uint8(bl>>8))
		}
	}
	return out, nil
}

// neutral makes a picture gray.
func neutral(m *image.YCbCr) {
	for i := range m.Cb {
		m.Cb[i] = 128
	}
	for i := range m.Cr {
		m.Cr[i] = 128
	}
}

// slowLuma averages boxes of the fully decoded picture.
func (d *Decoder) slowLuma(pic []byte, scale int) (*image.Gray, error) {
	full, err := d.h.whole(pic)
	if err != nil {
		return nil, err
	}
	w, h := full.Rect.Dx(), full.Rect.Dy()
	ow, oh := (w+scale-1)/scale, (h+scale-1)/scale
	if cap(d.plane.Pix) < ow*oh {
		d.plane.Pix = make([]byte, ow*oh)
	}
	d.plane.Pix, d.plane.Stride, d.plane.Rect = d.plane.Pix[:ow*oh], ow, image.Rect(0, 0, ow, oh)
	for y := range oh {
		for x := range ow {
			sum, n := 0, 0
			x1 := min((x+1)*scale, w)
			for yy := y * scale; yy < min((y+1)*scale, h); yy++ {
				for _, v := range full.Y[yy*full.YStride:][x*scale : x1] {
					sum += int(v)
				}
				n += x1 - x*scale
			}
			d.plane.Pix[y*ow+x] = byte((sum + n/2) / n)
		}
	}
	return &d.plane, nil
}
