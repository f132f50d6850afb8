package v4l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

// Source is a USB camera. It is a [capture.Source].
type Source struct {
	o    Options
	log  *slog.Logger
	open func(path string) (device, error)
	list func() []Camera
	pool capture.Pool

	mu       sync.Mutex
	controls map[string]int
	changed  bool
}

// New makes a source; nothing is opened before Run. A nil log discards.
func New(o Options, log *slog.Logger) *Source {
	return &Source{o: o, log: quiet(log), open: open, list: List, controls: o.Controls}
}

// Set changes controls (those for the night, say), in a session under way too.
func (s *Source) Set(controls map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.controls, s.changed = maps.Clone(controls), true
}

// Run looks for the camera, opens it and delivers its frames until ctx ends (nil)
// or the camera fails or is unplugged: the error then says so in one sentence. A
// frame's time is when the driver handed it over.
func (s *Source) Run(ctx context.Context, deliver func(capture.Frame)) error {
	if err := s.o.check(); err != nil {
		return err
	}
	path, err := choose(s.o.Device, s.list())
	if err != nil {
		return err
	}
	d, err := s.open(path)
	if err != nil {
		return explain("open", path, err)
	}
	defer d.Close()
	g, err := s.configure(d, path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	controls := s.controls
	s.changed = false
	s.mu.Unlock()
	if err := control(d, controls); err != nil {
		s.log.Warn("camera controls", "device", path, "err", err)
	}
	if err := d.StartStreaming(); err != nil {
		return explain("start", path, err)
	}
	s.log.Info("camera open", "device", path, "format", format(g.format), "width", g.width, "height", g.height)
	return s.stream(ctx, d, path, g, deliver)
}

// configure agrees with the driver on format, size and rate.
func (s *Source) configure(d device, path string) (geometry, error) {
	has := d.GetSupportedFormats()
	var code webcam.PixelFormat
	for _, f := range formats {
		if _, ok := has[f.code]; ok && (s.o.Format == "" || s.o.Format == f.name) {
			code = f.code
			break
		}
	}
	if code == 0 {
		var names []string
		for _, name := range has {
			names = append(names, name)
		}
		want := s.o.Format
		if want == "" {
			want = "mjpeg, yuyv, nv12"
		}
		return geometry{}, fmt.Errorf("v4l2: %s has no picture format we know (%s); it has: %s", path, want, strings.Join(names, ", "))
	}
	w, h := s.o.Width, s.o.Height
	if w == 0 || h == 0 {
		w, h = defaultWidth, defaultHeight
	}
	if _, _, _, err := d.SetImageFormat(code, uint32(w), uint32(h)); err != nil {
		return geometry{}, explain("set the picture format of", path, err)
	}
	g, err := d.geometry()
	if err != nil {
		return g, explain("configure", path, err)
	}
	if format(g.format) == "" || g.width <= 0 || g.height <= 0 || g.width > 1<<14 || g.height > 1<<14 {
		return g, fmt.Errorf("v4l2: %s set %dx%d in format %#x where %dx%d %s was asked for", path, g.width, g.height, uint32(g.format), w, h, format(code))
	}
	if g.width != w || g.height != h {
		s.log.Info("camera has another size than asked for", "device", path, "width", g.width, "height", g.height, "asked_width", w, "asked_height", h)
	}
	if s.o.FPS > 0 {
		if err := d.SetFramerate(float32(s.o.FPS)); err != nil {
			s.log.Debug("camera keeps its own rate; frames are dropped instead", "device", path, "err", err)
		}
	}
	if err := d.SetBufferCount(bufferCount); err != nil {
		return g, explain("configure", path, err)
	}
	return g, nil
}

func format(code webcam.PixelFormat) string {
	for _, f := range formats {
		if f.code == code {
			return f.name
		}
	}
	return ""
}

const (
	waitSeconds = 1  // between looks at ctx; the supervisor decides when silence is a stall
	maxFailures = 20 // reads that fail in a row end the session
)

func (s *Source) stream(ctx context.Context, d device, path string, g geometry, deliver func(capture.Frame)) error {
	var first, next time.Time // of the first frame; when the next is due
	settle := s.o.Settle
	if settle == 0 {
		settle = settleTime
	}
	failures := 0
	for ctx.Err() == nil {
		s.apply(d, path)
		if err := d.WaitForFrame(waitSeconds); err != nil {
			if _, silent := errors.AsType[*webcam.Timeout](err); !silent {
				return explain("wait for", path, err)
			}
			if _, err := os.Stat(path); err != nil {
				return explain("wait for", path, unix.ENODEV)
			}
			continue
		}
		buf, index, err := d.GetFrame()
		if err != nil {
			// A device that is gone counts as ready; only reading tells.
			if failures++; gone(err) || failures == maxFailures {
				return explain("read from", path, err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		failures = 0
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		var f capture.Frame
		ok := now.Sub(first) >= settle && s.due(now, &next)
		if ok {
			f, ok = frame(buf, g, now, &s.pool)
		}
		// The buffer is the driver's again from here on; f has a copy.
		if err := d.ReleaseFrame(index); err != nil {
			return explain("give a buffer back to", path, err)
		}
		if ok {
			deliver(f)
		}
	}
	return nil
}

// apply sets controls that were changed meanwhile.
func (s *Source) apply(d device, path string) {
	s.mu.Lock()
	controls, changed := s.controls, s.changed
	s.changed = false
	s.mu.Unlock()
	if changed {
		if err := control(d, controls); err != nil {
			s.log.Warn("camera controls", "device", path, "err", err)
		}
	}
}

// due thins out the frames of a camera that is faster than asked for. What is due
// keeps its rhythm, so that jitter evens out.
func (s *Source) due(now time.Time, next *time.Time) bool {
	if s.o.FPS <= 0 {
		return true
	}
	period := time.Duration(float64(time.Second) / s.o.FPS)
	if now.Before(*next) {
		return false
	}
	*next = next.Add(period)
	if next.Before(now) {
		*next = now.Add(period)
	}
	return true
}

// frame copies a driver's buffer; false for what is no whole picture.
func frame(buf []byte, g geometry, at time.Time, pool *capture.Pool) (capture.Frame, bool) {
	f := capture.Frame{At: at, Width: g.width, Height: g.height}
	switch format(g.format) {
	case "mjpeg":
		// Drivers pad the buffer, and cameras break off in mid-picture.
		end := bytes.LastIndex(buf, []byte{0xff, 0xd9})
		if end < 0 || !bytes.HasPrefix(buf, []byte{0xff, 0xd8}) {
			return f, false
		}
		buf = buf[:end+2]
		if f.Data = mjpeg.WithTables(buf); &f.Data[0] == &buf[0] {
			f.Loan = pool.Lend(len(buf))
			f.Data = f.Loan.Bytes[:copy(f.Loan.Bytes, buf)]
		}
		return f, true
	case "yuyv":
		f.Format = capture.YUYV
		f.Loan = pool.Lend(f.Format.Size(f.Width, f.Height))
		f.Data = rows(f.Loan.Bytes[:0], buf, g.stride, (g.width+1)/2*4, g.height)
	case "nv12":
		f.Format = capture.NV12
		f.Loan = pool.Lend(f.Format.Size(f.Width, f.Height))
		f.Data = rows(f.Loan.Bytes[:0], buf, g.stride, g.width, g.height)
		if skip := max(g.stride, g.width) * g.height; f.Data != nil && len(buf) > skip {
			f.Data = rows(f.Data, buf[skip:], g.stride, (g.width+1)/2*2, (g.height+1)/2)
		}
	}
	if len(f.Data) != f.Format.Size(f.Width, f.Height) {
		f.Drop()
		return f, false
	}
	return f, true
}

// rows appends n rows of width bytes that lie stride apart in src; nil where src is too short.
func rows(dst, src []byte, stride, width, n int) []byte {
	stride = max(stride, width)
	if len(src) < stride*(n-1)+width {
		return nil
	}
	for y := range n {
		dst = append(dst, src[y*stride:y*stride+width]...)
	}
	return dst
}
