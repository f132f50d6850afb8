//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image/jpeg"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"pirwatch/capture/mjpeg"
)

// work does what peer/libjpeg.c does for decode: a checksum of all planes, then a
// pass for each line on standard input. After the time of a pass it prints how
// many allocations the pass made.
func work(set string, whole bool) error {
	pics, err := readSet(set)
	if err != nil {
		return err
	}
	var d mjpeg.Decoder
	sum := fnv.New64a()
	for _, pic := range pics {
		m, err := d.Luma(pic)
		if err != nil {
			return err
		}
		for y := range m.Rect.Dy() {
			sum.Write(m.Pix[y*m.Stride:][:m.Rect.Dx()])
		}
	}
	fmt.Println(sum.Sum64())
	runtime.LockOSThread()
	var before, after runtime.MemStats
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		runtime.ReadMemStats(&before)
		start, err := cpu()
		if err != nil {
			return err
		}
		for _, pic := range pics {
			if whole {
				_, err = jpeg.Decode(bytes.NewReader(pic))
			} else {
				_, err = d.Luma(pic)
			}
			if err != nil {
				return err
			}
		}
		end, err := cpu()
		if err != nil {
			return err
		}
		runtime.ReadMemStats(&after)
		fmt.Println(end-start, after.Mallocs-before.Mallocs)
	}
	return nil
}

// cpu is this thread's CPU time in nanoseconds.
func cpu() (int64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, fmt.Errorf("read the thread's CPU time: %w", err)
	}
	return t.Nano(), nil
}

func readSet(name string) (pics [][]byte, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for len(b) >= 4 {
		n := int(binary.LittleEndian.Uint32(b))
		pics, b = append(pics, b[4:4+n]), b[4+n:]
	}
	return pics, nil
}
