package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

const (
	headerBytes = 623 // what the encoder writes before the data
	// lowest is the quality below which a smaller picture is the better one.
	lowest = 20
	// steepness is how a picture's bytes fall with the scale of the quantisers:
	// as scale^-steepness. Real ones lie between 0.6 (sharp) and 1 (noisy).
	steepness = 0.6
)

// within encodes the canvas to at most limit bytes (0: no limit), by quality
// first, then by a smaller canvas. Of at most three encodes it returns the largest
// that fits, else the smallest.
func (p *Processor) within(limit, quality int) []byte {
	best := p.encode(quality)
	if limit <= 0 || len(best) <= limit {
		return best
	}
	steep, aim := steepness, 0.95
	last, lastQ := best, quality
	for range 2 {
		want := aim * float64(max(limit-headerBytes, 100)) / float64(max(len(last)-headerBytes, 1))
		q := qualityFor(float64(mjpeg.Percent(lastQ)) * math.Pow(want, -1/steep))
		if q < lowest {
			q = min(lowest, lastQ)
			byQuality := math.Pow(float64(mjpeg.Percent(q))/float64(mjpeg.Percent(lastQ)), -steep)
			p.reduce(math.Sqrt(min(1, want/byQuality)))
		}
		if q == lastQ && len(last) <= limit {
			break
		}
		out := p.encode(q)
		if len(best) > limit && len(out) < len(best) || len(out) <= limit && len(out) > len(best) {
			best = out
		}
		if len(out) <= limit && len(out) > limit*4/5 {
			break
		}
		if a, b := float64(mjpeg.Percent(q)), float64(mjpeg.Percent(lastQ)); a != b {
			steep = math.Log(float64(len(last))/float64(len(out))) / math.Log(a/b)
			steep = max(0.4, min(1.2, steep))
		}
		if len(out) > limit {
			aim = 0.75 // the last try has to fit
		}
		last, lastQ = out, q
	}
	return best
}

func (p *Processor) encode(quality int) []byte {
	r := p.canvas.Rect
	return p.encoder.Encode(make([]byte, 0, headerBytes+r.Dx()*r.Dy()/6), &p.canvas, quality)
}

// qualityFor is the inverse of mjpeg.Percent, rounded down.
func qualityFor(scale float64) int {
	if scale > 100 {
		return max(1, int(5000/scale))
	}
	return max(1, min(100, int((200-scale)/2)))
}

// reduce makes the canvas smaller by a factor below 1.
func (p *Processor) reduce(factor float64) {
	m := p.canvas
	w, h := m.Rect.Dx(), m.Rect.Dy()
	nw, nh := max(8, int(float64(w)*factor)), max(8, int(float64(h)*factor))
	if nw >= w || nh >= h {
		return
	}
	p.planes = nil // m's
	p.setCanvas(nw, nh)
	cw, ch := (w+1)/2, (h+1)/2
	p.scale(samples{m.Y, m.YStride, 1, w, h}, samples{m.Cb, m.CStride, 1, cw, ch}, samples{m.Cr, m.CStride, 1, cw, ch})
}

// Shrink makes a JPEG of at most maxBytes out of a larger one, in at most three
// encodes: fewer pixels and a lower quality in equal shares. One that fits is
// returned as it is. EXIF stays if it has no thumbnail.
func Shrink(jpeg []byte, maxBytes int) ([]byte, error) {
	if len(jpeg) <= maxBytes {
		return jpeg, nil
	}
	w, h, err := mjpeg.Size(jpeg)
	if err != nil {
		return nil, fmt.Errorf("shrink a picture to %d bytes: %w", maxBytes, err)
	}
	exif := bytes.Clone(ownEXIF(jpeg))
	limit := maxBytes - len(exif)
	// As many pixels as the square root of the bytes that are too many, so that
	// quality has the other half of the work.
	side := math.Pow(float64(max(limit, 1))/float64(len(jpeg)), 0.25)
	p := &Processor{}
	ow, oh := max(1, int(float64(w)*side)), max(1, int(float64(h)*side))
	if err := p.develop(capture.Frame{Format: capture.JPEG, Data: jpeg}, w, h, ow, oh); err != nil {
		return nil, fmt.Errorf("shrink a picture to %d bytes: %w", maxBytes, err)
	}
	out := p.within(limit, defaultQuality)
	if len(out) > limit {
		return nil, fmt.Errorf("shrink a picture to %d bytes: %d is the least it takes", maxBytes, len(out)+len(exif))
	}
	if exif != nil {
		if w, h, err := mjpeg.Size(out); err == nil {
			setDimensions(exif, w, h)
		}
		out = withEXIF(out, exif)
	}
	return out, nil
}

// setDimensions corrects the size that our own EXIF tells.
func setDimensions(exif []byte, w, h int) {
	for tag, v := range map[uint16]int{tagPixelXDimension: w, tagPixelYDimension: h} {
		entry := binary.LittleEndian.AppendUint16(nil, tag)
		entry = append(entry, typeLong, 0, 1, 0, 0, 0)
		if i := bytes.Index(exif, entry); i >= 0 && i+12 <= len(exif) {
			binary.LittleEndian.PutUint32(exif[i+8:], uint32(v))
		}
	}
}
