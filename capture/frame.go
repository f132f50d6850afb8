// Package capture knows what a camera is to pirwatch: something that delivers
// frames. It keeps a camera running ([Camera]), remembers the seconds before a
// trigger ([Ring]), decides which frames of an event are sent ([Burst]) and
// which of them shows it best ([Cover]). The drivers are its sub-packages.
package capture

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Format tells how the bytes of a frame are to be read.
type Format uint8

const (
	// JPEG is one complete JPEG file, SOI to EOI.
	JPEG Format = iota
	// YUYV is packed 4:2:2: Y0 U Y1 V for every two pixels, rows without
	// padding, 2·Width·Height bytes (V4L2_PIX_FMT_YUYV).
	YUYV
	// NV12 is 4:2:0: a plane of Width·Height luma bytes, then one of U and V
	// interleaved at half the size both ways, rows without padding
	// (V4L2_PIX_FMT_NV12).
	NV12
)

// String returns the format's name in lower case.
func (f Format) String() string {
	switch f {
	case JPEG:
		return "jpeg"
	case YUYV:
		return "yuyv"
	case NV12:
		return "nv12"
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// Size returns how many bytes a raw picture of w by h pixels has; 0 for JPEG,
// whose length is not known from its size.
func (f Format) Size(w, h int) int {
	switch f {
	case YUYV:
		return (w + 1) / 2 * 4 * h
	case NV12:
		return w*h + (w+1)/2*2*((h+1)/2)
	}
	return 0
}

// Frame is one picture from a camera.
type Frame struct {
	// At is when the picture was taken, or, where the camera does not say,
	// when it arrived. It carries a monotonic reading.
	At time.Time
	// Width and Height are in pixels.
	Width, Height int
	Format        Format
	// Data must not be changed once the frame is delivered. It is good while the
	// frame is in a [Ring] and until the ring's next Add; who wants it for longer
	// takes a copy by Keep.
	Data []byte
	// Loan is what Data lies in, if it is a pool's; a ring gives it back.
	Loan *Loan
}

// Keep returns the frame with Data that is good for ever.
func (f Frame) Keep() Frame {
	if f.Loan != nil {
		f.Data, f.Loan = bytes.Clone(f.Data), nil
	}
	return f
}

// Drop gives back the memory of a frame that nobody was given.
func (f Frame) Drop() { f.Loan.giveBack() }

// Source is a camera driver. Run is one session with the camera: it opens it
// and delivers frames, one call at a time and each soon after it was taken,
// until ctx ends (nil or ctx's error) or the camera fails (the reason). A
// source whose footage has an end returns nil there. Run may be called again
// once it has returned, and releases the camera before it does.
type Source interface {
	Run(ctx context.Context, deliver func(Frame)) error
}
