//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/sys/unix"

	"pirwatch/capture"
	"pirwatch/capture/picture"
)

// work makes the small picture of every file of dir for each line on standard
// input, and prints the CPU time in nanoseconds and the process's peak memory in
// bytes. arm "none" only reads the files.
func work(arm, dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil {
		return err
	}
	make, err := maker(arm)
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		start, err := cpu()
		if err != nil {
			return err
		}
		for _, name := range names {
			pic, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			out, err := make(pic)
			if err != nil {
				return err
			}
			if arm != "none" {
				if err := os.WriteFile(name+"."+arm, out, 0o600); err != nil {
					return err
				}
			}
		}
		if strings.HasPrefix(arm, "standard") {
			runtime.GC() // its garbage is part of its price
		}
		end, err := cpu()
		if err != nil {
			return err
		}
		hwm, err := peak(os.Getpid())
		if err != nil {
			return err
		}
		fmt.Println(end-start, hwm)
	}
	return nil
}

// peak is the most memory that a process has held at once, in bytes. Rusage would
// not do: it remembers what the process was before exec.
func peak(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, b, _ = bytes.Cut(b, []byte("VmHWM:"))
	var kb int
	_, err = fmt.Sscan(string(b), &kb)
	return kb << 10, err
}

func maker(arm string) (func([]byte) ([]byte, error), error) {
	switch arm {
	case "none":
		return func(pic []byte) ([]byte, error) { return pic, nil }, nil
	case "pirwatch":
		p, err := picture.New(picture.Options{Width: width, Height: height, Quality: 80})
		return func(pic []byte) ([]byte, error) {
			return p.Process(capture.Frame{At: time.Now(), Format: capture.JPEG, Data: pic}, "")
		}, err
	case "standard":
		return standard, nil
	case "pirwatch-text":
		p, err := picture.New(picture.Options{Camera: "door", Overlay: &picture.Overlay{Template: "{camera} {time}"}})
		return func(pic []byte) ([]byte, error) {
			return p.Process(capture.Frame{At: time.Now(), Format: capture.JPEG, Data: pic}, "")
		}, err
	case "standard-text": // without the text
		return func(pic []byte) ([]byte, error) {
			m, err := jpeg.Decode(bytes.NewReader(pic))
			if err != nil {
				return nil, err
			}
			var out bytes.Buffer
			err = jpeg.Encode(&out, m, &jpeg.Options{Quality: 80})
			return out.Bytes(), err
		}, nil
	}
	return nil, fmt.Errorf("unknown arm %q", arm)
}

func standard(pic []byte) ([]byte, error) {
	m, err := jpeg.Decode(bytes.NewReader(pic))
	if err != nil {
		return nil, err
	}
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.ApproxBiLinear.Scale(small, small.Rect, m, m.Bounds(), draw.Src, nil)
	var out bytes.Buffer
	err = jpeg.Encode(&out, small, &jpeg.Options{Quality: 80})
	return out.Bytes(), err
}

// cpu is this process's CPU time in nanoseconds, all threads together.
func cpu() (int64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read the CPU time: %w", err)
	}
	return t.Nano(), nil
}
