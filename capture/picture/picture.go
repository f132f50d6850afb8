// Package picture is what is done to a picture before it leaves: a smaller size,
// fewer bytes, privacy masks, a line of text, EXIF. A JPEG of which nothing is
// asked passes untouched, to the bit.
//
// A picture that is made smaller is decoded at the next larger eighth of its size
// and averaged from there, so that no full-size frame is ever in memory.
//
// What a hostile JPEG can cost: a header of more than 64 megapixels is refused
// before anything is decoded, and so is what would have to be worked on at more
// than 16 megapixels (8, and 32 scans, where it is progressive), or has not the 2
// bits that each block takes at the least. That bounds memory to 48 MB for a
// baseline picture and some 100 MB for a progressive one; time is in proportion
// to bytes and pixels.
package picture

import (
	"errors"
	"fmt"
	"image"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

// Options say what is done. The zero value: nothing.
type Options struct {
	// Width and Height in pixels are what a picture is made to fit, its shape
	// kept; it is never enlarged. 0: that side does not matter.
	Width, Height int
	// Quality from 1 to 100 where a picture has to be encoded; 0 is 85.
	Quality int
	// MaxBytes is what a picture should have at most; 0: no limit. It is
	// encoded up to three times, then made smaller rather than unrecognisable.
	MaxBytes int
	// Overlay, if not nil, is drawn into the picture, above the masks.
	Overlay *Overlay
	// Privacy are polygons in fractions of the picture that are painted black.
	Privacy [][][2]float64
	// Camera is the camera's name for overlay and EXIF.
	Camera string
	// EXIF has time, camera, picture id and GPS written.
	EXIF bool
	// GPS, if not nil, goes into EXIF.
	GPS *GPS
	// Location is the zone times are told in; nil is the machine's.
	Location *time.Location
}

const (
	defaultQuality = 85
	maxCanvas      = 16 << 20 // pixels that are worked on
)

// Processor does it. It keeps its buffers, about 3 bytes for each pixel that it
// decodes, from picture to picture. It is not for concurrent use.
type Processor struct {
	o        Options
	template []part
	decoder  mjpeg.Decoder
	encoder  mjpeg.Encoder
	scaler   scaler
	stamp    stamp
	masks    grid
	canvas   image.YCbCr
	planes   []byte
}

// New checks the options; the error tells all that is wrong with them.
func New(o Options) (*Processor, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, v := range []struct {
		name     string
		value    int
		least    int
		greatest int
	}{{"width", o.Width, 8, 65535}, {"height", o.Height, 8, 65535}, {"quality", o.Quality, 1, 100}, {"max bytes", o.MaxBytes, 2000, 1 << 30}} {
		if v.value != 0 && (v.value < v.least || v.value > v.greatest) {
			bad("picture %s %d: 0, or %d to %d would do", v.name, v.value, v.least, v.greatest)
		}
	}
	if err := checkPolygons(o.Privacy); err != nil {
		errs = append(errs, err)
	}
	if g := o.GPS; g != nil && !(g.Latitude >= -90 && g.Latitude <= 90 && g.Longitude >= -180 && g.Longitude <= 180) {
		bad("picture GPS %v, %v: latitude -90 to 90 and longitude -180 to 180 would do", g.Latitude, g.Longitude)
	}
	p := &Processor{o: o}
	if o.Overlay != nil {
		parts, err := parseTemplate(o.Overlay.Template)
		if err != nil {
			errs = append(errs, err)
		}
		p.template = parts
		switch o.Overlay.Position {
		case "", "top-left", "top-right", "bottom-left", "bottom-right":
		default:
			bad("overlay position %q: top-left, top-right, bottom-left or bottom-right would do", o.Overlay.Position)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if p.o.Location == nil {
		p.o.Location = time.Local
	}
	if p.o.Quality == 0 {
		p.o.Quality = defaultQuality
	}
	return p, nil
}

// Process makes the JPEG that leaves. The frame's bytes are not changed; a JPEG
// of which nothing is asked is returned as it is, the same slice (Huffman tables
// that it lacks are put in). Masks and text in a picture that keeps its size and
// fits change what they cover, and the rest stays to the bit. picID may be empty. With privacy masks set, a picture that cannot be decoded is an error,
// never a picture.
func (p *Processor) Process(f capture.Frame, picID string) ([]byte, error) {
	out, err := p.process(f, picID)
	if err != nil {
		return nil, fmt.Errorf("process a %v picture: %w", f.Format, err)
	}
	return out, nil
}

func (p *Processor) process(f capture.Frame, picID string) ([]byte, error) {
	w, h := f.Width, f.Height
	if f.Format == capture.JPEG {
		var err error
		if w, h, err = mjpeg.Size(f.Data); err != nil {
			return nil, err
		}
	}
	if w*h > mjpeg.MaxPixels {
		return nil, fmt.Errorf("%w: %dx%d pixels; up to %d megapixels would do", mjpeg.ErrTooLarge, w, h, mjpeg.MaxPixels>>20)
	}
	ow, oh := fit(w, h, p.o.Width, p.o.Height)
	meta := metadata{at: f.At.In(p.o.Location), camera: p.o.Camera, id: picID, gps: p.o.GPS, width: ow, height: oh}
	var exif []byte
	if p.o.EXIF {
		exif = meta.segment()
	}
	limit := p.o.MaxBytes
	if limit > 0 {
		limit -= len(exif)
	}
	if f.Format == capture.JPEG && ow == w && oh == h && p.o.Overlay == nil && len(p.o.Privacy) == 0 &&
		(limit == 0 || len(f.Data) <= limit) {
		whole := mjpeg.WithTables(f.Data)
		if exif == nil {
			return whole, nil
		}
		return withEXIF(whole, exif), nil
	}
	l, err := p.label(ow, oh, meta.at, picID)
	if err != nil {
		return nil, err
	}
	out, err := []byte(nil), mjpeg.ErrNotRetouchable
	if f.Format == capture.JPEG && ow == w && oh == h && (limit == 0 || len(f.Data) <= limit) {
		out, err = p.retouch(f.Data, w, h, &l)
	}
	if errors.Is(err, mjpeg.ErrNotRetouchable) || limit > 0 && len(out) > limit {
		if err = p.develop(f, w, h, ow, oh); err == nil {
			paint(&p.canvas, ow, oh, p.o.Privacy)
			l.draw(&p.canvas)
			out = p.within(limit, p.o.Quality)
		}
	}
	if err != nil {
		return nil, err
	}
	if exif == nil {
		return out, nil
	}
	if w, h, err := mjpeg.Size(out); err == nil && w != ow { // within made it smaller
		meta.width, meta.height = w, h
		exif = meta.segment()
	}
	return withEXIF(out, exif), nil
}

// label sets the overlay's text.
func (p *Processor) label(w, h int, at time.Time, picID string) (label, error) {
	o := p.o.Overlay
	if o == nil {
		return label{}, nil
	}
	if o.Location != nil {
		at = at.In(o.Location)
	}
	return p.stamp.set(w, h, expand(p.template, at, p.o.Camera, picID), o.Position)
}

// retouch paints masks and text into a JPEG and leaves the rest to the bit.
func (p *Processor) retouch(jpeg []byte, w, h int, l *label) ([]byte, error) {
	p.masks.set(w, h, p.o.Privacy)
	wanted := func(r image.Rectangle) bool { return r.Overlaps(l.band) || p.masks.touch(r) }
	bare := strip(jpeg)
	if bare == nil {
		return nil, mjpeg.ErrNotRetouchable
	}
	return p.decoder.Retouch(bare, wanted, func(m *image.YCbCr) {
		paint(m, w, h, p.o.Privacy)
		l.draw(m)
	})
}

// fit is the largest size of the shape of w by h, not above it, within mw by mh.
func fit(w, h, mw, mh int) (int, int) {
	if mw == 0 || mw > w {
		mw = w
	}
	if mh == 0 || mh > h {
		mh = h
	}
	if mw*h < mh*w { // the width decides
		return mw, max(1, (mw*h+w/2)/w)
	}
	return max(1, (mh*w+h/2)/h), mh
}

// develop decodes the frame onto the canvas, ow by oh.
func (p *Processor) develop(f capture.Frame, w, h, ow, oh int) error {
	cw, ch := (w+1)/2, (h+1)/2
	switch f.Format {
	case capture.JPEG:
		return p.decode(f.Data, w, h, ow, oh)
	case capture.YUYV, capture.NV12:
		if w <= 0 || h <= 0 || len(f.Data) < f.Format.Size(w, h) {
			return fmt.Errorf("%d bytes are not %dx%d pixels", len(f.Data), w, h)
		}
		p.setCanvas(ow, oh)
		if d := f.Data; f.Format == capture.YUYV {
			p.scale(samples{d, 4 * cw, 2, w, h}, samples{d[1:], 4 * cw, 4, cw, h}, samples{d[3:], 4 * cw, 4, cw, h})
		} else {
			c := d[w*h:]
			p.scale(samples{d, w, 1, w, h}, samples{c, 2 * cw, 2, cw, ch}, samples{c[1:], 2 * cw, 2, cw, ch})
		}
		return nil
	}
	return fmt.Errorf("%v is no format of a frame", f.Format)
}

// decode reads a JPEG at the eighth that is just large enough.
func (p *Processor) decode(jpeg []byte, w, h, ow, oh int) error {
	n := 1
	for n < 8 && ((w*n+7)/8 < ow || (h*n+7)/8 < oh) {
		n++
	}
	if pixels := (w * n / 8) * (h * n / 8); pixels > maxCanvas {
		return fmt.Errorf("%w: %dx%d pixels to be worked on; up to %d megapixels would do", mjpeg.ErrTooLarge, w*n/8, h*n/8, maxCanvas>>20)
	}
	m, err := p.decoder.Colour(jpeg, n)
	if err != nil {
		return err
	}
	if m.Rect.Dx() == ow && m.Rect.Dy() == oh && m.SubsampleRatio == image.YCbCrSubsampleRatio420 {
		p.canvas = *m
		return nil
	}
	p.setCanvas(ow, oh)
	hr, vr := subsampling(m.SubsampleRatio)
	w, h = m.Rect.Dx(), m.Rect.Dy()
	cw, ch := (w+hr-1)/hr, (h+vr-1)/vr
	p.scale(samples{m.Y, m.YStride, 1, w, h}, samples{m.Cb, m.CStride, 1, cw, ch}, samples{m.Cr, m.CStride, 1, cw, ch})
	return nil
}

func subsampling(r image.YCbCrSubsampleRatio) (h, v int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// setCanvas makes the canvas w by h, 4:2:0.
func (p *Processor) setCanvas(w, h int) {
	cw, ch := (w+1)/2, (h+1)/2
	need := w*h + 2*cw*ch
	if cap(p.planes) < need {
		p.planes = make([]byte, need)
	}
	b := p.planes[:need]
	p.canvas = image.YCbCr{
		Y: b[: w*h : w*h], Cb: b[w*h : w*h+cw*ch : w*h+cw*ch], Cr: b[w*h+cw*ch:],
		YStride: w, CStride: cw,
		SubsampleRatio: image.YCbCrSubsampleRatio420,
		Rect:           image.Rect(0, 0, w, h),
	}
}

// scale averages the components onto the canvas.
func (p *Processor) scale(y, cb, cr samples) {
	m := &p.canvas
	w, h := m.Rect.Dx(), m.Rect.Dy()
	p.scaler.scale(m.Y, m.YStride, w, h, y)
	p.scaler.scale(m.Cb, m.CStride, (w+1)/2, (h+1)/2, cb)
	p.scaler.scale(m.Cr, m.CStride, (w+1)/2, (h+1)/2, cr)
}
