package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"runtime"
	"strings"
	"testing"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

func TestUntouched(t *testing.T) {
	pic := encoded(t, drawn(160, 120, 5), 90)
	for _, o := range []Options{{}, {Quality: 10}, {Width: 160}, {Width: 320, Height: 240}, {MaxBytes: len(pic)}, {Camera: "door"}} {
		if got := process(t, o, frame(pic)); &got[0] != &pic[0] || len(got) != len(pic) {
			t.Errorf("%+v: the picture was touched", o)
		}
	}
}

func TestTablesAreMended(t *testing.T) {
	pic := encoded(t, drawn(160, 120, 5), 90)
	at := bytes.Index(pic, []byte{0xff, 0xc4})
	n := 2 + int(pic[at+2])<<8 + int(pic[at+3])
	bare := append(bytes.Clone(pic[:at]), pic[at+n:]...)
	for _, o := range []Options{{}, {EXIF: true}, {Overlay: &Overlay{Template: "x"}}, {Width: 80}} {
		decoded(t, process(t, o, frame(bare)))
	}
}

// Averaging keeps a flat picture as it is, whatever the sizes.
func TestScaleFlat(t *testing.T) {
	src := samples{bytes.Repeat([]byte{255}, 150*90), 150, 1, 150, 90}
	var s scaler
	for w := 1; w <= 150; w++ {
		h := (w*90 + 149) / 150
		dst := make([]byte, w*h)
		s.scale(dst, w, w, h, src)
		for _, v := range dst {
			if v != 255 {
				t.Fatalf("%d wide: 255 became %d", w, v)
			}
		}
	}
}

// Text that takes a retouched picture over the limit has it encoded anew.
func TestRetouchOverLimit(t *testing.T) {
	pic := encoded(t, drawn(320, 240, 0), 90)
	o := Options{MaxBytes: len(pic), Overlay: &Overlay{Template: "{time} {time}"}}
	if out := process(t, o, frame(pic)); len(out) > len(pic) {
		t.Errorf("%d bytes where up to %d were asked", len(out), len(pic))
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct{ w, h, mw, mh, wantW, wantH int }{
		{1920, 1080, 500, 281, 500, 281},
		{1920, 1080, 500, 0, 500, 281},
		{1920, 1080, 0, 281, 500, 281},
		{1280, 720, 500, 281, 500, 281},
		{640, 480, 500, 281, 375, 281},
		{480, 640, 500, 281, 211, 281},
		{640, 480, 0, 0, 640, 480},
		{640, 480, 1000, 1000, 640, 480},
		{3000, 10, 100, 100, 100, 1},
		{10, 3000, 100, 100, 1, 100},
	} {
		if w, h := fit(c.w, c.h, c.mw, c.mh); w != c.wantW || h != c.wantH {
			t.Errorf("%dx%d into %dx%d: %dx%d, want %dx%d", c.w, c.h, c.mw, c.mh, w, h, c.wantW, c.wantH)
		}
	}
}

func TestResize(t *testing.T) {
	m := drawn(400, 227, 8)
	pic := encoded(t, m, 95)
	full := decoded(t, pic)
	for _, w := range []int{399, 313, 200, 133, 100, 57, 25, 8} {
		o := Options{Width: w, Quality: 98}
		got := decoded(t, process(t, o, frame(pic)))
		// Encoded, too: halving the colour costs both the same.
		want := decoded(t, encoded(t, average(full, w, got.Bounds().Dy()), 98))
		if db := psnr(t, got, want); db < 27 {
			t.Errorf("%d wide: %.1f dB to the average of the full picture", w, db)
		} else {
			t.Logf("%d wide: %.1f dB", w, db)
		}
	}
}

// The smaller size must come from a smaller decode: a full frame is never there.
func TestResizeMemory(t *testing.T) {
	pic := encoded(t, drawn(1920, 1080, 8), 80)
	p := processor(t, Options{Width: 500, Height: 281})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := p.Process(frame(pic), "")
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	total := int(after.TotalAlloc-before.TotalAlloc) - len(pic)*5/4 // its destuffed copy
	if full := 1920 * 1080 * 3 / 2; total > full/2 {
		t.Errorf("%d bytes allocated in all, a full frame has %d", total, full)
	}
	if w, h, err := mjpeg.Size(out); w != 500 || h != 281 || err != nil {
		t.Error(w, h, err)
	}
	if n := testing.AllocsPerRun(5, func() { p.Process(frame(pic), "") }); n > 8 {
		t.Errorf("%v allocations a picture after the first", n)
	}
}

func TestEncoder(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {8, 8}, {17, 9}, {100, 75}, {321, 243}} {
		for _, q := range []int{1, 30, 75, 90, 100} {
			m := drawn(s[0], s[1], 6)
			theirs := encoded(t, m, q)
			src := decoded(t, encoded(t, m, 100)).(*image.YCbCr)
			ours := new(mjpeg.Encoder).Encode(nil, src, q)
			want, got := psnr(t, decoded(t, theirs), m), psnr(t, decoded(t, ours), m)
			if got < want-0.3 {
				t.Errorf("%v at %d: %.2f dB, image/jpeg has %.2f", s, q, got, want)
			}
			if len(ours) > len(theirs)+len(theirs)/50+8 {
				t.Errorf("%v at %d: %d bytes, image/jpeg takes %d", s, q, len(ours), len(theirs))
			}
		}
	}
}

func TestRawFormats(t *testing.T) {
	for _, s := range [][2]int{{64, 48}, {65, 49}, {322, 241}} {
		w, h := s[0], s[1]
		m := drawn(w, h, 3)
		at := func(x, y int) (byte, byte, byte) {
			c := m.RGBAAt(min(x, w-1), min(y, h-1))
			return color.RGBToYCbCr(c.R, c.G, c.B)
		}
		var yuyv, nv12, uv []byte
		for y := range h {
			for x := 0; x < w; x += 2 {
				y0, cb, cr := at(x, y)
				y1, _, _ := at(x+1, y)
				yuyv = append(yuyv, y0, cb, y1, cr)
			}
			for x := range w {
				y0, cb, cr := at(x, y)
				nv12 = append(nv12, y0)
				if x&1 == 0 && y&1 == 0 {
					uv = append(uv, cb, cr)
				}
			}
		}
		for format, data := range map[capture.Format][]byte{capture.YUYV: yuyv, capture.NV12: append(nv12, uv...)} {
			f := capture.Frame{Width: w, Height: h, Format: format, Data: data}
			if db := psnr(t, decoded(t, process(t, Options{Quality: 95}, f)), m); db < 28 {
				t.Errorf("%v %dx%d: %.1f dB", format, w, h, db)
			}
			small := decoded(t, process(t, Options{Quality: 95, Width: 32}, f))
			if db := psnr(t, small, average(m, 32, small.Bounds().Dy())); db < 27 {
				t.Errorf("%v %dx%d to %v: %.1f dB", format, w, h, small.Bounds(), db)
			}
			f.Data = data[:len(data)-1]
			if _, err := processor(t, Options{}).Process(f, ""); err == nil {
				t.Errorf("%v: a short frame passed", format)
			}
		}
	}
}

func TestMaxBytes(t *testing.T) {
	for _, noise := range []int{1, 8, 40} {
		pic := encoded(t, drawn(640, 480, noise), 95)
		for _, limit := range []int{len(pic) * 9 / 10, len(pic) / 2, len(pic) / 4, len(pic) / 10, len(pic) / 40, 2500} {
			if limit < 2000 {
				continue
			}
			out := process(t, Options{MaxBytes: limit, EXIF: true}, frame(pic))
			if len(out) > limit || len(out) < limit/3 {
				t.Errorf("noise %d: %d bytes where up to %d were asked", noise, len(out), limit)
			}
			decoded(t, out)
		}
	}
}

func TestShrink(t *testing.T) {
	pic := encoded(t, drawn(1280, 720, 12), 95)
	withMeta := process(t, Options{EXIF: true, Camera: "door"}, frame(pic))
	for _, limit := range []int{len(pic) / 2, 128 << 10, 20_000, 3000} {
		for name, in := range map[string][]byte{"plain": pic, "with EXIF": withMeta} {
			out, err := Shrink(in, limit)
			if err != nil || len(out) > limit || len(out) < limit/3 {
				t.Errorf("%s to %d: %d bytes, %v", name, limit, len(out), err)
				continue
			}
			if got := ownEXIF(out) != nil; got != (name == "with EXIF") {
				t.Errorf("%s to %d: EXIF afterwards %t", name, limit, got)
			}
			if name == "with EXIF" {
				w := decoded(t, out).Bounds().Dx()
				if want := []byte{0x02, 0xa0, 4, 0, 1, 0, 0, 0, byte(w), byte(w >> 8), 0, 0}; !bytes.Contains(out, want) {
					t.Errorf("to %d: EXIF does not say %d wide", limit, w)
				}
			}
			t.Logf("%s: %d to %d of %d bytes, %v", name, len(in), len(out), limit, decoded(t, out).Bounds().Size())
		}
	}
	if out, err := Shrink(pic, len(pic)); err != nil || &out[0] != &pic[0] {
		t.Error("one that fits was touched", err)
	}
	for name, in := range map[string][]byte{"garbage": bytes.Repeat([]byte("x"), 100), "cut": pic[:2000]} {
		if _, err := Shrink(in, 99); !errors.Is(err, mjpeg.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Shrink(pic, 300); err == nil {
		t.Error("300 bytes are too few")
	}
}

func TestNewTellsAllThatIsWrong(t *testing.T) {
	_, err := New(Options{
		Width: 3, Quality: 101, MaxBytes: 5,
		Privacy: [][][2]float64{{{0, 0}, {1, 1}}, {{0, 0}, {1, 1}, {2, 0}}},
		GPS:     &GPS{Latitude: 91},
		Overlay: &Overlay{Template: "{clock}", Position: "middle"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"width 3", "quality 101", "max bytes 5", "polygon 1", "GPS 91", "unknown {clock}", `position "middle"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestHostile(t *testing.T) {
	pic := encoded(t, drawn(64, 48, 3), 80)
	at := bytes.Index(pic, []byte{0xff, 0xc0})
	sized := func(w, h int) []byte {
		out := bytes.Clone(pic)
		copy(out[at+5:], []byte{byte(h >> 8), byte(h), byte(w >> 8), byte(w)})
		return out
	}
	for name, c := range map[string]struct {
		pic   []byte
		width int
		want  error
	}{
		"100 megapixels":                 {sized(10000, 10000), 0, mjpeg.ErrTooLarge},
		"20 megapixels in few bytes":     {sized(5000, 4000), 0, mjpeg.ErrMalformed},
		"20 megapixels to be worked on":  {sized(5000, 4000), 4990, mjpeg.ErrTooLarge},
		"20 megapixels to be made small": {sized(5000, 4000), 500, mjpeg.ErrMalformed},
		"cut":                            {pic[:len(pic)-30], 0, mjpeg.ErrMalformed},
		"cut and smaller":                {pic[:len(pic)-30], 40, mjpeg.ErrMalformed},
		"empty":                          {nil, 0, mjpeg.ErrMalformed},
	} {
		p := processor(t, Options{Width: c.width, Privacy: [][][2]float64{{{0, 0}, {1, 0}, {1, 1}}}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := p.Process(frame(c.pic), "")
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.want) || out != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func BenchmarkResize(b *testing.B) {
	for _, s := range [][2]int{{640, 480}, {1280, 720}, {1920, 1080}} {
		b.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(b *testing.B) {
			pic := encoded(b, drawn(s[0], s[1], 8), 80)
			p := processor(b, Options{Width: 500, Height: 281})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Process(frame(pic), ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Without a smaller size, masks and text change what they cover and nothing else.
func TestRetouchKeepsTheRest(t *testing.T) {
	pic := encoded(t, drawn(640, 480, 8), 90)
	before := decoded(t, pic).(*image.YCbCr)
	out := process(t, Options{
		Privacy: [][][2]float64{{{0.5, 0.1}, {0.6, 0.1}, {0.6, 0.2}}},
		Overlay: &Overlay{Template: "{time}", Position: "top-left"},
	}, frame(pic))
	after := decoded(t, out).(*image.YCbCr)
	changed := 0
	for y := range 480 {
		for x := range 640 {
			if before.YCbCrAt(x, y) == after.YCbCrAt(x, y) {
				continue
			}
			changed++
			if (x < 316 || x > 400 || y < 47 || y > 112) && (x > 320 || y > 48) {
				t.Fatalf("%d, %d has changed", x, y)
			}
		}
	}
	if changed < 2000 {
		t.Error("hardly anything has changed")
	}
}

func BenchmarkFullSize(b *testing.B) {
	pic := encoded(b, drawn(1920, 1080, 8), 80)
	for name, o := range map[string]Options{
		"text":        {Overlay: &Overlay{Template: "{camera} {time}"}},
		"small mask":  {Privacy: [][][2]float64{{{0, 0}, {0.3, 0}, {0.3, 0.3}, {0, 0.3}}}},
		"half masked": {Privacy: [][][2]float64{{{0, 0}, {1, 0}, {1, 0.5}, {0, 0.5}}}},
		"all encoded": {MaxBytes: len(pic) * 9 / 10},
	} {
		b.Run(name, func(b *testing.B) {
			p := processor(b, o)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Process(frame(pic), ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
