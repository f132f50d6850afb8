// Package rpicam takes pictures with a Pi camera, through the programs that
// Raspberry Pi OS has for it: rpicam-vid (once libcamera-vid) as a long-lived
// child that writes one JPEG after another to its standard output ([Source]), or,
// for batteries, a camera that is opened only for a shot ([Still]).
//
// Facts about the programs are from rpicam-apps 1.13: each MJPEG frame is a
// complete JPEG with its Huffman tables, frames simply follow each other, and
// without --flush standard output is written in blocks.
package rpicam

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options become the program's arguments. A zero value leaves an argument out, so
// that the program's own default holds.
type Options struct {
	Program      string // empty: rpicam-vid, else libcamera-vid, from PATH
	StillProgram string // empty: rpicam-still, else libcamera-still

	Camera        int // index, as rpicam-vid --list-cameras counts them
	Width, Height int // pixels
	FPS           float64
	Quality       int // of the JPEG, 1 to 100

	Rotation     int // degrees clockwise: 0 or 180, the program can no other
	HFlip, VFlip bool

	Exposure     string        // normal, sport, long
	Metering     string        // centre, spot, average
	EV           float64       // exposure compensation in stops
	Gain         float64       // analogue gain; 0 = automatic
	Shutter      time.Duration // 0 = automatic
	AWB          string        // auto, incandescent, tungsten, fluorescent, indoor, daylight, cloudy
	Denoise      string        // auto, off, cdn_off, cdn_fast, cdn_hq
	HDR          string        // off, auto, sensor, single-exp
	Autofocus    string        // manual, auto, continuous
	FocusRange   string        // normal, macro, full
	LensPosition string        // dioptres (0 = infinity) or "default", for manual focus
	TuningFile   string

	Extra []string // appended as they are

	// Settle and SettleFrames: after the first frame this much, in time or in
	// frames, whichever is over first, is dropped while exposure and white balance
	// find their values. Both 0: 1 s or 10 frames. Negative: nothing is dropped.
	Settle       time.Duration
	SettleFrames int
}

const (
	settleTime   = time.Second
	settleFrames = 10
)

// check refuses what the program would refuse, or what would break the stream.
func (o Options) check() error {
	if o.Rotation != 0 && o.Rotation != 180 {
		return fmt.Errorf("rpicam: rotation %d: a Pi camera turns by 0 or 180 degrees only", o.Rotation)
	}
	if o.Width < 0 || o.Height < 0 || o.FPS < 0 || o.Camera < 0 {
		return fmt.Errorf("rpicam: camera %d, %dx%d at %g fps: want no negative number", o.Camera, o.Width, o.Height, o.FPS)
	}
	if o.Quality < 0 || o.Quality > 100 {
		return fmt.Errorf("rpicam: quality %d: want 1 to 100", o.Quality)
	}
	for _, arg := range o.Extra {
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(ours, name) || strings.HasPrefix(arg, "-o") || strings.HasPrefix(arg, "-t") {
			return fmt.Errorf("rpicam: extra argument %q: pirwatch sets that one itself; leave it out", arg)
		}
	}
	return nil
}

// ours would take the stream away or put something else into it.
var ours = []string{
	"--output", "--codec", "--timeout", "--encoding", "--metadata", "--segment", "--split", "--circular",
	"--frames", "--keypress", "--signal", "--initial", "--help", "-h", "--version", "--list-cameras", "--timelapse",
	"--libav-format", "--save-pts", "--listen",
}

// common are the arguments of both programs.
func (o Options) common() []string {
	a := []string{"--nopreview", "--verbose", "1", "--output", "-"}
	add := func(on bool, args ...string) {
		if on {
			a = append(a, args...)
		}
	}
	num := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	add(o.Camera > 0, "--camera", strconv.Itoa(o.Camera))
	add(o.Width > 0, "--width", strconv.Itoa(o.Width))
	add(o.Height > 0, "--height", strconv.Itoa(o.Height))
	add(o.Quality > 0, "--quality", strconv.Itoa(o.Quality))
	add(o.Rotation != 0, "--rotation", strconv.Itoa(o.Rotation))
	add(o.HFlip, "--hflip")
	add(o.VFlip, "--vflip")
	add(o.Exposure != "", "--exposure", o.Exposure)
	add(o.Metering != "", "--metering", o.Metering)
	add(o.EV != 0, "--ev", num(o.EV))
	add(o.Gain != 0, "--gain", num(o.Gain))
	add(o.Shutter > 0, "--shutter", strconv.FormatInt(o.Shutter.Microseconds(), 10))
	add(o.AWB != "", "--awb", o.AWB)
	add(o.Denoise != "", "--denoise", o.Denoise)
	add(o.HDR != "", "--hdr", o.HDR)
	add(o.Autofocus != "", "--autofocus-mode", o.Autofocus)
	add(o.FocusRange != "", "--autofocus-range", o.FocusRange)
	add(o.LensPosition != "", "--lens-position", o.LensPosition)
	add(o.TuningFile != "", "--tuning-file", o.TuningFile)
	return a
}

// video are the arguments of rpicam-vid for a stream without end.
func (o Options) video() []string {
	a := append(o.common(), "--timeout", "0", "--codec", "mjpeg", "--flush")
	if o.FPS > 0 {
		a = append(a, "--framerate", strconv.FormatFloat(o.FPS, 'g', -1, 64))
	}
	return append(a, o.Extra...)
}

// still are the arguments of rpicam-still for one picture without preview.
func (o Options) still() []string {
	a := append(o.common(), "--immediate", "--encoding", "jpg", "--thumb", "none")
	return append(a, o.Extra...)
}

// maxFrame bounds one JPEG: a byte a pixel is more than quality 100 needs.
func (o Options) maxFrame() int {
	if o.Width > 0 && o.Height > 0 {
		return max(o.Width*o.Height, 1<<20)
	}
	return 16 << 20
}
