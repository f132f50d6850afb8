package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// chunk is how much is asked from the reader at once. Large reads mean few
	// wake-ups, which cost more than the copying.
	chunk = 64 << 10
	// maxSegments in one picture; more is no camera's, and following endless
	// chains of them again and again would cost a hostile stream nothing.
	maxSegments = 128
)

// Splitter cuts a byte stream into complete JPEG pictures. It follows marker
// segments by their lengths, so a thumbnail inside a header ends nothing, and
// entropy-coded data by T.81 B.1.1.5 (stuffed zeros, RSTn). Bytes that belong to
// no picture, and pictures that break off, are skipped and counted.
type Splitter struct {
	// Memory, if set, returns the memory for a picture of n bytes; else each has
	// its own.
	Memory func(n int) []byte

	r   io.Reader
	max int
	err error // what the reader ended with, told once the buffer is used up

	store    []byte
	buf      []byte // unread part of store; a picture under way starts at buf[0]
	pos      int    // how far buf has been examined
	open     bool   // buf[0] is an SOI
	data     bool   // pos is in entropy-coded data, not between segments
	scans    bool   // entropy-coded data has begun
	segments int

	skipped uint64
	broken  uint64
}

// NewSplitter reads from r. Pictures larger than maxFrame bytes are dropped;
// the splitter never holds more than maxFrame plus one read of 64 KiB.
func NewSplitter(r io.Reader, maxFrame int) *Splitter {
	return &Splitter{r: r, max: max(maxFrame, 4)}
}

// Skipped is the number of bytes thrown away so far.
func (s *Splitter) Skipped() uint64 { return s.skipped }

// Broken is the number of pictures that began but did not end: cut short,
// malformed, or larger than the limit.
func (s *Splitter) Broken() uint64 { return s.broken }

// Next returns the next picture, SOI to EOI, in a slice of its own or Memory's. It returns
// as soon as the EOI has been read. At the end of the stream it returns io.EOF
// (a last, partial picture counts as broken), or the reader's own error.
func (s *Splitter) Next() ([]byte, error) {
	for {
		n, ok := s.scan()
		if ok {
			pic := s.copy(n)
			s.drop(n)
			return pic, nil
		}
		if s.open && len(s.buf) > s.max {
			s.giveUp()
			continue
		}
		if s.err != nil {
			if s.open { // whole pictures may follow the broken one's start
				s.giveUp()
				continue
			}
			s.skip(len(s.buf))
			return nil, s.err
		}
		s.read()
	}
}

func (s *Splitter) copy(n int) []byte {
	if s.Memory == nil {
		return bytes.Clone(s.buf[:n])
	}
	pic := s.Memory(n)
	return pic[:copy(pic, s.buf[:n])]
}

func (s *Splitter) read() {
	have := len(s.buf)
	if have == 0 { // the same memory for every picture is in the cache
		s.buf = s.store[:0]
	}
	if cap(s.buf)-have < chunk {
		if cap(s.store) < have+chunk {
			s.store = make([]byte, min(2*(have+chunk), max(s.max, have)+2*chunk))
		}
		s.buf = s.store[:copy(s.store, s.buf)]
	}
	for range 100 {
		n, err := s.r.Read(s.buf[have : have+chunk])
		if n < 0 || n > chunk {
			n, err = 0, fmt.Errorf("read a picture stream: reader returned %d bytes for %d", n, chunk)
		}
		s.buf = s.buf[:have+n]
		if s.err = err; err != nil && !errors.Is(err, io.EOF) {
			s.err = fmt.Errorf("read a picture stream: %w", err)
		}
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// scan looks at what has arrived. It returns the length of a complete picture
// at buf[0], or false when more bytes are needed.
func (s *Splitter) scan() (int, bool) {
	for {
		if !s.open && !s.findSOI() {
			return 0, false
		}
		b := s.buf
		if s.data {
			i := bytes.IndexByte(b[s.pos:], 0xff)
			if i < 0 {
				s.pos = len(b)
				return 0, false
			}
			s.pos += i
		}
		if s.pos+1 >= len(b) {
			return 0, false
		}
		if b[s.pos] != 0xff {
			s.giveUp()
			continue
		}
		switch m := b[s.pos+1]; {
		case m == 0xff: // fill byte, T.81 B.1.1.2
			s.pos++
		case m == eoi:
			if s.pos+2 <= s.max {
				return s.pos + 2, true
			}
			s.giveUp()
		case m == soi: // the picture under way was cut short
			s.giveUp()
		case m == 0 || bare(m):
			if !s.data {
				s.giveUp()
				continue
			}
			s.pos += 2
		default:
			if s.pos+4 > len(b) {
				return 0, false
			}
			n := int(b[s.pos+2])<<8 | int(b[s.pos+3])
			if n < 2 || s.pos+2+n > s.max || s.segments == maxSegments {
				s.giveUp()
				continue
			}
			if s.pos+2+n > len(b) {
				return 0, false
			}
			s.segments++
			s.data = m == sos
			s.scans = s.scans || s.data
			s.pos += 2 + n
		}
	}
}

// findSOI drops bytes up to the next SOI that another marker follows.
func (s *Splitter) findSOI() bool {
	i := bytes.Index(s.buf, []byte{0xff, soi, 0xff})
	if i < 0 {
		keep := 0 // the SOI may be cut by the end of the buffer
		switch n := len(s.buf); {
		case n >= 2 && s.buf[n-2] == 0xff && s.buf[n-1] == soi:
			keep = 2
		case n >= 1 && s.buf[n-1] == 0xff:
			keep = 1
		}
		s.skip(len(s.buf) - keep)
		return false
	}
	s.skip(i)
	s.open, s.pos = true, 2
	return true
}

// giveUp abandons the picture at buf[0]. The next may start right behind its SOI,
// or, once its data has begun, behind what has been examined.
func (s *Splitter) giveUp() {
	s.broken++
	if s.scans {
		s.skip(s.pos)
		return
	}
	s.skip(2)
}

func (s *Splitter) skip(n int) {
	s.skipped += uint64(n)
	s.drop(n)
}

func (s *Splitter) drop(n int) {
	s.buf = s.buf[n:]
	s.open, s.data, s.scans, s.pos, s.segments = false, false, false, 0, 0
}
