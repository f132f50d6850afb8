package picture

import (
	"bytes"
	"fmt"
	"image"
	"os/exec"
	"testing"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

// winding is the winding number of p around x, y, by the definition.
func winding(p [][2]float64, x, y float64) (n int) {
	a := p[len(p)-1]
	for _, b := range p {
		left := (b[0]-a[0])*(y-a[1]) - (x-a[0])*(b[1]-a[1])
		switch {
		case a[1] <= y && b[1] > y && left > 0:
			n++
		case a[1] > y && b[1] <= y && left < 0:
			n--
		}
		a = b
	}
	return n
}

var shapes = map[string][][2]float64{
	"all":           {{0, 0}, {1, 0}, {1, 1}, {0, 1}},
	"triangle":      {{0.1, 0.2}, {0.9, 0.3}, {0.5, 0.95}},
	"turned":        {{0.5, 0.95}, {0.9, 0.3}, {0.1, 0.2}},
	"star":          {{0.5, 0.05}, {0.75, 0.9}, {0.05, 0.35}, {0.95, 0.35}, {0.25, 0.9}},
	"sliver":        {{0.3, 0.3}, {0.31, 0.3}, {0.7, 0.9}},
	"line":          {{0.1, 0.5}, {0.9, 0.5}, {0.1, 0.5}},
	"right corner":  {{1, 1}, {1, 0.9}, {0.9, 1}},
	"less than one": {{0.5, 0.5}, {0.501, 0.5}, {0.5, 0.501}},
}

// Every point inside a polygon must be in a painted sample, and what is far from
// it must not be.
func TestFillCovers(t *testing.T) {
	for name, p := range shapes {
		for _, s := range [][2]int{{40, 30}, {7, 5}, {1, 1}, {160, 3}} {
			checkFill(t, fmt.Sprint(name, s), p, s[0], s[1])
		}
	}
}

func checkFill(t *testing.T, name string, p [][2]float64, w, h int) {
	t.Helper()
	plane := make([]byte, w*h)
	fill(plane, w, image.Rect(0, 0, w, h), float64(w), float64(h), p, 1)
	const sub = 5
	near := make([]bool, w*h) // samples that have a point inside, or a neighbour
	for y := range h * sub {
		for x := range w * sub {
			fx, fy := (float64(x)+0.5)/float64(w*sub), (float64(y)+0.5)/float64(h*sub)
			if winding(p, fx, fy) == 0 {
				continue
			}
			if plane[y/sub*w+x/sub] == 0 {
				t.Fatalf("%s: %.3f, %.3f is inside and not painted", name, fx, fy)
			}
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					if xx, yy := x/sub+dx, y/sub+dy; xx >= 0 && yy >= 0 && xx < w && yy < h {
						near[yy*w+xx] = true
					}
				}
			}
		}
	}
	a := p[len(p)-1]
	for _, b := range p { // along the border
		const steps = 2000
		for i := range steps + 1 {
			f := float64(i) / steps
			x, y := (a[0]+f*(b[0]-a[0]))*float64(w), (a[1]+f*(b[1]-a[1]))*float64(h)
			for _, d := range [][2]float64{{0, 0}, {0.02, 0.02}, {-0.02, -0.02}, {0.02, -0.02}, {-0.02, 0.02}} {
				near[max(0, min(h-1, int(y+d[1])))*w+max(0, min(w-1, int(x+d[0])))] = true
			}
		}
		a = b
	}
	for i, v := range plane {
		if v != 0 && !near[i] {
			t.Fatalf("%s: %d, %d is painted and far from the polygon", name, i%w, i/w)
		}
	}
}

// What a mask covers is black in every format and size, and a picture that
// cannot be decoded does not leave.
func TestPrivacyEverywhere(t *testing.T) {
	mask := [][2]float64{{0.25, 0.25}, {0.75, 0.25}, {0.75, 0.75}, {0.25, 0.75}}
	m := drawn(322, 241, 8)
	plain := encoded(t, m, 90)
	frames := map[string]capture.Frame{
		"jpeg": frame(plain),
		"yuyv": {Width: 322, Height: 241, Format: capture.YUYV, Data: bytes.Repeat([]byte{200, 90, 190, 170}, 161*241)},
		"nv12": {Width: 322, Height: 241, Format: capture.NV12, Data: bytes.Repeat([]byte{210}, 322*241+161*2*121)},
	}
	for name, f := range frames {
		for _, o := range []Options{{}, {Width: 100}, {Width: 161, Overlay: &Overlay{Template: "x"}, EXIF: true}, {MaxBytes: 2500}} {
			o.Privacy = [][][2]float64{mask}
			got := decoded(t, process(t, o, f)).(*image.YCbCr)
			w, h := got.Rect.Dx(), got.Rect.Dy()
			for y := h/4 + 1; y < h*3/4-1; y++ {
				for x := w/4 + 1; x < w*3/4-1; x++ {
					if c := got.YCbCrAt(x, y); c.Y > 60 {
						t.Fatalf("%s %+v: %d, %d shows %v", name, o, x, y, c)
					}
				}
			}
			if c := got.YCbCrAt(2, 2); c.Y < 50 {
				t.Errorf("%s %+v: black outside the mask, %v", name, o, c)
			}
		}
	}
	for name, pic := range map[string][]byte{"cut": plain[:len(plain)/2], "garbage": []byte("\xff\xd8\xff garbage")} {
		out, err := processor(t, Options{Privacy: [][][2]float64{mask}}).Process(frame(pic), "")
		if out != nil || err == nil {
			t.Errorf("%s: left all the same, %v", name, err)
		}
	}
}

// Progressive pictures are masked, too.
func TestPrivacyProgressive(t *testing.T) {
	if _, err := exec.LookPath("jpegtran"); err != nil {
		t.Skip("jpegtran is missing (package libjpeg-turbo-progs)")
	}
	cmd := exec.Command("jpegtran", "-progressive")
	cmd.Stdin = bytes.NewReader(encoded(t, drawn(100, 80, 4), 90))
	pic, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{0, 50} {
		o := Options{Width: width, Privacy: [][][2]float64{shapes["all"]}}
		m := decoded(t, process(t, o, frame(pic))).(*image.YCbCr)
		for _, v := range m.Y {
			if v > 40 {
				t.Fatalf("%d wide: something shows", width)
			}
		}
	}
}

// MCUs reach beyond the picture's edge; what is coded there is masked as well.
func TestPrivacyBeyondTheEdge(t *testing.T) {
	pic := encoded(t, drawn(101, 83, 4), 90)
	out := process(t, Options{Privacy: [][][2]float64{{{0.5, 0}, {1, 0}, {1, 1}, {0.5, 1}}}}, frame(pic))
	at := bytes.Index(out, []byte{0xff, 0xc0})
	copy(out[at+5:], []byte{0, 96, 0, 112}) // as many as are coded
	m := decoded(t, out).(*image.YCbCr)
	for y := range 96 {
		for x := 51; x < 112; x++ {
			if c := m.YCbCrAt(x, y); c.Y > 60 {
				t.Fatalf("%d, %d shows %v", x, y, c)
			}
		}
	}
}

// A thumbnail that the camera put into its header must not outlive the mask.
func TestPrivacyDropsHeaders(t *testing.T) {
	pic := encoded(t, drawn(64, 48, 3), 80)
	thumb := []byte("a picture of the neighbours' garden")
	seg := append([]byte{0xff, 0xe1, 0, byte(len(thumb) + 8), 'E', 'x', 'i', 'f', 0, 0}, thumb...)
	pic = append(append(append([]byte{}, pic[:2]...), seg...), pic[2:]...)
	if _, _, err := mjpeg.Size(pic); err != nil {
		t.Fatal(err)
	}
	for name, marker := range map[string]byte{"comment": 0xfe, "APP0": 0xe0, "APP2": 0xe2, "APP1": 0xe1} {
		pic[3] = marker
		out := process(t, Options{Privacy: [][][2]float64{{{0, 0}, {1, 0}, {1, 1}}}, EXIF: true}, frame(pic))
		if bytes.Contains(out, thumb) {
			t.Errorf("the header's %s left", name)
		}
	}
}

func FuzzFill(f *testing.F) {
	f.Add(uint8(10), uint8(7), []byte{0, 0, 255, 0, 255, 255, 30, 99})
	f.Add(uint8(3), uint8(30), []byte{9, 9, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, w, h uint8, corners []byte) {
		var p [][2]float64
		for ; len(corners) >= 2 && len(p) < 30; corners = corners[2:] {
			p = append(p, [2]float64{float64(corners[0]) / 255, float64(corners[1]) / 255})
		}
		if checkPolygons([][][2]float64{p}) != nil {
			return
		}
		checkFill(t, "fuzz", p, int(w)%64+1, int(h)%64+1)
	})
}

// A mask in any one block of an MCU is painted.
func TestPrivacyInOneBlock(t *testing.T) {
	pic := encoded(t, drawn(64, 64, 0), 95)
	for i := range 64 {
		x, y := float64(i%8)/8, float64(i/8)/8
		mask := [][2]float64{{x + 0.02, y + 0.02}, {x + 0.1, y + 0.02}, {x + 0.1, y + 0.1}, {x + 0.02, y + 0.1}}
		m := decoded(t, process(t, Options{Privacy: [][][2]float64{mask}}, frame(pic))).(*image.YCbCr)
		if c := m.YCbCrAt(i%8*8+4, i/8*8+4); c.Y > 60 {
			t.Errorf("block %d shows %v", i, c)
		}
	}
}
