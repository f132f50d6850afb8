package picture

import (
	"fmt"
	"image"
	"strings"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Overlay is a line of text in the picture.
type Overlay struct {
	// Template is the text. {time} stands for the date and time the picture was
	// taken, {camera} for the camera's name, {pic} for the picture's id;
	// {time:%d.%m.%Y %H:%M} for the time in a form of one's own, of %Y %y %m %d
	// %H %I %M %S %p %j %a %b %z %Z and %%. {{ and }} are braces.
	Template string
	// Location is the zone that {time} is told in; nil is Options.Location.
	Location *time.Location
	// Position is top-left, top-right, bottom-left or bottom-right; empty is
	// bottom-left.
	Position string
}

// defaultTime is what {time} alone means.
const defaultTime = "%Y-%m-%d %H:%M:%S"

// part is a piece of a parsed template: literal text, or a name and its form.
type part struct{ literal, name, form string }

func parseTemplate(s string) (parts []part, err error) {
	var lit strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c {
			lit.WriteByte(c)
			i++
			continue
		}
		if c == '}' {
			return nil, fmt.Errorf("overlay %q: } without {; write }} for a brace", s)
		}
		if c != '{' {
			lit.WriteByte(c)
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, fmt.Errorf("overlay %q: { without }; write {{ for a brace", s)
		}
		name, form, _ := strings.Cut(s[i+1:i+end], ":")
		switch {
		case name == "time" && form == "":
			form = defaultTime
		case name == "time":
			if _, err := strftime(time.Time{}, form); err != nil {
				return nil, fmt.Errorf("overlay %q: %w", s, err)
			}
		case (name == "camera" || name == "pic") && form == "":
		default:
			return nil, fmt.Errorf("overlay %q: unknown {%s}; {time}, {camera} and {pic} would do", s, s[i+1:i+end])
		}
		parts = append(parts, part{literal: lit.String()}, part{name: name, form: form})
		lit.Reset()
		i += end
	}
	return append(parts, part{literal: lit.String()}), nil
}

func expand(parts []part, at time.Time, camera, pic string) string {
	var b strings.Builder
	for _, p := range parts {
		switch p.name {
		case "time":
			s, _ := strftime(at, p.form) // its form was tried when it was parsed
			b.WriteString(s)
		case "camera":
			b.WriteString(camera)
		case "pic":
			b.WriteString(pic)
		default:
			b.WriteString(p.literal)
		}
	}
	return b.String()
}

// layouts are time.Format's words for strftime's.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05",
	'p': "PM", 'j': "002", 'a': "Mon", 'b': "Jan", 'z': "-0700", 'Z': "MST",
}

func strftime(at time.Time, form string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(form); i++ {
		if form[i] != '%' {
			b.WriteByte(form[i])
			continue
		}
		i++
		switch {
		case i < len(form) && form[i] == '%':
			b.WriteByte('%')
		case i < len(form) && layouts[form[i]] != "":
			b.WriteString(at.Format(layouts[form[i]]))
		default:
			return "", fmt.Errorf("time form %q: unknown %%%s; %%Y %%y %%m %%d %%H %%I %%M %%S %%p %%j %%a %%b %%z %%Z %%%% would do", form, form[min(i, len(form)):min(i+1, len(form))])
		}
	}
	return b.String(), nil
}

// stamp draws lines of text. It keeps the font's face for the last size, and the
// glyphs drawn with it.
type stamp struct {
	font *opentype.Font
	size int
	face font.Face
	used map[rune]glyph
}

// glyph is a drawn character: its coverage and where it lies from the dot.
type glyph struct {
	mask    *image.Alpha
	advance fixed.Int26_6
}

// maxGlyphs bounds the glyphs kept, maxLine the characters of a line.
const (
	maxGlyphs = 256
	maxLine   = 200
)

func (s *stamp) setSize(size int) error {
	if s.font == nil {
		f, err := opentype.Parse(gomono.TTF)
		if err != nil {
			return fmt.Errorf("overlay font: %w", err)
		}
		s.font = f
	}
	if s.size == size {
		return nil
	}
	face, err := opentype.NewFace(s.font, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return fmt.Errorf("overlay font at %d pixels: %w", size, err)
	}
	s.size, s.face, s.used = size, face, make(map[rune]glyph)
	return nil
}

func (s *stamp) glyph(r rune) glyph {
	if g, ok := s.used[r]; ok {
		return g
	}
	dr, mask, at, advance, ok := s.face.Glyph(fixed.Point26_6{}, r)
	g := glyph{advance: advance}
	if src, isAlpha := mask.(*image.Alpha); ok && isAlpha {
		g.mask = image.NewAlpha(dr) // the face's own mask is its scratch memory
		for y := range dr.Dy() {
			copy(g.mask.Pix[y*g.mask.Stride:][:dr.Dx()], src.Pix[src.PixOffset(at.X, at.Y+y):])
		}
	}
	if len(s.used) >= maxGlyphs {
		clear(s.used)
	}
	s.used[r] = g
	return g
}

// label is a line of text set in a picture: white on a dimmed band.
type label struct {
	band   image.Rectangle
	glyphs []glyph
	dots   []image.Point // where they stand
}

// set lays out a line in a corner of a picture of w by h pixels, its height a
// 24th of the picture's, smaller where it would not fit.
func (s *stamp) set(w, h int, line, position string) (label, error) {
	runes := []rune(line)
	runes = runes[:min(len(runes), maxLine)]
	if len(runes) == 0 {
		return label{}, nil
	}
	size := max(10, min(72, h/24))
	width := 0
	for range 2 {
		if err := s.setSize(size); err != nil {
			return label{}, err
		}
		var sum fixed.Int26_6
		for _, r := range runes {
			sum += s.glyph(r).advance
		}
		if width = sum.Ceil(); width+size <= w {
			break
		}
		size = max(6, size*w/(width+size))
	}
	metrics := s.face.Metrics()
	pad := max(1, size/4)
	box := image.Rect(0, 0, width+2*pad, (metrics.Ascent+metrics.Descent).Ceil()+pad)
	if strings.HasSuffix(position, "right") {
		box = box.Add(image.Pt(w-box.Dx(), 0))
	}
	if !strings.HasPrefix(position, "top") {
		box = box.Add(image.Pt(0, h-box.Dy()))
	}
	l := label{band: box.Intersect(image.Rect(0, 0, w, h))}
	dot := fixed.P(box.Min.X+pad, box.Min.Y+pad/2+metrics.Ascent.Ceil())
	for _, r := range runes {
		if g := s.glyph(r); g.mask != nil {
			l.glyphs = append(l.glyphs, g)
			l.dots = append(l.dots, image.Pt(dot.X.Round(), dot.Y.Round()))
		}
		dot.X += s.glyph(r).advance
	}
	return l, nil
}

// draw draws the part of the label that lies in m.
func (l *label) draw(m *image.YCbCr) {
	dim(m, l.band.Intersect(m.Rect))
	for i, g := range l.glyphs {
		blend(m, g.mask, l.dots[i])
	}
}

// dim takes a rectangle half way to black and to gray.
func dim(m *image.YCbCr, r image.Rectangle) {
	hr, vr := subsampling(m.SubsampleRatio)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			i := m.YOffset(x, y)
			m.Y[i] = byte(int(m.Y[i]) * 2 / 5)
			if (x == r.Min.X || x%hr == 0) && (y == r.Min.Y || y%vr == 0) { // once
				j := m.COffset(x, y)
				m.Cb[j] = byte((int(m.Cb[j]) + 128) / 2)
				m.Cr[j] = byte((int(m.Cr[j]) + 128) / 2)
			}
		}
	}
}

// blend draws white where mask, moved by at, is set.
func blend(m *image.YCbCr, mask *image.Alpha, at image.Point) {
	r := mask.Rect.Add(at).Intersect(m.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			a := int(mask.AlphaAt(x-at.X, y-at.Y).A)
			i := m.YOffset(x, y)
			m.Y[i] = byte((int(m.Y[i])*(255-a) + 245*a) / 255)
			if a > 128 {
				j := m.COffset(x, y)
				m.Cb[j], m.Cr[j] = 128, 128
			}
		}
	}
}
