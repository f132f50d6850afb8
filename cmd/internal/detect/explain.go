package detect

import (
	"bufio"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"

	"pirwatch/motion/frames"
)

const (
	panelW      = 400 // least width of one panel, pixels
	maxPictures = 60  // a clip
	stillEvery  = 10  // seconds between pictures of stillness
)

// explainer writes pictures of what the detector saw, and a page that tells
// them. A nil one writes nothing.
type explainer struct {
	dir     string
	page    *bufio.Writer
	f       *os.File
	written int
	missed  int
	was     bool    // motion in the frame before
	best    float64 // largest score of the event so far
	last    float64 // seconds of the last picture
	err     error
}

func newExplainer(dir string) (*explainer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("detect: make the folder of --explain: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, "index.html"))
	if err != nil {
		return nil, fmt.Errorf("detect: write what --explain shows: %w", err)
	}
	e := &explainer{dir: dir, f: f, page: bufio.NewWriter(f), last: -stillEvery}
	fmt.Fprintf(e.page, `<!doctype html><meta charset="utf-8"><title>%s</title>
<style>body{font:15px/1.5 sans-serif;margin:2em;max-width:84em}img{max-width:100%%;image-rendering:pixelated}td{padding-right:1em}</style>
<h1>%[1]s</h1>
<p>Six panels a picture. Above: the frame with the changed places; the background; what changed
(dark: above half the limit, light: above it, white: an object on a path). Below: the noise learnt of each cell,
the limit that a difference must exceed (both eight times enlarged), and the frame under the background's light.</p>
<p>Boxes: <b style="color:#0a0">motion</b>, <b style="color:#b80">new</b> (not long or far enough yet),
<b style="color:#08c">light</b>, <b style="color:#888">still</b> (changed, but not moving),
<b style="color:#a0a">restless</b> (no larger than what keeps coming there); small ones have no box.</p>
`, html.EscapeString(filepath.Base(dir)))
	return e, nil
}

// see writes a picture where an event begins, where it shows more than before,
// where the scene changes, and now and then of stillness.
func (e *explainer) see(f frame, dec frames.Decision, d *frames.Detector) {
	if e == nil || !dec.Ready || e.err != nil {
		return
	}
	at := f.at.Sub(zero).Seconds()
	why := ""
	switch {
	case dec.Motion && !e.was:
		why, e.best = "motion begins", dec.Score
	case dec.Motion && dec.Score > 1.5*e.best:
		why, e.best = "larger than before", dec.Score
	case !dec.Motion && e.was:
		why = "motion ends"
	case at-e.last >= stillEvery:
		why = "every ten seconds"
	}
	if dec.Scene != "" && why != "" {
		why = dec.Scene
	}
	e.was = dec.Motion
	if why == "" {
		return
	}
	e.last = at
	if e.written == maxPictures {
		e.missed++
		return
	}
	e.written++
	e.write(f, dec, d.View(), why)
}

func (e *explainer) write(f frame, dec frames.Decision, v frames.View, why string) {
	name := fmt.Sprintf("%06d.png", f.n)
	if e.err = writePNG(filepath.Join(e.dir, name), panels(v)); e.err != nil {
		return
	}
	fmt.Fprintf(e.page, "<h2>%.2f s, frame %d: %s</h2>\n<p>score %.4f, limit %.4f, light ×%.2f %+.1f, shake %.2f cells</p>\n<img src=%q>\n<table>\n",
		f.at.Sub(zero).Seconds(), f.n, html.EscapeString(why), dec.Score, dec.Threshold, v.Gain, v.Offset, v.Shake, name)
	for _, b := range v.Blobs {
		if b.Why == "small" {
			continue
		}
		fmt.Fprintf(e.page, "<tr><td>%s<td>%.4f of the area<td>at %.2f, %.2f<td>%.2f × %.2f\n", b.Why, b.Area, b.Box[0], b.Box[1], b.Box[2], b.Box[3])
	}
	fmt.Fprintln(e.page, "</table>")
}

func (e *explainer) close() error {
	if e == nil {
		return nil
	}
	if e.missed > 0 {
		fmt.Fprintf(e.page, "<p>%d more are not shown.</p>\n", e.missed)
	}
	return errors.Join(e.err, e.page.Flush(), e.f.Close())
}

// colours of the boxes, by what a blob was taken for.
var colours = map[string]color.RGBA{
	"motion":   {0, 220, 0, 255},
	"new":      {255, 180, 0, 255},
	"light":    {0, 160, 255, 255},
	"still":    {150, 150, 150, 255},
	"restless": {220, 0, 220, 255},
}

// panels lays the six planes out, enlarged by a whole number.
func panels(v frames.View) *image.RGBA {
	w, h := v.Frame.Rect.Dx(), v.Frame.Rect.Dy()
	k := max(1, (panelW+w-1)/w)
	const gap = 4
	out := image.NewRGBA(image.Rect(0, 0, 3*w*k+2*gap, 2*h*k+gap))
	for i, p := range []*image.Gray{v.Frame, v.Background, v.Mask, v.Noise, v.Limit, v.Corrected} {
		ox, oy := i%3*(w*k+gap), i/3*(h*k+gap)
		for y := range h * k {
			for x := range w * k {
				c := p.GrayAt(x/k, y/k).Y
				out.SetRGBA(ox+x, oy+y, color.RGBA{c, c, c, 255})
			}
		}
	}
	for _, b := range v.Blobs {
		c, ok := colours[b.Why]
		if !ok {
			continue
		}
		x0, y0 := int(b.Box[0]*float64(w*k)), int(b.Box[1]*float64(h*k))
		x1, y1 := x0+int(b.Box[2]*float64(w*k))-1, y0+int(b.Box[3]*float64(h*k))-1
		for x := x0; x <= x1; x++ {
			out.SetRGBA(x, y0, c)
			out.SetRGBA(x, y1, c)
		}
		for y := y0; y <= y1; y++ {
			out.SetRGBA(x0, y, c)
			out.SetRGBA(x1, y, c)
		}
	}
	return out
}

func writePNG(name string, m image.Image) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write what --explain shows: %w", err)
	}
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	return errors.Join(enc.Encode(f, m), f.Close())
}
