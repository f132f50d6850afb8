package clip

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is a folder of JPEG files.
type folder struct {
	dir   string
	names []string
	total int
}

func openFolder(dir string) (*folder, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open clip: %w", err)
	}
	f := &folder{dir: dir}
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg":
			if !e.IsDir() && e.Name()[0] != '.' {
				f.names = append(f.names, e.Name())
			}
		}
	}
	if len(f.names) == 0 {
		return nil, fmt.Errorf("open clip %s: no .jpg or .jpeg file in this folder", dir)
	}
	slices.SortFunc(f.names, natural)
	f.total = len(f.names)
	return f, nil
}

func (f *folder) fps() float64 { return 0 }
func (f *folder) frames() int  { return f.total }

func (f *folder) next() ([]byte, error) {
	if len(f.names) == 0 {
		return nil, io.EOF
	}
	name := f.names[0]
	f.names = f.names[1:]
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFrame+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxFrame:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFrame)
	case !bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return nil, fmt.Errorf("%s is no JPEG", name)
	}
	return trim(b), nil
}

// natural orders names as people number files: runs of digits by their value.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if isDigit(x[0]) && isDigit(y[0]) {
			var m, n string
			m, x = digits(x)
			n, y = digits(y)
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if m != n {
				return strings.Compare(m, n)
			}
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(a, b)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits takes a run of digits, without its leading zeros, off the front of s.
func digits(s string) (run, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}
