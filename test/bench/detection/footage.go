//go:build linux

package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	avi "pirwatch/capture/clip"
	"pirwatch/capture/mjpeg"
	"pirwatch/motion/frames"
)

// clip is one labelled clip.
type clip struct {
	name   string
	path   string
	fps    float64
	labels []int // 1 motion, 0 none, -1 not scored

	planes []*image.Gray // decoded once, for the many runs of a validation
}

// load reads manifest and labels.
func load(corpus string) ([]clip, error) {
	raw, err := os.ReadFile(filepath.Join(corpus, "manifest.json"))
	if err != nil {
		return nil, err
	}
	var manifest []struct {
		Clip string
		FPS  float64
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	var clips []clip
	for _, m := range manifest {
		c := clip{name: m.Clip, fps: m.FPS, path: filepath.Join(corpus, m.Clip, "clip.avi")}
		f, err := os.Open(filepath.Join(corpus, m.Clip, "labels.csv"))
		if err != nil {
			return nil, err
		}
		rows := csv.NewReader(f)
		rows.FieldsPerRecord = -1
		all, err := rows.ReadAll()
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("labels of %s: %w", m.Clip, err)
		}
		for _, row := range all[1:] {
			c.labels = append(c.labels, map[string]int{"yes": 1, "no": 0, "ignore": -1}[row[1]])
		}
		clips = append(clips, c)
	}
	return clips, nil
}

// decode hands over the clip's planes, as the daemon makes them.
func (c *clip) decode(see func(*image.Gray)) error {
	r, err := avi.Open(c.path)
	if err != nil {
		return err
	}
	defer r.Close()
	var d mjpeg.Decoder
	for {
		jpeg, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		luma, err := d.Luma(jpeg)
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
		see(luma)
	}
}

// kept hands over the planes from memory.
func (c *clip) kept(see func(*image.Gray)) error {
	for _, p := range c.planes {
		see(p)
	}
	return nil
}

// keep decodes the clip into memory.
func (c *clip) keep() error {
	return c.decode(func(p *image.Gray) {
		q := image.NewGray(image.Rect(0, 0, p.Rect.Dx(), p.Rect.Dy()))
		for y := range q.Rect.Dy() {
			copy(q.Pix[y*q.Stride:][:q.Rect.Dx()], p.Pix[y*p.Stride:])
		}
		c.planes = append(c.planes, q)
	})
}

// decide runs the detector and returns its decision of every frame.
func decide(o frames.Options, c *clip, play func(func(*image.Gray)) error) ([]bool, error) {
	d, err := frames.New(o)
	if err != nil {
		return nil, err
	}
	on := make([]bool, 0, len(c.labels))
	start := time.Unix(0, 0)
	err = play(func(p *image.Gray) {
		at := start.Add(time.Duration(float64(len(on)) / c.fps * float64(time.Second)))
		on = append(on, d.Observe(at, p).Motion)
	})
	return on, err
}

// cpuTime is what the process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
