// Package v4l2 takes pictures with a USB camera through the kernel's Video4Linux
// interface (github.com/blackjack/webcam).
//
// MJPEG is asked for first, since the camera then does the encoding; YUYV and
// NV12 serve where there is none and are delivered raw. Huffman tables that many
// cameras leave out are put in before a frame is delivered.
package v4l2

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Options choose the camera and what it is asked for.
type Options struct {
	// Device: "auto" or empty for the first camera found, a path (/dev/video0, or
	// better /dev/v4l/by-id/…, which stays the same in any port), the last part of
	// such a path, or a piece of the camera's name.
	Device string

	Width, Height int     // pixels; the driver takes the nearest it has. 0 = 1280x720
	FPS           float64 // frames that come faster are dropped; 0 = as they come
	Format        string  // mjpeg, yuyv or nv12; empty = the first of these the camera has

	// Controls by the names v4l2-ctl --list-ctrls prints, or by these short ones,
	// which switch the automatic off first: exposure (in 100 µs), gain, focus,
	// white_balance (in kelvin). power_line_frequency is 0, 50 or 60 (hertz).
	Controls map[string]int

	// Settle: frames are dropped for this long after the first, until exposure has
	// found its value. 0: half a second; negative: nothing is dropped.
	Settle time.Duration
}

const (
	defaultWidth  = 1280
	defaultHeight = 720
	settleTime    = 500 * time.Millisecond
	bufferCount   = 4 // the library's 256 would cost hundreds of megabytes
)

func (o Options) check() error {
	switch o.Format {
	case "", "mjpeg", "yuyv", "nv12":
	default:
		return fmt.Errorf("v4l2: format %q: want mjpeg, yuyv or nv12", o.Format)
	}
	if o.Width < 0 || o.Height < 0 || o.FPS < 0 {
		return fmt.Errorf("v4l2: %dx%d at %g fps: want no negative number", o.Width, o.Height, o.FPS)
	}
	return nil
}

// Camera is a video device as List finds it.
type Camera struct {
	Path    string   // /dev/video0
	ByID    string   // /dev/v4l/by-id/…, empty where udev made none
	Name    string   // as the driver gives it
	Driver  string   // uvcvideo, …
	Formats []string // of mjpeg, yuyv, nv12 those it has, best first
	Skip    string   // why "auto" passes it over; empty for a camera that can be used
}

// String is one line for people.
func (c Camera) String() string {
	path := c.Path
	if c.ByID != "" {
		path = c.ByID
	}
	if c.Skip != "" {
		return fmt.Sprintf("%s (%s: %s)", c.Path, c.Name, c.Skip)
	}
	return fmt.Sprintf("%s (%s, %s)", path, c.Name, strings.Join(c.Formats, " "))
}

func quiet(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
