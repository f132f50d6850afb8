package chunk

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// vectors is testdata/vectors.json; testdata/README.md explains it.
type vectors struct {
	About       string       `json:"about"`
	Vectors     []vector     `json:"vectors"`
	RecipePages []recipePage `json:"recipe_pages"`
}

type vector struct {
	Name   string        `json:"name"`
	Limits *vectorLimits `json:"limits,omitempty"`
	Steps  []step        `json:"steps"`
}

type vectorLimits struct {
	Open    int `json:"open,omitempty"`
	Bytes   int `json:"bytes,omitempty"`
	Picture int `json:"picture,omitempty"`
	Pieces  int `json:"pieces,omitempty"`
}

type step struct {
	Payload string `json:"payload,omitempty"`
	Outcome string `json:"outcome,omitempty"` // kept, twice, done, refused
	Reason  string `json:"reason,omitempty"`  // with refused: format, base64, range, size, mismatch, limit
	PicID   string `json:"pic_id,omitempty"`  // with done, as the fields below
	JPEG    string `json:"jpeg,omitempty"`    // base64
	SHA256  string `json:"sha256,omitempty"`

	WaitMS     int          `json:"wait_ms,omitempty"` // instead of a payload
	Incomplete []unfinished `json:"incomplete,omitempty"`
}

type unfinished struct {
	PicID   string `json:"pic_id"`
	Have    int    `json:"have"`
	Size    int    `json:"size"`
	Missing []int  `json:"missing"`
}

type recipePage struct {
	Name     string   `json:"name"`
	Payloads []string `json:"payloads"`
	Data     string   `json:"data"` // what the page shows after the last payload, and not before
}

var reasons = map[string]error{"format": ErrFormat, "base64": ErrBase64, "range": ErrRange,
	"size": ErrSize, "mismatch": ErrMismatch, "limit": ErrLimit}

// vectorTimeout is the receiver's time-out that wait_ms counts against.
const vectorTimeout = 120 * time.Second

func TestVectors(t *testing.T) {
	if *update {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(makeVectors()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 25 {
		t.Errorf("only %d vectors", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) { v.check(t) })
	}
	for _, p := range file.RecipePages {
		t.Run("recipe page: "+p.Name, func(t *testing.T) {
			var page recipeReceiver
			for i, payload := range p.Payloads {
				shown := page.receive(payload)
				if last := i == len(p.Payloads)-1; last != (shown != "") {
					t.Fatalf("payload %d: page shows %q", i, shown)
				} else if last && shown != p.Data {
					t.Errorf("page shows %q, want %q", shown, p.Data)
				}
			}
		})
	}
}

func (v vector) check(t *testing.T) {
	limits := Limits{Timeout: vectorTimeout}
	if l := v.Limits; l != nil {
		limits.Open, limits.Bytes, limits.Picture, limits.Pieces = l.Open, l.Bytes, l.Picture, l.Pieces
	}
	a := NewAssembler(limits)
	now := time.Now()
	for i, s := range v.Steps {
		if s.WaitMS > 0 {
			now = now.Add(time.Duration(s.WaitMS) * time.Millisecond)
			got := []unfinished{}
			for _, in := range a.Expire(now) {
				got = append(got, unfinished{in.PicID, in.Have, in.Size, in.Missing})
			}
			if fmt.Sprint(got) != fmt.Sprint(append([]unfinished{}, s.Incomplete...)) {
				t.Fatalf("step %d: gave up %v, want %v", i, got, s.Incomplete)
			}
			continue
		}
		r, err := a.Add(now, []byte(s.Payload))
		if s.Outcome == "refused" {
			if !errors.Is(err, reasons[s.Reason]) {
				t.Fatalf("step %d: error %v, want refused for %s", i, err, s.Reason)
			}
			continue
		}
		got := "kept"
		switch {
		case err != nil:
			t.Fatalf("step %d: %v, want %s", i, err, s.Outcome)
		case r.Done != nil:
			got = "done"
		case r.Duplicate:
			got = "twice"
		}
		if got != s.Outcome {
			t.Fatalf("step %d: %s, want %s", i, got, s.Outcome)
		}
		if r.Done != nil {
			sum := sha256.Sum256(r.Done.JPEG)
			if r.Done.PicID != s.PicID || base64.StdEncoding.EncodeToString(r.Done.JPEG) != s.JPEG || hex.EncodeToString(sum[:]) != s.SHA256 {
				t.Errorf("step %d: finished %q %x, want %q %s", i, r.Done.PicID, r.Done.JPEG, s.PicID, s.JPEG)
			}
		}
	}
	if pictures, held := a.Held(); pictures == 0 && held != 0 {
		t.Errorf("%d bytes held by no picture", held)
	}
}

// recipeReceiver is the page of the 2016 recipe, its counting included.
type recipeReceiver struct{ pictures map[string]*recipePicture }

type recipePicture struct {
	count, total int
	pieces       map[int]string
}

func (r *recipeReceiver) receive(payload string) (shown string) {
	var chunk struct{ D string }
	var p struct {
		Data  string
		PicID string `json:"pic_id"`
		Pos   int
		Size  float64
	}
	if json.Unmarshal([]byte(payload), &chunk) != nil || json.Unmarshal([]byte(chunk.D), &p) != nil {
		return ""
	}
	if r.pictures == nil {
		r.pictures = map[string]*recipePicture{}
	}
	pic := r.pictures[p.PicID]
	if pic == nil {
		r.pictures[p.PicID] = &recipePicture{total: int(p.Size), pieces: map[int]string{p.Pos: p.Data}}
		return ""
	}
	pic.pieces[p.Pos] = p.Data
	pic.count++
	if pic.count == pic.total {
		for i := 0; i <= pic.total; i++ {
			shown += pic.pieces[i]
		}
	}
	return shown
}

// jpegOf makes bytes that begin and end as a JPEG does.
func jpegOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*37 + 11)
	}
	copy(b, []byte{0xff, 0xd8, 0xff, 0xdb})
	copy(b[n-2:], []byte{0xff, 0xd9})
	return b
}

const event = "01K5ZQ8V4W5X6Y7Z8A9B0C1D2E"

var taken = time.Date(2026, 11, 22, 12, 8, 1, 250e6, time.UTC)

func pic(n, seq int) Picture {
	return Picture{PicID: fmt.Sprintf("%s-%02d", event, seq), EventID: event, Seq: seq, Taken: taken,
		Box: &[4]float64{0.41, 0.3, 0.12, 0.33}, JPEG: jpegOf(n)}
}

// all returns every piece of a picture.
func all(f Format, p Picture) []string {
	s := f.Split(p)
	out := make([]string, s.Pieces())
	for i := range out {
		out[i] = string(s.Append(nil, i))
	}
	return out
}

// sent turns payloads into steps, of which the last one finishes p.
func sent(p Picture, payloads ...string) []step {
	var steps []step
	for _, payload := range payloads {
		steps = append(steps, step{Payload: payload, Outcome: "kept"})
	}
	sum := sha256.Sum256(p.JPEG)
	last := &steps[len(steps)-1]
	last.Outcome, last.PicID = "done", p.PicID
	last.JPEG, last.SHA256 = base64.StdEncoding.EncodeToString(p.JPEG), hex.EncodeToString(sum[:])
	return steps
}

// bare makes the recipe's four fields by hand, with size as written.
func bare(id, data string, pos int, size string) string {
	return fmt.Sprintf(`{"data":%q,"pic_id":%q,"pos":%d,"size":%s}`, data, id, pos, size)
}

// cutBare cuts a JPEG every n characters, as old senders did.
func cutBare(p Picture, n int, size string) []string {
	text := base64.StdEncoding.EncodeToString(p.JPEG)
	var out []string
	for pos := 0; len(text) > 0; pos++ {
		k := min(n, len(text))
		out = append(out, bare(p.PicID, text[:k], pos, size))
		text = text[k:]
	}
	return out
}

func refused(reason, payload string) step {
	return step{Payload: payload, Outcome: "refused", Reason: reason}
}

func makeVectors() vectors {
	f := Format{Size: 16}
	p := pic(40, 0)    // 56 characters: 4 pieces, the last of 8
	even := pic(36, 1) // 48 characters: 3 whole pieces
	a := all(f, p)     // standard
	q, r := pic(40, 2), pic(25, 3)
	b, c := all(f, q), all(f, r)
	rec := all(Format{Size: 16, Recipe: true, Envelope: String}, p)
	tiny := pic(6, 4)
	tinyRec := all(Format{Size: 16, Recipe: true, Envelope: String}, tiny)
	again := q
	again.PicID = "fresh-id"
	recAgain := all(Format{Size: 16, Recipe: true, Envelope: String}, again)
	text := base64.StdEncoding.EncodeToString
	odd := slices.Clone(a)
	odd[1] = strings.Replace(odd[1], `"size":4`, `"size":5`, 1)
	hash := slices.Clone(a)
	hash[0] = hash[0][:strings.Index(hash[0], `"sha256":"`)] + `"sha256":"` + strings.Repeat("0", 64) + `"}`
	longer := slices.Clone(a)
	longer[0] = strings.Replace(longer[0], `"bytes":40`, `"bytes":41`, 1)
	noPad := cutBare(pic(36, 5), 12, "4") // 48 characters without padding, size is the count
	thumb := pic(36, 6)
	thumb.JPEG[10], thumb.JPEG[11] = 0xff, 0xd9 // an embedded end, not at the end
	twice := func(payload string) step { return step{Payload: payload, Outcome: "twice"} }
	kept := func(payload string) step { return step{Payload: payload, Outcome: "kept"} }
	steps := func(parts ...[]step) []step { return slices.Concat(parts...) }

	return vectors{
		About: "see README.md beside this file; made by go test ./publish/chunk -run TestVectors -update",
		Vectors: []vector{
			{Name: "in order", Steps: sent(p, a...)},
			{Name: "one piece", Steps: sent(tiny, all(f, tiny)...)},
			{Name: "backwards", Steps: sent(p, a[3], a[2], a[1], a[0])},
			{Name: "a piece twice, and all again after the end", Steps: steps(
				[]step{kept(a[0]), twice(a[0]), kept(a[2]), twice(a[2])}, sent(p, a[3], a[1]), []step{twice(a[0]), twice(a[1])})},
			{Name: "three pictures interleaved", Steps: steps(
				[]step{kept(a[0]), kept(b[0]), kept(c[0]), kept(a[1]), kept(b[2]), kept(b[1])}, sent(r, c[1:]...), sent(q, b[3]), sent(p, a[3], a[2]))},
			{Name: "a cut that is no multiple of four", Steps: sent(p, all(Format{Size: 7}, p)...)},
			{Name: "inside d as an object", Steps: sent(p, all(Format{Size: 16, Envelope: Object}, p)...)},
			{Name: "inside d as a string", Steps: sent(p, all(Format{Size: 16, Envelope: String}, p)...)},
			{Name: "recipe profile", Steps: sent(p, rec...)},
			{Name: "recipe profile, tiny picture in two pieces", Steps: sent(tiny, tinyRec...)},
			{Name: "recipe profile, last piece first", Steps: sent(p, rec[3], rec[0], rec[1], rec[2])},
			{Name: "size as a float, the count", Steps: sent(p, cutBare(p, 16, "4.0")...)},
			{Name: "size as a float, the last index", Steps: sent(p, cutBare(p, 16, "3.0")...)},
			{Name: "old sender: one piece, size 0.0", Steps: sent(tiny, cutBare(tiny, 16, "0.0")...)},
			{Name: "old sender: count, length divides evenly", Steps: sent(even, cutBare(even, 16, "3")...)},
			{Name: "old sender: last index, length divides evenly", Steps: sent(even, cutBare(even, 16, "2")...)},
			{Name: "old sender: count, no padding, equal pieces", Steps: sent(Picture{PicID: pic(36, 5).PicID, JPEG: pic(36, 5).JPEG}, noPad...)},
			{Name: "old sender: empty tail after the end", Steps: steps(
				sent(even, cutBare(even, 16, "3.0")...), []step{twice(bare(even.PicID, "", 3, "3.0"))})},
			{Name: "old sender: empty tail before the end", Steps: sent(even,
				cutBare(even, 16, "3.0")[0], bare(even.PicID, "", 3, "3.0"), cutBare(even, 16, "3.0")[2], cutBare(even, 16, "3.0")[1])},
			{Name: "an end inside the picture is not the end", Steps: sent(thumb, cutBare(thumb, 16, "2")...)},
			{Name: "last index, padding cut in two", Steps: sent(p, cutBare(p, 55, "1")...)},
			{Name: "pos out of range", Steps: steps([]step{refused("range", bare("x", "AAAA", 5, "4")), refused("range", bare("x", "AAAA", -1, "4"))}, sent(p, a...))},
			{Name: "size changes", Steps: steps([]step{kept(odd[0]), refused("size", odd[1])}, sent(p, a[1:]...))},
			{Name: "bad base64: a character outside the alphabet", Steps: []step{refused("base64", bare("x", "AA*A", 0, "2")), refused("base64", bare("x", "AA-A", 0, "2")), refused("base64", bare("x", "AA A", 0, "2"))}},
			{Name: "bad base64: padding inside", Steps: []step{refused("base64", bare("x", "AA=A", 0, "2")), refused("base64", bare("x", "A===", 0, "2"))}},
			{Name: "bad base64: padding before the last piece", Steps: []step{kept(bare("x", "/9jAAA==", 0, "2")), refused("base64", bare("x", "/9jAAA==", 1, "2"))}},
			{Name: "hash does not match, then whole again", Steps: steps(
				[]step{kept(hash[0]), kept(hash[1]), kept(hash[2]), refused("mismatch", hash[3])}, sent(p, a...))},
			{Name: "length does not match", Steps: []step{kept(longer[0]), kept(longer[1]), kept(longer[2]), refused("mismatch", longer[3])}},
			{Name: "not a piece", Steps: []step{refused("format", "hello"), refused("format", "{}"), refused("format", "[]"), refused("format", `{"d":"no json"}`),
				refused("format", `{"d":3}`), refused("format", bare("", "AAAA", 0, "2")), refused("format", `{"data":7,"pic_id":"x","pos":0,"size":2}`),
				refused("format", `{"pic_id":"x","pos":0,"size":2}`)}},
			{Name: "numbers that are none", Steps: []step{refused("format", bare("x", "AAAA", 0, "2.5")), refused("format", bare("x", "AAAA", 0, `"2"`)),
				refused("format", bare("x", "AAAA", 0, "-1")), refused("format", bare("x", "AAAA", 0, "1e300"))}},
			{Name: "an id too long", Steps: []step{refused("format", bare(strings.Repeat("x", 129), "AAAA", 0, "2")), kept(bare(strings.Repeat("x", 128), "AAAA", 0, "2"))}},
			{Name: "too many open pictures", Limits: &vectorLimits{Open: 2}, Steps: steps([]step{kept(a[0]), kept(b[0]), refused("limit", c[0])}, sent(p, a[1:]...), []step{kept(c[0])})},
			{Name: "too many bytes", Limits: &vectorLimits{Bytes: 300}, Steps: []step{kept(bare("x", strings.Repeat("A", 200), 0, "9")), refused("limit", bare("x", strings.Repeat("A", 200), 1, "9"))}},
			{Name: "too large a picture", Limits: &vectorLimits{Picture: 100}, Steps: []step{kept(bare("x", strings.Repeat("A", 100), 0, "9")), refused("limit", bare("x", strings.Repeat("A", 100), 1, "9"))}},
			{Name: "too many pieces", Limits: &vectorLimits{Pieces: 100}, Steps: []step{refused("limit", bare("x", "AAAA", 0, "101")), kept(bare("x", "AAAA", 0, "100"))}},
			{Name: "given up after the time-out, by name", Steps: []step{kept(a[0]), kept(a[2]), {WaitMS: 119_000}, kept(b[1]), {WaitMS: 1_000,
				Incomplete: []unfinished{{p.PicID, 2, 4, []int{1, 3}}}}, {WaitMS: 119_000, Incomplete: []unfinished{{q.PicID, 1, 4, []int{0, 2, 3}}}}, kept(a[1])}},
		},
		RecipePages: []recipePage{
			{Name: "a picture", Payloads: rec, Data: text(p.JPEG)},
			{Name: "a tiny picture", Payloads: tinyRec, Data: text(tiny.JPEG)},
			{Name: "a cut in mid-picture, whole again under a fresh id", Payloads: append([]string{
				strings.Replace(recAgain[0], "fresh-id", "old-id", 1), strings.Replace(recAgain[1], "fresh-id", "old-id", 1)}, recAgain...), Data: text(again.JPEG)},
			{Name: "a piece that is not the recipe's", Payloads: append([]string{a[0]}, rec...), Data: text(p.JPEG)},
		},
	}
}
