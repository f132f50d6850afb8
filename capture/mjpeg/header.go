package mjpeg

import (
	"errors"
	"fmt"
)

// MaxPixels is the largest picture that is decoded at all: 64 megapixels. A
// larger header is refused before anything is allocated.
const MaxPixels = 64 << 20

var (
	// ErrMalformed: the bytes do not follow T.81, or end too early.
	ErrMalformed = errors.New("malformed JPEG")
	// ErrUnsupported: a JPEG, but of a kind that no camera makes.
	ErrUnsupported = errors.New("unsupported JPEG")
	// ErrTooLarge: the header announces more pixels than are allowed.
	ErrTooLarge = errors.New("JPEG too large")
)

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// segment reads the marker segment at pos: its marker, its body without the
// length, and where the next one starts.
func segment(jpeg []byte, pos int) (m byte, body []byte, next int, err error) {
	if len(jpeg) < 4 || jpeg[0] != 0xff || jpeg[1] != soi {
		return 0, nil, 0, malformed("no SOI at the start")
	}
	for pos+1 < len(jpeg) && jpeg[pos] == 0xff && jpeg[pos+1] == 0xff {
		pos++
	}
	if pos+4 > len(jpeg) {
		return 0, nil, 0, malformed("ends in its header")
	}
	m = jpeg[pos+1]
	if jpeg[pos] != 0xff || m == 0 || bare(m) {
		return 0, nil, 0, malformed("no marker where one is due")
	}
	n := int(jpeg[pos+2])<<8 | int(jpeg[pos+3])
	next = pos + 2 + n
	if n < 2 || next > len(jpeg) {
		return 0, nil, 0, malformed("segment longer than the picture")
	}
	return m, jpeg[pos+4 : next], next, nil
}

// Size reads width and height in pixels from the frame header (T.81 B.2.2).
func Size(jpeg []byte) (w, h int, err error) {
	for pos := 2; ; {
		m, body, next, err := segment(jpeg, pos)
		if err != nil {
			return 0, 0, fmt.Errorf("size of a picture: %w", err)
		}
		if isSOF(m) {
			if len(body) < 6 {
				return 0, 0, fmt.Errorf("size of a picture: %w", malformed("short frame header"))
			}
			h, w = int(body[1])<<8|int(body[2]), int(body[3])<<8|int(body[4])
			if w == 0 || h == 0 {
				return 0, 0, fmt.Errorf("size of a picture: %w", malformed("zero width or height"))
			}
			return w, h, nil
		}
		if m == sos {
			return 0, 0, fmt.Errorf("size of a picture: %w", malformed("scan before the frame header"))
		}
		pos = next
	}
}

// component of the frame (T.81 B.2.2) and what the scan adds (B.2.3).
type component struct {
	id     byte
	h, v   int // sampling factors
	quant  int // slot of the quantisation table
	dc, ac int // slots of the Huffman tables
}

// header is what precedes the entropy-coded data of the scan that has the luma.
type header struct {
	sof      byte
	w, h     int
	comps    [4]component
	n        int // components in the frame
	hm, vm   int // largest sampling factors
	restart  int // MCUs between RSTn; 0: none
	adobe    int // APP14 transform flag; -1: none
	dcDef    [4]bool
	acDef    [4]bool
	quantDef [4]bool
	quant    [4][64]uint16 // zigzag order
	scan     [4]int        // indices into comps, in scan order
	ns       int           // components in the scan
	data     int           // where the entropy-coded data starts
}

// parse reads up to and including the first scan header. Huffman tables go to
// load, which may keep them from picture to picture.
func (h *header) parse(jpeg []byte, load func(class, slot int, spec []byte) error) error {
	h.n, h.restart, h.adobe, h.sof = 0, 0, -1, 0
	h.dcDef, h.acDef, h.quantDef = [4]bool{}, [4]bool{}, [4]bool{}
	for pos := 2; ; {
		m, body, next, err := segment(jpeg, pos)
		if err != nil {
			return err
		}
		switch {
		case m == dqt:
			err = h.parseDQT(body)
		case m == dht:
			err = h.parseDHT(body, load)
		case m == dri:
			if len(body) < 2 {
				return malformed("short DRI")
			}
			h.restart = int(body[0])<<8 | int(body[1])
		case m == app14:
			if len(body) >= 12 && string(body[:5]) == "Adobe" {
				h.adobe = int(body[11])
			}
		case isSOF(m):
			err = h.parseSOF(m, body)
		case m == sos:
			h.data = next
			return h.parseSOS(body)
		}
		if err != nil {
			return err
		}
		pos = next
	}
}

func (h *header) parseDQT(b []byte) error {
	for len(b) > 0 {
		slot, wide := b[0]&15, b[0]>>4
		n := 64 << wide
		if slot > 3 || wide > 1 || len(b) < 1+n {
			return malformed("quantisation table")
		}
		for i := range 64 {
			if wide == 0 {
				h.quant[slot][i] = uint16(b[1+i])
			} else {
				h.quant[slot][i] = uint16(b[1+2*i])<<8 | uint16(b[2+2*i])
			}
		}
		h.quantDef[slot] = true
		b = b[1+n:]
	}
	return nil
}

func (h *header) parseDHT(b []byte, load func(class, slot int, spec []byte) error) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
			return malformed("Huffman table")
		}
		n := 17
		for _, c := range b[1:17] {
			n += int(c)
		}
		if n > len(b) || n > 17+256 {
			return malformed("Huffman table")
		}
		class, slot := int(b[0]>>4), int(b[0]&15)
		if err := load(class, slot, b[1:n]); err != nil {
			return err
		}
		if class == 0 {
			h.dcDef[slot] = true
		} else {
			h.acDef[slot] = true
		}
		b = b[n:]
	}
	return nil
}

func (h *header) parseSOF(m byte, b []byte) error {
	if h.sof != 0 {
		return malformed("second frame header")
	}
	if m > sof2 {
		return fmt.Errorf("%w: frame type SOF%d; baseline or progressive would do", ErrUnsupported, m-sof0)
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return malformed("frame header")
	}
	if b[0] != 8 {
		return fmt.Errorf("%w: %d bits a sample; 8 would do", ErrUnsupported, b[0])
	}
	h.h, h.w, h.n = int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4]), int(b[5])
	if h.w == 0 || h.h == 0 {
		return malformed("zero width or height")
	}
	if h.w*h.h > MaxPixels {
		return fmt.Errorf("%w: %dx%d pixels; up to %d megapixels would do", ErrTooLarge, h.w, h.h, MaxPixels>>20)
	}
	if h.n < 1 || h.n > 4 {
		return fmt.Errorf("%w: %d components", ErrUnsupported, h.n)
	}
	h.hm, h.vm = 1, 1
	for i := range h.n {
		c := &h.comps[i]
		*c = component{id: b[6+3*i], h: int(b[7+3*i] >> 4), v: int(b[7+3*i] & 15), quant: int(b[8+3*i])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return malformed("component in the frame header")
		}
		if h.n == 1 { // T.81 A.2.2: not interleaved, so one block an MCU
			c.h, c.v = 1, 1
		}
		h.hm, h.vm = max(h.hm, c.h), max(h.vm, c.v)
	}
	h.sof = m
	return nil
}

func (h *header) parseSOS(b []byte) error {
	if h.sof == 0 {
		return malformed("scan before the frame header")
	}
	if len(b) < 1 || b[0] < 1 || int(b[0]) > h.n || len(b) < 4+2*int(b[0]) {
		return malformed("scan header")
	}
	h.ns = int(b[0])
	last := -1
	for i := range h.ns {
		found := -1
		for j := last + 1; j < h.n; j++ { // in the frame's order, T.81 B.2.3
			if h.comps[j].id == b[1+2*i] {
				found = j
				break
			}
		}
		if found < 0 {
			return malformed("scan of an unknown component")
		}
		c := &h.comps[found]
		c.dc, c.ac = int(b[2+2*i]>>4), int(b[2+2*i]&15)
		if c.dc > 3 || c.ac > 3 {
			return malformed("scan header")
		}
		h.scan[i], last = found, found
	}
	return nil
}
