package chunk

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The example of protocol.md, field by field and in its order.
func TestAppendStandard(t *testing.T) {
	p := Picture{PicID: "01K-03", EventID: "01K", Seq: 3, Taken: taken, Box: &[4]float64{0.41, 0.3, 0.12, 0.33}, JPEG: []byte("0123456789")}
	got := all(Format{Size: 12}, p)
	want := []string{
		`{"data":"MDEyMzQ1Njc4","pic_id":"01K-03","pos":0,"size":2,"event_id":"01K","seq":3,"bytes":10,` +
			`"sha256":"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882","ts":"2026-11-22T12:08:01.250Z","box":[0.41,0.3,0.12,0.33]}`,
		`{"data":"OQ==","pic_id":"01K-03","pos":1,"size":2}`,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("pieces\n%s, want\n%s", got, want)
	}
}

func TestAppendRecipe(t *testing.T) {
	for _, c := range []struct {
		envelope Envelope
		want     string
	}{
		{Bare, `{"data":"QUJD","pic_id":"i\"d","pos":0,"size":1}`},
		{Object, `{"d":{"data":"QUJD","pic_id":"i\"d","pos":0,"size":1}}`},
		{String, `{"d":"{\"data\":\"QUJD\",\"pic_id\":\"i\\\"d\",\"pos\":0,\"size\":1}"}`},
	} {
		got := all(Format{Recipe: true, Envelope: c.envelope}, Picture{PicID: `i"d`, JPEG: []byte("ABCDEF")})
		if len(got) != 2 || got[0] != c.want {
			t.Errorf("envelope %d: %s, want two pieces, the first %s", c.envelope, got, c.want)
		}
	}
}

func TestPieceCount(t *testing.T) {
	for _, c := range []struct {
		f        Format
		bytes, n int
	}{
		{Format{}, 0, 0}, {Format{}, 1, 1}, {Format{}, 2250, 1}, {Format{}, 2251, 2}, {Format{}, 4500, 2},
		{Format{Recipe: true}, 1, 2}, {Format{Recipe: true}, 2250, 2}, {Format{Recipe: true}, 4500, 2}, {Format{Recipe: true}, 4501, 3},
		{Format{Size: 1}, 3, 4},
	} {
		s := c.f.Split(Picture{JPEG: make([]byte, c.bytes)})
		if s.Pieces() != c.n || c.f.Pieces(c.bytes) != c.n {
			t.Errorf("%+v, %d bytes: %d pieces, %d foretold, want %d", c.f, c.bytes, s.Pieces(), c.f.Pieces(c.bytes), c.n)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	for _, f := range []Format{{}, {Recipe: true, Envelope: String}, {Size: 1001}} {
		s := f.Split(pic(100_000, 1))
		buf := make([]byte, 0, 8192)
		pos := 0
		if n := testing.AllocsPerRun(100, func() { s.Append(buf[:0], pos); pos = (pos + 1) % s.Pieces() }); n != 0 {
			t.Errorf("%+v: %v allocations a piece", f, n)
		}
	}
}

// A picture keeps no more than its characters, whatever its messages carried.
func TestHeldIsBounded(t *testing.T) {
	a := NewAssembler(Limits{Bytes: 10_000, Open: 1000})
	now := time.Now()
	for i := range 1000 {
		a.Add(now, []byte(bare(fmt.Sprint(i), "AAAA", 0, "9")))
	}
	pictures, held := a.Held()
	if held > 10_000 || pictures != 10_000/(4+pieceCost) {
		t.Errorf("%d pictures hold %d bytes", pictures, held)
	}
	if got := len(a.Expire(now.Add(time.Hour))); got != pictures {
		t.Errorf("%d given up, want %d", got, pictures)
	}
	if pictures, held := a.Held(); pictures != 0 || held != 0 {
		t.Errorf("%d pictures, %d bytes after all were given up", pictures, held)
	}
}

func TestFinishedNamesAreBounded(t *testing.T) {
	a := NewAssembler(Limits{Done: 3})
	for i := range 10 {
		p := pic(6, i)
		if r, err := a.Add(time.Now(), []byte(all(Format{}, p)[0])); err != nil || r.Done == nil {
			t.Fatal(r, err)
		}
	}
	if len(a.done) != 3 || !a.Finished(pic(6, 9).PicID) || a.Finished(pic(6, 6).PicID) {
		t.Errorf("remembered: %v", a.done)
	}
}

// FuzzRoundTrip: whatever is cut, in whatever way, comes together in any order.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\xff\xd8 a picture \xff\xd9"), uint16(16), uint8(0), false, uint64(1))
	f.Add([]byte("x"), uint16(1), uint8(2), true, uint64(2))
	f.Fuzz(func(t *testing.T, body []byte, size uint16, envelope uint8, recipe bool, seed uint64) {
		if len(body) == 0 || len(body) > 4096 || bytes.Contains(body, []byte{0xff, 0xd9}) {
			return // an end of image at a cut looks like the end where no length is told
		}
		body = append([]byte{0xff, 0xd8}, append(body, 0xff, 0xd9)...)
		format := Format{Size: int(size), Envelope: Envelope(envelope % 3), Recipe: recipe}
		p := Picture{PicID: "p\"\\\n", EventID: "e", Seq: 7, Taken: taken, JPEG: body}
		pieces := all(format, p)
		rng := rand.New(rand.NewPCG(seed, 0))
		if !recipe {
			rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		}
		a := NewAssembler(Limits{})
		var done *Picture
		for i, piece := range pieces {
			if !json.Valid([]byte(piece)) {
				t.Fatalf("not JSON: %s", piece)
			}
			r, err := a.Add(taken, []byte(piece))
			if err != nil {
				t.Fatalf("piece %d of %d: %v", i, len(pieces), err)
			}
			if r.Done != nil {
				done = r.Done
			}
		}
		if done == nil || !bytes.Equal(done.JPEG, body) || done.PicID != p.PicID {
			t.Fatalf("came back as %+v", done)
		}
		if !recipe && (done.EventID != "e" || done.Seq != 7 || !done.Taken.Equal(taken)) {
			t.Errorf("head came back as %+v", done)
		}
	})
}

// FuzzAdd: no message of a stranger panics, or makes the Assembler hold more
// than its limits.
func FuzzAdd(f *testing.F) {
	for _, v := range makeVectors().Vectors {
		var all []byte
		for _, s := range v.Steps {
			all = append(append(all, s.Payload...), '\n')
		}
		f.Add(all)
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		a := NewAssembler(Limits{Open: 4, Bytes: 2000, Picture: 1000, Pieces: 50, Done: 4})
		for _, line := range bytes.Split(lines, []byte("\n")) {
			r, err := a.Add(taken, line)
			if err == nil && r.Done != nil && len(r.Done.JPEG) > 1000 {
				t.Fatalf("a picture of %d bytes", len(r.Done.JPEG))
			}
			if pictures, held := a.Held(); pictures > 4 || held > 2000 || held < 0 {
				t.Fatalf("%d pictures hold %d bytes", pictures, held)
			}
		}
		a.Expire(taken.Add(time.Hour))
		if pictures, held := a.Held(); pictures != 0 || held != 0 {
			t.Fatalf("%d pictures, %d bytes after all were given up", pictures, held)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := Format{}.Split(pic(100_000, 1))
	buf := make([]byte, 0, 8192)
	b.SetBytes(2250)
	b.ReportAllocs()
	for pos := 0; b.Loop(); pos = (pos + 1) % 40 {
		buf = s.Append(buf[:0], pos)
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	jpeg := jpegOf(2250)
	b.SetBytes(2250)
	b.ReportAllocs()
	for b.Loop() {
		text := base64.StdEncoding.EncodeToString(jpeg)
		json.Marshal(struct {
			Data  string `json:"data"`
			PicID string `json:"pic_id"`
			Pos   int    `json:"pos"`
			Size  int    `json:"size"`
		}{text, event + "-03", 5, 40})
	}
}
