package mjpeg

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func all(t *testing.T, s *Splitter) (pics [][]byte) {
	t.Helper()
	for {
		pic, err := s.Next()
		if errors.Is(err, io.EOF) {
			return pics
		}
		if err != nil {
			t.Fatal(err)
		}
		pics = append(pics, pic)
	}
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestSplitter(t *testing.T) {
	a, b := encoded(t, 64, 48, 90), encoded(t, 320, 240, 50)
	// A thumbnail in a header: its SOI and EOI are nobody's business.
	thumb := cat(a[:2], []byte{0xff, 0xe1, byte((len(a) + 2) >> 8), byte(len(a) + 2)}, a, b[2:])
	twoScans := cat(a[:len(a)-2], []byte{0xff, sos, 0, 4, 1, 2, 3, 0xff, 0, 0xff, rst0 + 3, 0xff, 0xff, eoi})
	long := make([]byte, 2000)
	endless := bytes.Repeat([]byte{0xff, 0xe0, 0, 2}, 2*maxSegments)
	for _, c := range []struct {
		name    string
		in      []byte
		want    [][]byte
		skipped int
		broken  int
	}{
		{"nothing", nil, nil, 0, 0},
		{"one", a, [][]byte{a}, 0, 0},
		{"three", cat(a, b, a), [][]byte{a, b, a}, 0, 0},
		{"garbage around", cat([]byte("--boundary\r\n\r\n"), a, []byte("\xff\xd8\xff\x00\r\n"), b, []byte{0xff}), [][]byte{a, b}, 21, 1},
		{"thumbnail", cat(thumb, a), [][]byte{thumb, a}, 0, 0},
		{"two scans, RSTn and fill bytes", cat(twoScans, b), [][]byte{twoScans, b}, 0, 0},
		{"partial last", cat(a, b[:len(b)-1]), [][]byte{a}, len(b) - 1, 1},
		{"cut in its data", cat(b[:len(b)/2], a), [][]byte{a}, len(b) / 2, 1},
		{"cut in its header", cat(b[:30], a, b), [][]byte{a, b}, 30, 1},
		{"larger than the limit", cat(a[:len(a)-2], long, bytes.Repeat(long, 20), a), [][]byte{a}, len(a) - 2 + 21*len(long), 1},
		{"segment of length 1", cat([]byte{0xff, soi, 0xff, 0xe0, 0, 1}, a), [][]byte{a}, 6, 1},
		{"endless header", cat(a[:2], endless, a), [][]byte{a}, 2 + len(endless), 1},
		{"SOI upon SOI", cat(bytes.Repeat([]byte{0xff, soi}, 1000), a), [][]byte{a}, 2000, 1000},
	} {
		for name, r := range map[string]io.Reader{
			"whole":     bytes.NewReader(c.in),
			"bytewise":  iotest.OneByteReader(bytes.NewReader(c.in)),
			"err early": iotest.DataErrReader(bytes.NewReader(c.in)),
		} {
			s := NewSplitter(r, 40_000)
			got := all(t, s)
			if len(got) != len(c.want) {
				t.Errorf("%s, %s: %d pictures, want %d", c.name, name, len(got), len(c.want))
				continue
			}
			for i := range got {
				if !bytes.Equal(got[i], c.want[i]) {
					t.Errorf("%s, %s: picture %d differs", c.name, name, i)
				}
			}
			if int(s.Skipped()) != c.skipped || int(s.Broken()) != c.broken {
				t.Errorf("%s, %s: skipped %d bytes and broken %d, want %d and %d",
					c.name, name, s.Skipped(), s.Broken(), c.skipped, c.broken)
			}
		}
	}
}

func TestSplitterDoesNotWaitForMore(t *testing.T) {
	a := encoded(t, 64, 48, 90)
	r, w := io.Pipe()
	defer r.Close()
	go w.Write(a)
	pic, err := NewSplitter(r, 1<<20).Next() // nothing follows the EOI
	if err != nil || !bytes.Equal(pic, a) {
		t.Fatal(len(pic), err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestSplitterErrors(t *testing.T) {
	broken := errors.New("cable pulled")
	a := encoded(t, 64, 48, 90)
	s := NewSplitter(io.MultiReader(bytes.NewReader(a), iotest.ErrReader(broken)), 1<<20)
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and again
		if _, err := s.Next(); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	if _, err := NewSplitter(stuck{}, 1<<20).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Fatal(err)
	}
}

// However the bytes arrive, the same pictures come out, each one SOI to EOI and
// within the limit, and every byte is in a picture or counted as skipped.
func FuzzSplitter(f *testing.F) {
	a := encoded(f, 24, 16, 50)
	f.Add(cat(a, a), 4000)
	f.Add(cat(a[:100], a, []byte{0xff, soi, 0xff}), 700)
	f.Add(cat(a[:len(a)-2], []byte{0xff, 0xff, eoi, 0xff, soi, 0xff}), 4000)
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		limit &= 0xffff
		run := func(r io.Reader) (pics [][]byte, skipped uint64) {
			s := NewSplitter(r, limit)
			for {
				pic, err := s.Next()
				if err != nil {
					return pics, s.Skipped()
				}
				pics = append(pics, pic)
			}
		}
		whole, skipped := run(bytes.NewReader(in))
		small, _ := run(iotest.HalfReader(bytes.NewReader(in)))
		total := int(skipped)
		for i, pic := range whole {
			total += len(pic)
			if len(pic) > max(limit, 4) || !bytes.HasPrefix(pic, []byte{0xff, soi}) || !bytes.HasSuffix(pic, []byte{0xff, eoi}) {
				t.Fatalf("not a picture within %d: %x", limit, pic)
			}
			if len(small) != len(whole) || !bytes.Equal(small[i], pic) {
				t.Fatal("depends on how the bytes arrive")
			}
		}
		if total != len(in) {
			t.Fatalf("%d of %d bytes accounted for", total, len(in))
		}
	})
}

func BenchmarkSplitter(b *testing.B) {
	pic := encoded(b, 1280, 720, 80)
	in := bytes.Repeat(pic, 20)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewSplitter(bytes.NewReader(in), 1<<20)
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}

// A picture without an end must not fill the memory.
func TestSplitterIsBounded(t *testing.T) {
	a := encoded(t, 64, 48, 90)
	const limit = 100_000
	s := NewSplitter(io.MultiReader(bytes.NewReader(a[:len(a)-2]), bytes.NewReader(make([]byte, 5_000_000)), bytes.NewReader(a)), limit)
	pic, err := s.Next()
	if err != nil || !bytes.Equal(pic, a) {
		t.Fatal(len(pic), err)
	}
	if cap(s.store) > limit+2*chunk {
		t.Errorf("%d bytes held for pictures of up to %d", cap(s.store), limit)
	}
}
