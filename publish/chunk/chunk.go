// Package chunk is the wire format of a picture in pieces: it cuts a JPEG into
// JSON messages and puts such messages together again. It does no I/O and owns
// no clock. protocol.md, "A picture in pieces", is the specification.
package chunk

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// DefaultSize is the number of base64 characters in a piece, as in the recipe
// of 2016.
const DefaultSize = 3000

// TimeLayout is how times look on the wire: RFC 3339, UTC, milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// Envelope is what is put around the JSON of a piece.
type Envelope uint8

const (
	Bare   Envelope = iota // {"data":…}
	Object                 // {"d":{"data":…}}
	String                 // {"d":"{\"data\":…}"}, as the recipe's pages expect
)

// ParseEnvelope reads the configuration's words none, object and string.
func ParseEnvelope(s string) (Envelope, error) {
	switch s {
	case "none":
		return Bare, nil
	case "object":
		return Object, nil
	case "string":
		return String, nil
	}
	return 0, fmt.Errorf("envelope %q: must be none, object or string", s)
}

// Format decides how a picture is cut. The zero value is the standard profile.
type Format struct {
	Size     int      // base64 characters a piece; 0 means DefaultSize
	Envelope Envelope // around each piece
	// Recipe leaves out all but the recipe's four fields, makes size the index
	// of the last piece, and cuts every picture into at least two pieces: a page
	// written after the recipe never counts the first one.
	Recipe bool
}

// Picture is a JPEG with what is told about it. Its bytes are only read.
type Picture struct {
	PicID, EventID string
	Seq            int
	Taken          time.Time
	Box            *[4]float64 // x, y, width, height in fractions; nil = unknown
	JPEG           []byte
}

// Splitter builds the pieces of one picture, in any order and as often as
// asked. It keeps the picture's bytes, and encodes only the piece asked for.
type Splitter struct {
	f     Format
	p     Picture
	cut   int // base64 characters a piece
	total int // base64 characters of the picture
	n     int
	// Ready-made text, escaped as the envelope asks.
	id   []byte // from the comma after data up to the value of pos
	size []byte // from there up to the end of size
	head []byte // the fields of piece 0 alone
}

// Split prepares a picture for sending. It reads the JPEG once, for its hash.
func (f Format) Split(p Picture) *Splitter {
	s := &Splitter{f: f, p: p, total: base64.StdEncoding.EncodedLen(len(p.JPEG))}
	s.cut, s.n = f.cut(s.total)
	s.id = s.appendKey(s.appendString(s.appendKey(nil, "pic_id"), p.PicID), "pos")
	size := s.n
	if f.Recipe {
		size--
	}
	s.size = strconv.AppendInt(s.appendKey(nil, "size"), int64(size), 10)
	if !f.Recipe {
		s.head = s.appendHead(nil)
	}
	return s
}

// Pieces tells how many pieces a JPEG of that many bytes makes.
func (f Format) Pieces(bytes int) int {
	_, n := f.cut(base64.StdEncoding.EncodedLen(bytes))
	return n
}

func (f Format) cut(total int) (cut, n int) {
	cut = f.Size
	if cut <= 0 {
		cut = DefaultSize
	}
	if f.Recipe {
		cut = min(cut, total/2)
	}
	cut = max(1, cut)
	return cut, (total + cut - 1) / cut
}

// Pieces tells how many pieces there are: 0 for a picture without bytes.
func (s *Splitter) Pieces() int { return s.n }

// JPEGBytes tells how many of the JPEG's bytes piece pos carries, rounded down.
func (s *Splitter) JPEGBytes(pos int) int {
	return (min((pos+1)*s.cut, s.total) - pos*s.cut) * 3 / 4
}

// Append appends the message of piece pos, 0 … Pieces()−1, to dst. It does not
// allocate where dst has room.
func (s *Splitter) Append(dst []byte, pos int) []byte {
	quote := `"`
	switch s.f.Envelope {
	case Object:
		dst = append(dst, `{"d":`...)
	case String:
		dst = append(dst, `{"d":"`...)
		quote = `\"`
	}
	dst = append(dst, '{')
	dst = append(dst, quote...)
	dst = append(dst, "data"...)
	dst = append(dst, quote...)
	dst = append(dst, ':')
	dst = append(dst, quote...)
	dst = s.appendData(dst, pos)
	dst = append(dst, quote...)
	dst = append(dst, s.id...)
	dst = strconv.AppendInt(dst, int64(pos), 10)
	dst = append(dst, s.size...)
	if pos == 0 {
		dst = append(dst, s.head...)
	}
	dst = append(dst, '}')
	switch s.f.Envelope {
	case Object:
		dst = append(dst, '}')
	case String:
		dst = append(dst, `"}`...)
	}
	return dst
}

// appendData appends the base64 characters of piece pos. A cut may lie inside
// a group of four: whole groups are encoded, and the surplus is cut off.
func (s *Splitter) appendData(dst []byte, pos int) []byte {
	from, to := pos*s.cut, min((pos+1)*s.cut, s.total)
	first, last := from/4, (to+3)/4
	start := len(dst)
	dst = appendBase64(dst, s.p.JPEG[first*3:min(last*3, len(s.p.JPEG))])
	if skip := from - first*4; skip > 0 {
		copy(dst[start:], dst[start+skip:])
	}
	return dst[:start+to-from]
}

func (s *Splitter) appendHead(dst []byte) []byte {
	dst = s.appendKey(dst, "event_id")
	dst = s.appendString(dst, s.p.EventID)
	dst = s.appendKey(dst, "seq")
	dst = strconv.AppendInt(dst, int64(s.p.Seq), 10)
	dst = s.appendKey(dst, "bytes")
	dst = strconv.AppendInt(dst, int64(len(s.p.JPEG)), 10)
	dst = s.appendKey(dst, "sha256")
	sum := sha256.Sum256(s.p.JPEG)
	dst = s.appendString(dst, hex.EncodeToString(sum[:]))
	dst = s.appendKey(dst, "ts")
	dst = s.appendString(dst, s.p.Taken.UTC().Format(TimeLayout))
	if s.p.Box != nil {
		dst = s.appendKey(dst, "box")
		dst = AppendBox(dst, *s.p.Box)
	}
	return dst
}

// AppendBox appends a box as a JSON array, four decimals at most.
func AppendBox(dst []byte, box [4]float64) []byte {
	for i, v := range box {
		sep := byte(',')
		if i == 0 {
			sep = '['
		}
		dst = append(dst, sep)
		dst = strconv.AppendFloat(dst, math.Round(v*1e4)/1e4, 'f', -1, 64)
	}
	return append(dst, ']')
}

func (s *Splitter) appendKey(dst []byte, key string) []byte {
	dst = append(dst, ',')
	dst = s.appendString(dst, key)
	return append(dst, ':')
}

func (s *Splitter) appendString(dst []byte, text string) []byte {
	quoted, _ := json.Marshal(text) // a string always marshals
	if s.f.Envelope != String {
		return append(dst, quoted...)
	}
	again, _ := json.Marshal(string(quoted))
	return append(dst, again[1:len(again)-1]...)
}
