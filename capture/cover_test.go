package capture

import (
	"image"
	"strings"
	"testing"
)

func TestCover(t *testing.T) {
	box := func(x, y, w, h float64) [4]float64 { return [4]float64{x, y, w, h} }
	for _, test := range []struct {
		name  string
		views []View
		best  int
		why   string
	}{
		{"nothing seen", []View{{}, {}, {AfterTrigger: true}, {AfterTrigger: true}}, 2, "first picture after the trigger"},
		{"pre-roll only", []View{{}, {}}, 1, "before the trigger"},
		{"a score without a box", []View{{AfterTrigger: true}, {Score: 0.02, AfterTrigger: true}, {Score: 0.01, AfterTrigger: true}}, 1, "2 % of the watched area"},
		{"a box before none", []View{{Score: 0.5, AfterTrigger: true}, {Score: 0.1, Box: box(.4, .4, .1, .1), AfterTrigger: true}}, 1, "near the middle"},
		{"large before small", []View{{Box: box(.4, .3, .1, .3), AfterTrigger: true}, {Box: box(.4, .2, .2, .6), AfterTrigger: true}}, 1, "12 % of the picture"},
		{"whole before cut off", []View{{Box: box(0, .3, .12, .4), AfterTrigger: true}, {Box: box(.45, .3, .1, .4), AfterTrigger: true}}, 1, "near the middle"},
		{"middle before edge", []View{{Box: box(.85, .3, .1, .4), AfterTrigger: true}, {Box: box(.45, .3, .1, .4), AfterTrigger: true}, {Box: box(.05, .3, .1, .4), AfterTrigger: true}}, 1, "middle"},
		{"sharp before blurred", []View{
			{Box: box(.4, .3, .1, .4), Sharpness: 40, AfterTrigger: true}, {Box: box(.4, .3, .1, .4), Sharpness: 90, AfterTrigger: true}}, 1, ""},
		{"after before before", []View{{Box: box(.4, .3, .1, .4)}, {Box: box(.4, .3, .1, .4), AfterTrigger: true}}, 1, ""},
		{"unless it shows more", []View{{Box: box(.4, .3, .1, .4)}, {Box: box(.9, .3, .1, .4), AfterTrigger: true}}, 0, ""},
		{"cut off at the side", []View{{Box: box(.9, .3, .1, .4), AfterTrigger: true}}, 0, "partly out of the picture"},
		{"only one thing, off the middle", []View{{Box: box(.03, .05, .1, .1), AfterTrigger: true}}, 0, "off the middle"},
	} {
		var c Cover
		best := -1
		for i, v := range test.views {
			if c.Offer(i, v) {
				best = i
			}
		}
		seq, why, ok := c.Best()
		if !ok || seq != test.best || best != test.best || !strings.Contains(why, test.why) {
			t.Errorf("%s: %d (%s), last called best %d; want %d (%s)", test.name, seq, why, best, test.best, test.why)
		}
	}
	if _, _, ok := new(Cover).Best(); ok {
		t.Error("a cover of nothing")
	}
}

func TestSharpness(t *testing.T) {
	sharp, soft := image.NewGray(image.Rect(0, 0, 40, 20)), image.NewGray(image.Rect(0, 0, 40, 20))
	for y := range 20 {
		for x := range 40 {
			if x >= 20 {
				sharp.Pix[y*40+x] = 200
			}
			soft.Pix[y*40+x] = uint8(min(max(x-10, 0)*10, 200))
		}
	}
	a, b := Sharpness(sharp, [4]float64{}), Sharpness(soft, [4]float64{})
	if a <= 2*b || b <= 0 {
		t.Errorf("an edge has %v, a ramp %v", a, b)
	}
	if s := Sharpness(sharp, [4]float64{0, 0, 0.4, 1}); s != 0 {
		t.Errorf("%v beside the edge, want 0", s)
	}
	for _, box := range [][4]float64{{0.99, 0.99, 0.5, 0.5}, {-1, -1, 9, 9}, {2, 2, 1, 1}} {
		Sharpness(sharp, box) // no box reads outside the plane
	}
}
