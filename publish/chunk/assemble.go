package chunk

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
)

// Why a piece or a picture was refused. Errors of Add wrap one of these.
var (
	ErrFormat   = errors.New("not a piece of a picture")
	ErrBase64   = errors.New("bad base64")
	ErrRange    = errors.New("pos out of range")
	ErrSize     = errors.New("size changed within a picture")
	ErrMismatch = errors.New("picture is not what its first piece says")
	ErrLimit    = errors.New("over the limit")
)

// Limits bound what strangers can make an Assembler hold. A zero field takes
// its default.
type Limits struct {
	Open    int           // unfinished pictures; default 64
	Bytes   int           // base64 characters and bookkeeping of unfinished pictures; default 64 MB
	Picture int           // bytes of one JPEG; default 16 MB
	Pieces  int           // pieces of one picture; default 65,536
	Payload int           // bytes of one message; default 1 MB
	Timeout time.Duration // since the last new piece; default 2 min
	Done    int           // finished pictures remembered, to know their late twins; default 1024
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Open, 64)
	set(&l.Bytes, 64<<20)
	set(&l.Picture, 16<<20)
	set(&l.Pieces, 65536)
	set(&l.Payload, 1<<20)
	set(&l.Done, 1024)
	if l.Timeout <= 0 {
		l.Timeout = 2 * time.Minute
	}
	return l
}

// pieceCost is what keeping a piece costs beside its characters, roughly.
const pieceCost = 64

// maxID is the longest picture or event id that is accepted.
const maxID = 128

// Assembler puts pieces together again. It holds nothing but unfinished
// pictures, within its Limits, and the names of those last finished. It is not
// for concurrent use.
type Assembler struct {
	limits Limits
	open   map[string]*draft
	bytes  int

	done  map[string]struct{}
	order []string // ring of the names in done
	next  int
}

// NewAssembler returns an empty Assembler.
func NewAssembler(limits Limits) *Assembler {
	return &Assembler{limits: limits.withDefaults(), open: map[string]*draft{}, done: map[string]struct{}{}}
}

// draft is an unfinished picture.
type draft struct {
	size    int
	pieces  map[int]string
	low     int // how many positions from 0 on are there without a gap
	chars   int // base64 characters held
	updated time.Time
	head    *head
}

// head is what piece 0 says about the picture, in the standard profile.
type head struct {
	eventID string
	seq     int
	bytes   int
	sha256  string
	taken   time.Time
	box     *[4]float64
}

// Result says what one message did.
type Result struct {
	PicID     string
	Pos       int
	Have      int      // different pieces of this picture so far
	Size      int      // as the message says it: the count, or the last index
	Duplicate bool     // this piece, or the whole picture, was there already
	Done      *Picture // the picture that this piece finished; the caller owns it
}

// Incomplete names a picture that did not become whole in time.
type Incomplete struct {
	PicID, EventID string // EventID is empty where piece 0 never came
	Have, Size     int
	Missing        []int // positions, at most 1000
}

// Add takes one message as it came, at a time with a monotonic reading. An
// error says why the message, or with ErrMismatch the whole picture, was
// refused; nothing of it is kept then.
func (a *Assembler) Add(at time.Time, payload []byte) (Result, error) {
	if len(payload) > a.limits.Payload {
		return Result{}, fmt.Errorf("piece of %d bytes, at most %d are taken: %w", len(payload), a.limits.Payload, ErrLimit)
	}
	p, err := parse(payload)
	if err != nil {
		return Result{}, err
	}
	r := Result{PicID: p.picID, Pos: p.pos, Size: p.size}
	if p.size > a.limits.Pieces {
		return r, fmt.Errorf("picture %q of %d pieces, at most %d are taken: %w", p.picID, p.size, a.limits.Pieces, ErrLimit)
	}
	if p.pos < 0 || p.pos > p.size {
		return r, fmt.Errorf("picture %q: pos %d with size %d: %w", p.picID, p.pos, p.size, ErrRange)
	}
	if _, ok := a.done[p.picID]; ok {
		r.Duplicate = true
		return r, nil
	}
	d := a.open[p.picID]
	if d == nil {
		if len(a.open) >= a.limits.Open {
			return r, fmt.Errorf("picture %q: %d pictures are open already: %w", p.picID, len(a.open), ErrLimit)
		}
		d = &draft{size: p.size, pieces: map[int]string{}}
	}
	r.Have = len(d.pieces)
	if d.size != p.size {
		return r, fmt.Errorf("picture %q: size %d, was %d: %w", p.picID, p.size, d.size, ErrSize)
	}
	if _, ok := d.pieces[p.pos]; ok {
		r.Duplicate = true
		return r, nil
	}
	if err := a.room(d, p); err != nil {
		return r, err
	}
	if p.pos == 0 {
		d.head = p.head
	}
	a.open[p.picID] = d
	d.pieces[p.pos] = strings.Clone(p.data) // not the whole message with it
	d.chars += len(p.data)
	a.bytes += len(p.data) + pieceCost
	d.updated = at
	for _, ok := d.pieces[d.low]; ok; _, ok = d.pieces[d.low] {
		d.low++
	}
	r.Have = len(d.pieces)

	jpeg, whole, err := d.finish(a.limits.Picture)
	if err != nil {
		a.drop(p.picID)
		return r, fmt.Errorf("picture %q: %w", p.picID, err)
	}
	if !whole {
		return r, nil
	}
	a.drop(p.picID)
	a.remember(p.picID)
	r.Done = &Picture{PicID: p.picID, JPEG: jpeg}
	if h := d.head; h != nil {
		r.Done.EventID, r.Done.Seq, r.Done.Taken, r.Done.Box = h.eventID, h.seq, h.taken, h.box
	}
	return r, nil
}

// room refuses a piece that would take the picture or the Assembler over its limits.
func (a *Assembler) room(d *draft, p piece) error {
	if (d.chars+len(p.data))/4*3 > a.limits.Picture+2 {
		return fmt.Errorf("picture %q larger than %d bytes: %w", p.picID, a.limits.Picture, ErrLimit)
	}
	if p.head != nil && p.head.bytes > a.limits.Picture {
		return fmt.Errorf("picture %q of %d bytes, at most %d are taken: %w", p.picID, p.head.bytes, a.limits.Picture, ErrLimit)
	}
	if a.bytes+len(p.data)+pieceCost > a.limits.Bytes {
		return fmt.Errorf("picture %q: unfinished pictures hold %d bytes already: %w", p.picID, a.bytes, ErrLimit)
	}
	return nil
}

// finish returns the JPEG where the picture is whole. size may be the number
// of pieces or the index of the last one: a piece at pos = size proves the
// latter; else the pieces 0 … size−1 are the picture if they look like an end.
func (d *draft) finish(maxBytes int) (jpeg []byte, whole bool, err error) {
	_, lastIndex := d.pieces[d.size]
	if lastIndex && d.low <= d.size || d.low < d.size || d.low == 0 {
		return nil, false, nil
	}
	n := d.low
	chars := d.chars
	want := -1
	if d.head != nil && d.head.bytes > 0 {
		want = base64.StdEncoding.EncodedLen(d.head.bytes)
	}
	last := d.pieces[n-1]
	short := chars%4 == 0 && (n > 1 && len(last) < len(d.pieces[0]) || strings.HasSuffix(last, "="))
	if !lastIndex && want >= 0 && chars < want && !short {
		return nil, false, nil // one more piece may come: size may be the last index
	}
	if want >= 0 && chars != want {
		return nil, false, fmt.Errorf("%d base64 characters, %d bytes announced: %w", chars, d.head.bytes, ErrMismatch)
	}
	text := make([]byte, 0, chars)
	for i := range n {
		text = append(text, d.pieces[i]...)
	}
	jpeg = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	got, err := base64.StdEncoding.Strict().Decode(jpeg, text)
	jpeg = jpeg[:got]
	if !lastIndex && want < 0 && !short {
		// Nothing but the bytes can tell whether a piece is still to come.
		if err != nil || !bytes.HasSuffix(bytes.TrimRight(jpeg, "\x00"), []byte{0xff, 0xd9}) {
			return nil, false, nil
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("all %d pieces there: %v: %w", n, err, ErrBase64)
	}
	if len(jpeg) > maxBytes {
		return nil, false, fmt.Errorf("%d bytes, at most %d are taken: %w", len(jpeg), maxBytes, ErrLimit)
	}
	if d.head == nil {
		return jpeg, true, nil
	}
	if d.head.bytes > 0 && d.head.bytes != len(jpeg) {
		return nil, false, fmt.Errorf("%d bytes, %d announced: %w", len(jpeg), d.head.bytes, ErrMismatch)
	}
	if d.head.sha256 != "" {
		if sum := sha256.Sum256(jpeg); !strings.EqualFold(hex.EncodeToString(sum[:]), d.head.sha256) {
			return nil, false, fmt.Errorf("sha256 %x, %q announced: %w", sum, d.head.sha256, ErrMismatch)
		}
	}
	return jpeg, true, nil
}

// Expire gives up the pictures that got no new piece for Limits.Timeout.
func (a *Assembler) Expire(now time.Time) []Incomplete {
	var out []Incomplete
	for id, d := range a.open {
		if now.Sub(d.updated) >= a.limits.Timeout {
			out = append(out, d.incomplete(id))
			a.drop(id)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].PicID < out[j].PicID })
	return out
}

// Missing tells what is still missing of an unfinished picture; ok is false
// where no such picture is open.
func (a *Assembler) Missing(picID string) (in Incomplete, ok bool) {
	d := a.open[picID]
	if d == nil {
		return Incomplete{}, false
	}
	return d.incomplete(picID), true
}

// Finished tells whether this picture was among the last ones finished.
func (a *Assembler) Finished(picID string) bool {
	_, ok := a.done[picID]
	return ok
}

// Held tells how many unfinished pictures there are, and the bytes they hold.
func (a *Assembler) Held() (pictures, bytes int) { return len(a.open), a.bytes }

func (d *draft) incomplete(id string) Incomplete {
	in := Incomplete{PicID: id, Have: len(d.pieces), Size: d.size}
	if d.head != nil {
		in.EventID = d.head.eventID
	}
	for pos := 0; pos < max(1, d.size) && len(in.Missing) < 1000; pos++ {
		if _, ok := d.pieces[pos]; !ok {
			in.Missing = append(in.Missing, pos)
		}
	}
	return in
}

func (a *Assembler) drop(id string) {
	if d := a.open[id]; d != nil {
		a.bytes -= d.chars + pieceCost*len(d.pieces)
		delete(a.open, id)
	}
}

func (a *Assembler) remember(id string) {
	if len(a.order) < a.limits.Done {
		a.order = append(a.order, id)
	} else {
		delete(a.done, a.order[a.next])
		a.order[a.next] = id
		a.next = (a.next + 1) % len(a.order)
	}
	a.done[id] = struct{}{}
}
