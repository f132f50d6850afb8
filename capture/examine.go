package capture

import (
	"bytes"
	"errors"
	"fmt"
)

// picture is what two frames are compared by: the pixels' bytes, without a
// JPEG's headers, in which some cameras write the time.
type picture struct{ data []byte }

// same reports whether two pictures are of the same bytes. Noise makes that
// impossible for a live sensor that sees any light; unequal lengths or an early
// difference make the comparison nearly free.
func (p picture) same(q picture) bool {
	return len(p.data) > 0 && bytes.Equal(p.data, q.data)
}

// examine refuses what is no picture: it looks at lengths and headers, not at
// the pixels.
func (c *Camera) examine(f Frame) (picture, error) {
	if len(f.Data) == 0 {
		return picture{}, errors.New("empty picture")
	}
	if len(f.Data) > c.o.MaxBytes {
		return picture{}, fmt.Errorf("picture of %d bytes: more than the limit of %d", len(f.Data), c.o.MaxBytes)
	}
	if f.Format != JPEG {
		if want := f.Format.Size(f.Width, f.Height); f.Width <= 0 || f.Height <= 0 || len(f.Data) != want {
			return picture{}, fmt.Errorf("%v picture of %d bytes: %dx%d has %d", f.Format, len(f.Data), f.Width, f.Height, want)
		}
		return picture{f.Data}, nil
	}
	w, h, scan, err := headers(f.Data)
	if err != nil {
		return picture{}, fmt.Errorf("damaged JPEG: %w", err)
	}
	if int64(w)*int64(h) > int64(c.o.MaxPixels) {
		return picture{}, fmt.Errorf("JPEG of %dx%d pixels: more than the limit of %d", w, h, c.o.MaxPixels)
	}
	return picture{f.Data[scan:]}, nil
}

// headers walks a JPEG's segments (T.81 B.1.1.3) up to the first scan and
// returns the frame's size and where the scan begins.
func headers(data []byte) (w, h, scan int, err error) {
	if len(data) < 4 || data[0] != 0xff || data[1] != 0xd8 {
		return 0, 0, 0, errors.New("it does not begin with SOI")
	}
	if data[len(data)-2] != 0xff || data[len(data)-1] != 0xd9 {
		return 0, 0, 0, errors.New("it does not end with EOI, the rest is missing")
	}
	for i := 2; ; {
		if data[i] != 0xff {
			return 0, 0, 0, fmt.Errorf("no marker at byte %d", i)
		}
		for i < len(data) && data[i] == 0xff { // any number of fill bytes
			i++
		}
		if i+3 > len(data) {
			return 0, 0, 0, errors.New("it has no scan")
		}
		marker := data[i]
		length := int(data[i+1])<<8 | int(data[i+2])
		body := i + 3
		next := i + 1 + length
		switch {
		case length < 2 || next >= len(data):
			return 0, 0, 0, fmt.Errorf("segment %#02x at byte %d is longer than the picture", marker, i)
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc: // SOFn
			if length < 8 {
				return 0, 0, 0, errors.New("its frame header is too short")
			}
			h, w = int(data[body+1])<<8|int(data[body+2]), int(data[body+3])<<8|int(data[body+4])
		case marker == 0xda: // SOS
			if w == 0 || h == 0 {
				return 0, 0, 0, errors.New("it has no size")
			}
			return w, h, i - 1, nil
		}
		i = next
	}
}
