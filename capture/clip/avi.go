package clip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// avi reads the first video stream of a RIFF AVI file (Microsoft, "AVI RIFF
// File Reference", and the OpenDML extensions, 1996). It goes through the
// chunks in file order and trusts no list's length and no index: a recording
// that was cut off has neither, and OpenDML's further RIFF parts are then just
// more chunks.
type avi struct {
	r      *bufio.Reader
	stream int     // number of the video stream
	rate   float64 // pictures a second
	total  int     // pictures the header promises, or -1
	last   []byte  // the picture before: an empty chunk repeats it
}

type chunk struct {
	id   [4]byte
	size uint32
}

func newAVI(r *bufio.Reader) (*avi, error) {
	a := &avi{r: r, stream: -1, total: -1}
	if err := a.header(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *avi) fps() float64 { return a.rate }
func (a *avi) frames() int  { return a.total }

// header reads up to the first chunk of LIST movi.
func (a *avi) header() error {
	streams := 0
	var kind, handler string // of the stream whose headers are being read
	for {
		c, list, err := a.chunk()
		if err == io.EOF {
			return errors.New("the AVI ends before its pictures begin")
		}
		if err != nil {
			return err
		}
		switch {
		case list == "movi":
			if a.stream < 0 {
				return errors.New("the AVI has no video")
			}
			return nil
		case list != "":
		case string(c.id[:]) == "strh":
			b, err := a.body(c, 1<<10)
			if err != nil {
				return err
			}
			streams++
			if kind = ""; len(b) < 36 {
				break
			}
			kind, handler = string(b[:4]), string(b[4:8])
			if kind != "vids" || a.stream >= 0 {
				break
			}
			a.stream = streams - 1
			scale, rate := binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint32(b[24:])
			if fps := float64(rate) / float64(scale); scale > 0 && fps >= 0.01 && fps <= 1000 {
				a.rate = fps
			}
			if n := binary.LittleEndian.Uint32(b[32:]); n > 0 && n < math.MaxInt32 {
				a.total = int(n)
			}
		case string(c.id[:]) == "strf":
			b, err := a.body(c, 1<<20)
			if err != nil {
				return err
			}
			if kind != "vids" || a.stream != streams-1 {
				break
			}
			codec := handler
			if len(b) >= 20 { // BITMAPINFOHEADER.biCompression; the handler is only a hint
				codec = string(b[16:20])
			}
			if !isMJPEG(codec) {
				return fmt.Errorf("the AVI's video is %q, not MJPEG; %s", codec, convert)
			}
		default:
			if err := a.skip(c); err != nil {
				return err
			}
		}
	}
}

// isMJPEG knows the names under which Motion JPEG is written.
func isMJPEG(codec string) bool {
	switch string(bytes.ToUpper([]byte(codec))) {
	case "MJPG", "JPEG", "AVRN", "AVDJ", "DMB1", "LJPG":
		return true
	}
	return false
}

// next returns the next picture. A chunk without data stands for the picture
// before it, so that picture i of the video stays picture i.
func (a *avi) next() ([]byte, error) {
	for {
		c, list, err := a.chunk()
		if err != nil {
			return nil, err
		}
		if list != "" {
			continue
		}
		if !a.isPicture(c.id) {
			if err := a.skip(c); err != nil {
				return nil, err
			}
			continue
		}
		if c.size == 0 {
			if a.last == nil {
				continue
			}
			return a.last, nil
		}
		b, err := a.body(c, maxFrame)
		if err != nil {
			return nil, err
		}
		a.last = trim(b)
		return a.last, nil
	}
}

// isPicture reports whether a chunk is of the video stream: ##dc, or ##db.
func (a *avi) isPicture(id [4]byte) bool {
	return id[0] == byte('0'+a.stream/10) && id[1] == byte('0'+a.stream%10) && id[2] == 'd' && (id[3] == 'c' || id[3] == 'b')
}

// trim cuts off what some writers add after EOI to fill a chunk.
func trim(b []byte) []byte {
	if i := bytes.LastIndex(b, []byte{0xff, 0xd9}); i >= 0 {
		return b[: i+2 : i+2]
	}
	return b
}

// chunk reads the next chunk's header. Of the lists that lead to pictures, and
// of RIFF itself, only the head is read: their content comes next. For those
// it returns the list's type.
func (a *avi) chunk() (c chunk, list string, err error) {
	var b [12]byte
	if _, err := io.ReadFull(a.r, b[:8]); err != nil {
		return c, "", ended(err)
	}
	if [8]byte(b[:8]) == ([8]byte{}) {
		return c, "", io.EOF // reserved by a recorder that was cut off
	}
	copy(c.id[:], b[:4])
	c.size = binary.LittleEndian.Uint32(b[4:])
	switch string(b[:4]) {
	case "RIFF", "LIST":
		if _, err := io.ReadFull(a.r, b[8:]); err != nil {
			return c, "", ended(err)
		}
		switch list = string(b[8:]); list {
		case "AVI ", "AVIX", "hdrl", "strl", "movi", "rec ":
			return c, list, nil
		}
		if c.size < 4 {
			return c, "", fmt.Errorf("the AVI is damaged: list %q of %d bytes", list, c.size)
		}
		c.size -= 4
		return c, "", nil
	}
	for _, ch := range b[:4] {
		if ch < ' ' || ch > '~' {
			return c, "", fmt.Errorf("the AVI is damaged: %q where a chunk's name should be", b[:4])
		}
	}
	return c, "", nil
}

// body reads a chunk's content and its padding. The memory for it grows with
// what is really there, and no further than limit.
func (a *avi) body(c chunk, limit int) ([]byte, error) {
	if int64(c.size) > int64(limit) {
		return nil, fmt.Errorf("the AVI is damaged: chunk %q of %d bytes, more than %d", c.id, c.size, limit)
	}
	var b []byte
	if c.size <= 1<<20 {
		b = make([]byte, c.size)
		if _, err := io.ReadFull(a.r, b); err != nil {
			return nil, ended(err)
		}
	} else {
		var buf bytes.Buffer
		if _, err := io.CopyN(&buf, a.r, int64(c.size)); err != nil {
			return nil, ended(err)
		}
		b = buf.Bytes()
	}
	if c.size%2 == 1 {
		a.r.ReadByte() // at the end of a file it may be missing
	}
	return b, nil
}

// skip reads past a chunk and its padding.
func (a *avi) skip(c chunk) error {
	_, err := io.CopyN(io.Discard, a.r, int64(c.size)+int64(c.size%2))
	return ended(err)
}

// ended makes one io.EOF of the ways in which a file can end too early: a
// recording that was cut off is as good as its whole pictures.
func ended(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}
