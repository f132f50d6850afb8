package detect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"pirwatch/motion/frames"
)

// output is where the decisions of all clips go.
type output struct {
	dir  string
	file string
	w    io.Writer // for "-"
}

// openOutput decides between file, folder and standard output.
func openOutput(o Options, clips []footage) (*output, error) {
	switch {
	case o.CSV == "":
		return &output{}, nil
	case o.CSV == "-":
		if len(clips) > 1 {
			return nil, fmt.Errorf("detect: --csv - takes one clip, not %d; name a folder", len(clips))
		}
		return &output{w: o.Stdout}, nil
	}
	info, err := os.Stat(o.CSV)
	isDir := err == nil && info.IsDir() || strings.HasSuffix(o.CSV, string(os.PathSeparator))
	if !isDir && len(clips) == 1 {
		return &output{file: o.CSV}, nil
	}
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("detect: --csv %s is a file; several clips need a folder", o.CSV)
	}
	if err := os.MkdirAll(o.CSV, 0o755); err != nil {
		return nil, fmt.Errorf("detect: make the folder of --csv: %w", err)
	}
	return &output{dir: o.CSV}, nil
}

// table begins the decisions of one clip.
func (o *output) table(clip string) (*table, error) {
	name := o.file
	if o.dir != "" {
		name = filepath.Join(o.dir, clip+".csv")
	}
	t := &table{}
	switch {
	case name != "":
		f, err := os.Create(name)
		if err != nil {
			return nil, fmt.Errorf("detect: write decisions: %w", err)
		}
		t.f, t.w = f, bufio.NewWriter(f)
	case o.w != nil:
		t.w = bufio.NewWriter(o.w)
	default:
		return t, nil
	}
	fmt.Fprintln(t.w, "frame,motion,score")
	return t, nil
}

// table is the CSV of one clip; one that goes nowhere has no writer.
type table struct {
	w *bufio.Writer
	f *os.File
}

func (t *table) row(n int, dec frames.Decision) error {
	if t.w == nil {
		return nil
	}
	motion := 0
	if dec.Motion {
		motion = 1
	}
	_, err := fmt.Fprintf(t.w, "%d,%d,%.5f\n", n, motion, dec.Score)
	return err
}

func (t *table) close() error {
	var err error
	if t.w != nil {
		err = t.w.Flush()
	}
	if t.f != nil {
		err = errors.Join(err, t.f.Close())
	}
	return err
}
