package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"runtime"
	"strconv"
	"testing"
)

// variants are the kinds of picture that cameras and tools write.
var variants = []struct {
	name string
	args []string // of cjpeg
}{
	{"420", []string{"-sample", "2x2"}},
	{"422", []string{"-sample", "2x1"}},
	{"440", []string{"-sample", "1x2"}},
	{"444", []string{"-sample", "1x1"}},
	{"411", []string{"-sample", "4x1"}},
	{"gray", []string{"-grayscale"}},
	{"optimised", []string{"-optimize"}},
	{"restart rows", []string{"-restart", "4"}},
	{"restart blocks", []string{"-restart", "1B"}},
	{"restart 19 blocks", []string{"-restart", "19B"}},
	{"best", []string{"-quality", "100", "-sample", "1x1"}},
	{"worst", []string{"-quality", "3"}},
	{"progressive", []string{"-progressive"}},
}

var sizes = [][2]int{{640, 480}, {647, 361}, {641, 9}, {655, 1}, {320, 240}, {333, 77}, {160, 120}, {17, 33}, {1, 1}, {8, 8}}

func cjpeg(t testing.TB, w, h int, args ...string) []byte {
	t.Helper()
	return tool(t, ppm(drawn(w, h, 1, 12)), "cjpeg", append([]string{"-quality", "80"}, args...)...)
}

func TestLumaAgainstLibjpeg(t *testing.T) {
	wide, narrow := &Decoder{}, &Decoder{use32: true}
	for _, v := range variants {
		for _, s := range sizes {
			t.Run(fmt.Sprintf("%s %dx%d", v.name, s[0], s[1]), func(t *testing.T) {
				pic := cjpeg(t, s[0], s[1], v.args...)
				compareLuma(t, wide, pic, v.name == "progressive")
				a, err := wide.Luma(pic)
				if err != nil {
					t.Fatal(err)
				}
				b, err := narrow.Luma(pic)
				if err != nil {
					t.Fatal("32 bits:", err)
				}
				if a.Rect != b.Rect || !bytes.Equal(a.Pix, b.Pix) {
					t.Error("the 32-bit reader gives another plane")
				}
			})
		}
	}
}

func compareLuma(t *testing.T, d *Decoder, pic []byte, progressive bool) {
	t.Helper()
	got, err := d.Luma(pic)
	if err != nil {
		t.Fatal(err)
	}
	width, _, err := Size(pic)
	if err != nil {
		t.Fatal(err)
	}
	scale := Scale(width)
	w, h, _, want := pnm(t, tool(t, pic, "djpeg", "-grayscale", "-scale", "1/"+strconv.Itoa(scale)))
	if got.Rect != image.Rect(0, 0, w, h) {
		t.Fatalf("plane is %v, djpeg's %dx%d", got.Rect, w, h)
	}
	sum, worst := 0, 0
	for y := range h {
		for x := range w {
			diff := int(got.Pix[y*got.Stride+x]) - int(want[y*w+x])
			sum += diff * diff
			worst = max(worst, diff, -diff)
		}
	}
	mse := float64(sum) / float64(w*h)
	switch {
	case scale == 8 && !progressive && worst > 0:
		t.Fatalf("differs from djpeg by up to %d", worst)
	case mse > 60: // the scene's noise alone is 50
		t.Fatalf("mean squared difference to djpeg %.1f at 1/%d", mse, scale)
	}
	t.Logf("1/%d: mean squared difference %.2f, worst %d", scale, mse, worst)
}

func TestLumaWithoutTables(t *testing.T) {
	pic := cjpeg(t, 640, 480)
	bare := withoutDHT(t, pic)
	var d, e Decoder
	want, err := d.Luma(pic)
	if err != nil {
		t.Fatal(err)
	}
	for name, pic := range map[string][]byte{"bare": bare, "mended": WithTables(bare)} {
		got, err := e.Luma(pic)
		if err != nil {
			t.Fatal(name, err)
		}
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s: another plane than with the tables in", name)
		}
	}
	compareLuma(t, &e, WithTables(bare), false)
	if got := WithTables(pic); &got[0] != &pic[0] {
		t.Error("a picture with its tables was copied")
	}
}

// withoutDHT removes the Huffman tables, as many USB cameras do.
func withoutDHT(t testing.TB, pic []byte) []byte {
	t.Helper()
	out := []byte{0xff, soi}
	for pos := 2; ; {
		m, _, next, err := segment(pic, pos)
		if err != nil {
			t.Fatal(err)
		}
		if m == sos {
			return append(out, pic[pos:]...)
		}
		if m != dht {
			out = append(out, pic[pos:next]...)
		}
		pos = next
	}
}

// A decoder goes from picture to picture of any kind; nothing of one may show
// in the next.
func TestDecoderForgets(t *testing.T) {
	var pics [][]byte
	for i, v := range variants {
		pics = append(pics, cjpeg(t, 640-7*i, 480, v.args...))
		pics = append(pics, withoutDHT(t, cjpeg(t, 320+i, 200)))
	}
	var d Decoder
	for i := range 3 * len(pics) {
		pic := pics[i*7%len(pics)]
		var fresh Decoder
		want, err := fresh.Luma(pic)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Luma(pic)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Pix, want.Pix) || got.Rect != want.Rect {
			t.Fatalf("picture %d decodes otherwise after others", i)
		}
		if _, err := d.Luma(pic[:len(pic)/2]); err == nil {
			t.Fatal("half a picture decoded")
		}
	}
}

func TestLumaAllocates(t *testing.T) {
	for _, w := range []int{640, 320, 160} {
		pic := encoded(t, w, w/4*3, 80)
		var d Decoder
		if n := testing.AllocsPerRun(10, func() {
			if _, err := d.Luma(pic); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%d wide: %v allocations a picture after the first", w, n)
		}
	}
}

func TestLumaRefuses(t *testing.T) {
	pic := encoded(t, 640, 480, 80)
	at := bytes.Index(pic, []byte{0xff, sof0})
	patch := func(off int, b ...byte) []byte {
		out := bytes.Clone(pic)
		copy(out[at+off:], b)
		return out
	}
	for _, c := range []struct {
		name string
		pic  []byte
		want error
	}{
		{"nothing", nil, ErrMalformed},
		{"garbage", []byte("not a picture at all"), ErrMalformed},
		{"header only", pic[:at+10], ErrMalformed},
		{"no data", pic[:bytes.Index(pic, []byte{0xff, sos})+14], ErrMalformed},
		{"last bytes missing", pic[:len(pic)-40], ErrMalformed},
		{"last byte missing", pic[:len(pic)-3], ErrMalformed},
		{"64 megapixels in a few bytes", patch(5, 0x1f, 0xf0, 0x1f, 0xf0), ErrMalformed},
		{"zero height", patch(5, 0, 0), ErrMalformed},
		{"zero width", patch(7, 0, 0), ErrMalformed},
		{"100 megapixels", patch(5, 0x27, 0x10, 0x27, 0x10), ErrTooLarge},
		{"16 megapixels in a few bytes", patch(5, 0x10, 0, 0x10, 0), ErrMalformed},
		{"12 bits", patch(4, 12), ErrUnsupported},
		{"arithmetic coding", patch(1, 0xc9), ErrUnsupported},
		{"no such quantisation table", patch(12, 3), ErrMalformed},
	} {
		for _, use32 := range []bool{false, true} {
			d := Decoder{use32: use32}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := d.Luma(c.pic)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.want) {
				t.Errorf("%s, 32=%t: %v, want %v", c.name, use32, err, c.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 300_000 {
				t.Errorf("%s: %d bytes allocated", c.name, n)
			}
		}
	}
}

func TestColourAgainstLibjpeg(t *testing.T) {
	var d Decoder
	for _, v := range variants {
		if v.name == "progressive" {
			continue
		}
		for n := 1; n <= 8; n++ {
			t.Run(fmt.Sprintf("%s %d of 8", v.name, n), func(t *testing.T) {
				pic := cjpeg(t, 333, 77, v.args...)
				got, err := d.Colour(pic, n)
				if err != nil {
					t.Fatal(err)
				}
				w, h, _, want := pnm(t, tool(t, pic, "djpeg", "-grayscale", "-scale", strconv.Itoa(n)+"/8"))
				if got.Rect != image.Rect(0, 0, w, h) {
					t.Fatalf("plane is %v, djpeg's %dx%d", got.Rect, w, h)
				}
				sum := 0
				for y := range h {
					for x := range w {
						diff := int(got.Y[y*got.YStride+x]) - int(want[y*w+x])
						sum += diff * diff
					}
				}
				mse := float64(sum) / float64(w*h)
				limit := 0.1
				if n == 6 { // libjpeg differs by up to one step a pass
					limit = 2
				}
				if n == 2 || n == 4 { // libjpeg-turbo keeps higher coefficients there
					limit = 60
				}
				if mse > limit {
					t.Fatalf("mean squared difference to djpeg's luma %.2f", mse)
				}
				t.Logf("mean squared difference %.3f", mse)
			})
		}
	}
}

func BenchmarkLuma(b *testing.B) {
	for _, s := range [][2]int{{320, 240}, {640, 480}, {1920, 1080}} {
		for _, use32 := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dx%d/32=%t", s[0], s[1], use32), func(b *testing.B) {
				pic := encoded(b, s[0], s[1], 80)
				d := Decoder{use32: use32}
				b.SetBytes(int64(len(pic)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Luma(pic); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkColour(b *testing.B) {
	pic := encoded(b, 1920, 1080, 80)
	for n := 1; n <= 8; n++ {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var d Decoder
			for b.Loop() {
				if _, err := d.Colour(pic, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Fill bytes may stand before any marker (T.81 B.1.1.2).
func TestFillBytes(t *testing.T) {
	pic := cjpeg(t, 640, 480, "-restart", "5B")
	var filled []byte
	for i, b := range pic {
		if b == 0xff && (pic[i+1] >= rst0 && pic[i+1] <= eoi && pic[i+1] != soi || pic[i+1] == dqt) {
			filled = append(filled, 0xff, 0xff)
		}
		filled = append(filled, b)
	}
	var d, e Decoder
	want, err := d.Luma(pic)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Luma(filled)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pix, want.Pix) {
		t.Error("another plane")
	}
}

// Each scan of a progressive picture costs a visit to every block.
func TestProgressiveLimits(t *testing.T) {
	pic := cjpeg(t, 64, 64, "-progressive")
	scans := cat(pic[:2], []byte{0xff, 0xfe, 0, 82}, bytes.Repeat([]byte{0xff, sos}, 40), pic[2:])
	at := bytes.Index(pic, []byte{0xff, sof2})
	large := bytes.Clone(pic)
	copy(large[at+5:], []byte{0x10, 0, 0x10, 0})
	for name, c := range map[string]struct {
		pic  []byte
		want error
	}{"scans": {scans, ErrUnsupported}, "16 megapixels": {large, ErrTooLarge}} {
		var d Decoder
		if _, err := d.Luma(c.pic); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
