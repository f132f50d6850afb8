// Package clip plays recorded footage as a camera would deliver it: MJPEG in an
// AVI file, a file of concatenated JPEGs, or a folder of them.
package clip

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"pirwatch/capture/mjpeg"
)

// maxFrame bounds one picture, so that a damaged length cannot cost more
// memory than the largest picture a camera takes.
const maxFrame = 32 << 20

// footage is one kind of file.
type footage interface {
	next() ([]byte, error) // io.EOF at the end
	fps() float64          // 0: unknown
	frames() int           // -1: unknown
}

// Reader reads a clip's pictures one after the other, as fast as they are
// asked for.
type Reader struct {
	path string
	file *os.File // nil for a folder
	footage
	n int // pictures read
}

// Open opens an AVI file with MJPEG video, a file of concatenated JPEGs (one
// alone is a clip of one picture), or a folder of JPEG files, which are taken
// in natural order: 2.jpg before 10.jpg.
func Open(path string) (*Reader, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open clip: %w", err)
	}
	if info.IsDir() {
		f, err := openFolder(path)
		if err != nil {
			return nil, err
		}
		return &Reader{path: path, footage: f}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open clip: %w", err)
	}
	f, err := sniff(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open clip %s: %w", path, err)
	}
	return &Reader{path: path, file: file, footage: f}, nil
}

// sniff tells a file by its first bytes.
func sniff(file io.Reader) (footage, error) {
	b := bufio.NewReaderSize(file, 64<<10)
	head, _ := b.Peek(12)
	switch {
	case len(head) == 12 && string(head[:4]) == "RIFF" && string(head[8:]) == "AVI ":
		return newAVI(b)
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return stream{mjpeg.NewSplitter(b, maxFrame)}, nil
	case len(head) == 0:
		return nil, errors.New("the file is empty")
	}
	return nil, fmt.Errorf("neither AVI nor JPEG; %s", convert)
}

// convert is the remedy for footage of another kind.
const convert = "make MJPEG of it: ffmpeg -i IN -an -c:v mjpeg -q:v 3 OUT.avi"

// Next returns the next picture, a complete JPEG with its Huffman tables, which
// may be kept but not changed; io.EOF after the last. A file that was cut off ends with
// its last whole picture.
func (r *Reader) Next() ([]byte, error) {
	jpeg, err := r.next()
	if err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("read clip %s, picture %d: %w", r.path, r.n, err)
	}
	r.n++
	return mjpeg.WithTables(jpeg), nil
}

// FPS returns the pictures a second that the clip was recorded with, 0 where
// it does not say.
func (r *Reader) FPS() float64 { return r.fps() }

// Frames returns how many pictures the clip says it has, -1 where it does not.
func (r *Reader) Frames() int { return r.frames() }

// Close closes the file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// stream is a file of concatenated JPEGs.
type stream struct{ *mjpeg.Splitter }

func (s stream) next() ([]byte, error) { return s.Next() }
func (stream) fps() float64            { return 0 }
func (stream) frames() int             { return -1 }
