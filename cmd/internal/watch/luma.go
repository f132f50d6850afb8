package watch

import (
	"image"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

// luma makes the small plane that is compared of any frame. The plane is
// overwritten by the next one.
type luma struct {
	jpeg mjpeg.Decoder
	raw  image.Gray
}

func (l *luma) of(f capture.Frame) (*image.Gray, error) {
	if f.Format == capture.JPEG {
		return l.jpeg.Luma(f.Data)
	}
	err := capture.Luma(&l.raw, f)
	return &l.raw, err
}
