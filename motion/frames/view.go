package frames

import "image"

// View is what the detector made of the newest frame, for people who tune it.
type View struct {
	// Frame, Background, Noise, Limit and Mask are planes of the detector's own
	// grid. Noise and Limit are grey levels times 8, cut at 255. Mask is 0 where
	// nothing changed, 80 above half the limit, 160 above it, 255 for an object
	// on a path.
	Frame, Background, Noise, Limit, Mask *image.Gray
	// Corrected is the frame under the background's light.
	Corrected *image.Gray
	// Blobs are the changed places of the frame, each with what became of it.
	Blobs []Blob
	// Gain and Offset are the light change that was taken out, in grey levels.
	Gain, Offset float64
	// Shake is by how many cells the picture was displaced, lately.
	Shake float64
}

// Blob is one changed place.
type Blob struct {
	Box    [4]float64 // x, y, width, height in fractions
	Area   float64    // fraction of the watched area
	Motion bool
	Why    string // what it was taken for
}

// View copies the detector's state. It allocates; it is not for every frame.
func (d *Detector) View() View {
	m := &d.model
	m.correct(&d.light)
	r := image.Rect(0, 0, m.w, m.h)
	v := View{
		Frame: image.NewGray(r), Background: image.NewGray(r), Noise: image.NewGray(r),
		Limit: image.NewGray(r), Mask: image.NewGray(r), Corrected: image.NewGray(r),
		Gain: d.light.gain, Offset: d.light.offset, Shake: d.light.shake,
	}
	for y := range m.h {
		for x := range m.w {
			i := y*m.w + x
			v.Frame.Pix[i] = m.cells[i]
			v.Corrected.Pix[i] = uint8(min(max(m.v[i]>>vBits, 0), 255))
			v.Background.Pix[i] = uint8(m.bg[i] >> bgBits)
			v.Noise.Pix[i] = uint8(min(m.noise[i]>>5, 255))
			v.Limit.Pix[i] = uint8(min(m.thr[i]>>1, 255))
			switch class := m.mask[(y+1)*(m.w+2)+1+x]; {
			case class&object != 0:
				v.Mask.Pix[i] = 255
			case class&strong != 0:
				v.Mask.Pix[i] = 160
			case class != 0:
				v.Mask.Pix[i] = 80
			}
		}
	}
	for i := range d.finder.blobs {
		b := &d.finder.blobs[i]
		v.Blobs = append(v.Blobs, Blob{
			Box: b.box(m), Area: float64(b.area) / float64(m.watchedCells),
			Motion: b.confirmed, Why: b.why.String(),
		})
	}
	return v
}

// why is what a blob was taken for.
type why uint8

const (
	whySmall why = iota
	whyStill
	whyLight
	whyClutter
	whyNew
	whyMotion
)

func (w why) String() string {
	return [...]string{"small", "still", "light", "restless", "new", "motion"}[w]
}
