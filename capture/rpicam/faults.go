package rpicam

import (
	"context"
	"io"
	"log/slog"
	"strings"
)

// A fault is something the programs or libcamera say on standard error, and what
// it means to the camera's owner.
type fault struct {
	said  []string // any of these, in lower case
	means string
	ends  bool // the program goes on after it, without pictures: end it
}

// faults in the order of how much they explain: of several messages the first
// entry here is told.
var faults = []fault{
	{[]string{"no cameras available"},
		"the Pi sees no camera: check both ends of the ribbon cable (contacts the right way round), that `camera_auto_detect=1` or the sensor's overlay is in /boot/firmware/config.txt, and start the Pi again", false},
	{[]string{"in use by another process", "failed to acquire camera"},
		"the camera is in use by another program: find it with `sudo fuser -v /dev/media*` and stop it (rpicam-hello, motion, mediamtx, another pirwatch)", false},
	{[]string{"dmaheap", "dma_heap", "dma-heap", "dma-buf provider"},
		"no access to /dev/dma_heap, which the camera's memory comes from: the service's user needs the group video, and the udev rule `SUBSYSTEM==\"dma_heap\", GROUP=\"video\", MODE=\"0660\"` where the system has none", false},
	{[]string{"selected camera is not available", "camera index"},
		"there is no camera of this number: `rpicam-vid --list-cameras` shows which there are", false},
	{[]string{"unrecognised option", "unrecognized option", "too many positional options", "for option '", "invalid hdr option", "invalid lens position", "unrecognised codec", "unknown codec"},
		"the program does not know one of its arguments: check the camera's settings and `extra`, or update with `sudo apt install rpicam-apps-lite`", false},
	{[]string{"failed to open tuning file", "camera tuning file", "failed to load tuning"},
		"the tuning file cannot be read: check its name, and that the service may read it", false},
	{[]string{"cannot allocate memory", "failed to allocate capture buffers", "unable to allocate", "failed to allocate"},
		"there is too little contiguous memory for the camera: choose a smaller picture, or raise `cma` in /boot/firmware/config.txt (dtoverlay=vc4-kms-v3d,cma-256)", false},
	{[]string{"device timeout detected", "camera frontend has timed out"},
		"the camera's sensor stopped answering: check that the ribbon cable is seated at both ends, keep it away from motors and Wi-Fi antennas, and try another cable; the power supply may be too weak", true},
	{[]string{"failed to start camera", "failed to configure camera", "failed to validate stream", "failed to generate capture request"},
		"the camera refused its settings: check size and frame rate against `rpicam-vid --list-cameras`", false},
	{[]string{"error while loading shared libraries"},
		"the camera programs are not completely installed: `sudo apt install --reinstall rpicam-apps-lite`", false},
	{[]string{"permission denied"},
		"no permission for the camera: the service's user needs the group video", false},
}

// diagnosis reads a program's standard error.
type diagnosis struct {
	log   *slog.Logger
	known int    // index into faults; len(faults) when nothing is known
	said  string // the line that told it
	last  string // the last line that looks like an error, else the last line
	bad   bool   // last is an error line
	end   func() // called once, when the program must be ended
}

const maxLine = 1000

// line takes one line.
func (d *diagnosis) line(s string) {
	if s = strings.TrimSpace(s); s == "" {
		return
	}
	d.log.Debug("camera program says", "line", s)
	low := strings.ToLower(s)
	bad := strings.Contains(low, "error") || strings.Contains(low, "fatal")
	if chatter := strings.Contains(s, "]  INFO ") || strings.Contains(s, "]  WARN "); bad || !d.bad && !chatter {
		d.last, d.bad = s, bad
	}
	for i, f := range faults[:d.known] {
		for _, said := range f.said {
			if strings.Contains(low, said) {
				d.known, d.said = i, s
				if f.ends {
					d.end()
				}
				return
			}
		}
	}
}

// read takes lines until the end of r; overlong ones are cut.
func (d *diagnosis) read(r io.Reader) {
	buf, n := make([]byte, maxLine), 0
	for {
		m, err := r.Read(buf[n:])
		n += m
		start := 0
		for i := n - m; i < n; i++ {
			if buf[i] == '\n' || buf[i] == '\r' {
				d.line(string(buf[start:i]))
				start = i + 1
			}
		}
		n = copy(buf, buf[start:n])
		if err != nil || n == len(buf) {
			d.line(string(buf[:n]))
			n = 0
		}
		if err != nil {
			return
		}
	}
}

// why says what the program ended of.
func (d *diagnosis) why(program string, exit error) string {
	switch {
	case d.known < len(faults):
		return faults[d.known].means
	case d.last != "":
		return program + " ended (" + exitText(exit) + "): " + d.last
	}
	return program + " ended (" + exitText(exit) + ") and did not say why"
}

func exitText(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func over(ctx context.Context) bool { return ctx.Err() != nil }
