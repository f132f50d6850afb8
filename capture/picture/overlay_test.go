package picture

import (
	"image"
	"strings"
	"testing"
	"time"
)

func TestTemplate(t *testing.T) {
	at := time.Date(2026, 3, 9, 17, 4, 5, 0, time.FixedZone("CET", 3600))
	for in, want := range map[string]string{
		"":                                  "",
		"plain":                             "plain",
		"{camera}  {time}":                  "door  2026-03-09 17:04:05",
		"{{{camera}}} 5%":                   "{door} 5%",
		"{pic}":                             "01K-03",
		"{time:%d.%m.%y %I:%M %p %% %Z %z}": "09.03.26 05:04 PM % CET +0100",
		"{time:%a %j}{time:%b}":             "Mon 068Mar",
	} {
		parts, err := parseTemplate(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got := expand(parts, at, "door", "01K-03"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"{clock}":   "unknown {clock}",
		"{camera:}": "", // an empty form is none
		"{pic:x}":   "unknown {pic:x}",
		"{time":     "{ without }",
		"time}":     "} without {",
		"{time:%Q}": "unknown %Q",
		"{time:x%}": "unknown %",
	} {
		_, err := parseTemplate(in)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// The text is where it was asked for, in its zone, and changes nothing elsewhere.
func TestOverlay(t *testing.T) {
	utc := frame(encoded(t, drawn(640, 480, 0), 95))
	plain := decoded(t, process(t, Options{Width: 320}, utc))
	for _, pos := range []string{"", "top-left", "top-right", "bottom-left", "bottom-right"} {
		o := Options{Width: 320, Camera: "Tür", Overlay: &Overlay{Template: "{camera} {time:%H:%M}", Position: pos}}
		got := decoded(t, process(t, o, utc)).(*image.YCbCr)
		changed := image.Rectangle{}
		bright := 0
		for y := range 240 {
			for x := range 320 {
				a, b := got.YCbCrAt(x, y), plain.(*image.YCbCr).YCbCrAt(x, y)
				if d := int(a.Y) - int(b.Y); d > 25 || d < -25 {
					changed = changed.Union(image.Rect(x, y, x+1, y+1))
				}
				if a.Y > 170 && b.Y < 150 {
					bright++
				}
			}
		}
		if bright < 15 {
			t.Errorf("%q: no text, %d bright points", pos, bright)
		}
		if changed.Dx() > 120 || changed.Dy() > 24 || changed.Dx() < 40 {
			t.Errorf("%q: changed %v", pos, changed)
		}
		if atTop := changed.Max.Y < 30; atTop != strings.HasPrefix(pos, "top") {
			t.Errorf("%q: changed %v", pos, changed)
		}
		if atRight := changed.Min.X > 160; atRight != strings.HasSuffix(pos, "right") {
			t.Errorf("%q: changed %v", pos, changed)
		}
	}
}

func TestOverlayZone(t *testing.T) {
	f := frame(encoded(t, drawn(320, 240, 0), 90))
	draw := func(zone *time.Location, template string) []byte {
		return process(t, Options{Overlay: &Overlay{Template: template, Location: zone}}, f)
	}
	here := draw(time.FixedZone("", 5*3600), "{time:%H:%M}")
	if string(here) != string(draw(time.UTC, "08:02")) {
		t.Error("03:02 UTC is not 08:02 five hours east")
	}
	if string(here) == string(draw(time.UTC, "{time:%H:%M}")) {
		t.Error("the zone makes no difference")
	}
}

// Whatever the size of picture and text, it stays inside.
func TestOverlayFits(t *testing.T) {
	for _, w := range []int{160, 320, 640, 1920} {
		l, err := new(stamp).set(w, w*3/4, "front door  2026-01-02 03:04", "bottom-right")
		if err != nil || l.band.Dx() > w || l.band.Dx() < w/4 || len(l.dots) == 0 || l.dots[0].X < 0 {
			t.Errorf("%d wide: %+v, %v", w, l.band, err)
		}
	}
	for _, s := range [][2]int{{8, 8}, {17, 3}, {40, 30}, {1920, 20}, {20, 900}} {
		f := frame(encoded(t, drawn(s[0], s[1], 0), 90))
		for _, text := range []string{"x", "a longer line of text {time} {pic}", strings.Repeat("W", 500), "日本\x00\n\t\xff"} {
			for _, pos := range []string{"top-left", "bottom-right"} {
				process(t, Options{Overlay: &Overlay{Template: text, Position: pos}}, f)
			}
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("{camera} {time:%H}")
	f.Add("{{}}%")
	f.Fuzz(func(t *testing.T, s string) {
		if parts, err := parseTemplate(s); err == nil {
			expand(parts, time.Unix(0, 0), "c", "p")
		}
	})
}
