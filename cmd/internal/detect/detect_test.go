package detect

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pirwatch/motion/frames"
)

// draw writes a folder of JPEGs at the reader's 10 pictures a second: noise, and
// from second `from` on a dark thing that crosses (none if from is negative).
func draw(t *testing.T, dir string, seconds int, from float64, flicker bool) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewSource(1))
	for n := range seconds * 10 {
		m := image.NewGray(image.Rect(0, 0, 320, 240))
		for i := range m.Pix {
			m.Pix[i] = uint8(120 + i/320/4 + rng.Intn(9))
		}
		at := float64(n) / 10
		if from >= 0 && at >= from {
			box(m, int((at-from)*60)-40, 90, 40, 90, 40)
		}
		if flicker && at > 3 { // a flag: in one corner, for ever
			box(m, 250+rng.Intn(30), 20+rng.Intn(20), 30, 24, uint8(40+rng.Intn(150)))
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", n)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func box(m *image.Gray, x, y, w, h int, level uint8) {
	for j := y; j < y+h; j++ {
		for i := x; i < x+w; i++ {
			if (image.Point{X: i, Y: j}).In(m.Rect) {
				m.SetGray(i, j, color.Gray{Y: level})
			}
		}
	}
}

func options(out, errs *bytes.Buffer, clips ...string) Options {
	return Options{Clips: clips, Detector: frames.Defaults(), Stdout: out, Stderr: errs}
}

func TestDecisionsOfOneClip(t *testing.T) {
	dir := t.TempDir()
	draw(t, dir, 9, 5, false)
	var out, errs bytes.Buffer
	o := options(&out, &errs, dir)
	o.CSV = "-"
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rows[0], ","); got != "frame,motion,score" {
		t.Errorf("header %q", got)
	}
	if len(rows) != 91 {
		t.Fatalf("%d rows for 90 pictures", len(rows)-1)
	}
	for i, r := range rows[1:] {
		if r[0] != fmt.Sprint(i) {
			t.Fatalf("row %d is for frame %s", i, r[0])
		}
		switch {
		case i < 50 && r[1] != "0":
			t.Errorf("motion in frame %d, where there is none", i)
		case i > 60 && i < 85 && r[1] != "1":
			t.Errorf("no motion in frame %d, where something crosses", i)
		}
	}
	for _, want := range []string{"320x240, 90 frames, 9.0 s", "1 of motion", "largest"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, errs.String())
		}
	}
}

func TestNamesOfSeveralClips(t *testing.T) {
	dir := t.TempDir()
	draw(t, filepath.Join(dir, "in", "porch"), 4, -1, false)
	draw(t, filepath.Join(dir, "in", "yard"), 4, -1, false)
	if err := os.MkdirAll(filepath.Join(dir, "in", "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	o := options(&out, &errs, filepath.Join(dir, "in"))
	o.CSV = filepath.Join(dir, "out")
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"porch.csv", "yard.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, "out", name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n != 41 {
			t.Errorf("%s has %d lines, want 41", name, n)
		}
	}
	for path, want := range map[string]string{
		filepath.Join("a", "clip.avi"):   "a",
		filepath.Join("a", "street.avi"): "street",
		filepath.Join("a", "b"):          "b",
	} {
		if got := nameOf(path); got != want {
			t.Errorf("%s is named %q, want %q", path, got, want)
		}
	}
}

func TestDamagedPicturesKeepTheirPlace(t *testing.T) {
	dir := t.TempDir()
	draw(t, dir, 3, -1, false)
	name := filepath.Join(dir, "7.jpg")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b[:200], 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	o := options(&out, &errs, dir)
	o.CSV = "-"
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 31 {
		t.Errorf("%d lines for 30 pictures, one damaged", n)
	}
	if !strings.Contains(errs.String(), "1 damaged") {
		t.Errorf("the summary does not tell of the damaged picture:\n%s", errs.String())
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "porch")
	draw(t, in, 9, 5, false)
	var out, errs bytes.Buffer
	o := options(&out, &errs, in)
	o.Explain = filepath.Join(dir, "explain")
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "explain", "porch", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "motion begins") {
		t.Error("the page does not show where motion begins")
	}
	pics, _ := filepath.Glob(filepath.Join(dir, "explain", "porch", "*.png"))
	if len(pics) == 0 || len(pics) != strings.Count(string(page), "<img") {
		t.Errorf("%d pictures, the page has %d", len(pics), strings.Count(string(page), "<img"))
	}
}

func TestSuggestMasksTheFlag(t *testing.T) {
	dir := t.TempDir()
	draw(t, dir, 25, -1, true)
	var out, errs bytes.Buffer
	o := options(&out, &errs, dir)
	o.Suggest = true
	o.Detector.Sensitivity = 80 // so that the flag troubles
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "sensitivity = ") {
		t.Fatalf("nothing proposed:\n%s%s", out.String(), errs.String())
	}
	if !strings.Contains(out.String(), "ignore = [") {
		t.Errorf("no mask over the flag:\n%s%s", out.String(), errs.String())
	}
}

func TestSuggestForStillness(t *testing.T) {
	dir := t.TempDir()
	draw(t, dir, 6, -1, false)
	var out, errs bytes.Buffer
	o := options(&out, &errs, dir)
	o.Suggest = true
	if err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if want := "[motion]\nsensitivity = 75\n"; out.String() != want {
		t.Errorf("proposed %q, want %q", out.String(), want)
	}
	if !strings.Contains(errs.String(), "that is short") {
		t.Errorf("does not say that six seconds are little:\n%s", errs.String())
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	draw(t, filepath.Join(dir, "a"), 1, -1, false)
	draw(t, filepath.Join(dir, "x", "a"), 1, -1, false)
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("no clip"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := frames.Defaults()
	bad.Sensitivity = 0
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"nothing named", Options{}, "no clip named"},
		{"missing", Options{Clips: []string{filepath.Join(dir, "none")}}, "no such file"},
		{"not a clip", Options{Clips: []string{text}}, "neither AVI nor JPEG"},
		{"the same name twice", Options{Clips: []string{filepath.Join(dir, "a"), filepath.Join(dir, "x", "a")}}, "would both be called"},
		{"several to standard output", Options{Clips: []string{filepath.Join(dir, "a"), text}, CSV: "-"}, "name a folder"},
		{"several to a file", Options{Clips: []string{filepath.Join(dir, "a"), filepath.Join(dir, "x")}, CSV: text}, "would both be called"},
		{"wrong setting", Options{Clips: []string{filepath.Join(dir, "a")}, Detector: bad}, "sensitivity 0"},
	} {
		var out, errs bytes.Buffer
		o := options(&out, &errs)
		o.Clips, o.CSV = tt.o.Clips, tt.o.CSV
		if tt.o.Detector.Sensitivity == 0 && tt.name == "wrong setting" {
			o.Detector = tt.o.Detector
		}
		err := Run(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it to say %q", tt.name, err, tt.want)
		}
	}
}

func TestPolygons(t *testing.T) {
	var h heat
	h.add([4]float64{0.25, 0.25, 0.25, 0.25})
	got := h.polygons()
	want := [][2]float64{{0.25, 0.25}, {0.5, 0.25}, {0.5, 0.5}, {0.25, 0.5}}
	if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("polygons %v, want one, %v", got, want)
	}
	if s := h.share(); s != 1.0/16 {
		t.Errorf("share %v, want 1/16", s)
	}
}
