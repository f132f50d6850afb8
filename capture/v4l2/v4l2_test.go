//go:build linux

package v4l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"pirwatch/capture"
)

// fake is a camera whose driver has one buffer, overwritten as soon as it is given back.
type fake struct {
	has      map[webcam.PixelFormat]string
	geo      geometry
	controls map[webcam.ControlID]webcam.Control
	refuse   map[string]error // by operation

	every  time.Duration
	frames func(i int) ([]byte, error)

	n, out, closed int
	calls          []string
	buffer         []byte
}

func (f *fake) GetSupportedFormats() map[webcam.PixelFormat]string { return f.has }
func (f *fake) SetImageFormat(c webcam.PixelFormat, w, h uint32) (webcam.PixelFormat, uint32, uint32, error) {
	f.geo.format = c
	if f.geo.width == 0 {
		f.geo.width, f.geo.height = int(w), int(h)
	}
	return c, w, h, f.refuse["format"]
}
func (f *fake) geometry() (geometry, error)                      { return f.geo, nil }
func (f *fake) SetFramerate(fps float32) error                   { return f.refuse["rate"] }
func (f *fake) SetBufferCount(n uint32) error                    { f.call("buffers %d", n); return nil }
func (f *fake) StartStreaming() error                            { return f.refuse["start"] }
func (f *fake) GetControls() map[webcam.ControlID]webcam.Control { return f.controls }
func (f *fake) SetControl(id webcam.ControlID, v int32) error {
	f.call("%s=%d", controlName(f.controls[id].Name), v)
	return f.refuse["control"]
}
func (f *fake) WaitForFrame(s uint32) error {
	if f.every > time.Duration(s)*time.Second {
		time.Sleep(time.Duration(s) * time.Second)
		return new(webcam.Timeout)
	}
	time.Sleep(f.every)
	return nil
}
func (f *fake) GetFrame() ([]byte, uint32, error) {
	f.n++
	b, err := f.frames(f.n)
	if err != nil {
		return nil, 0, err
	}
	f.out++
	f.buffer = append(f.buffer[:0], b...)
	return f.buffer, 0, nil
}
func (f *fake) ReleaseFrame(uint32) error {
	f.out--
	clear(f.buffer)
	return nil
}
func (f *fake) Close() error { f.closed++; return nil }
func (f *fake) call(format string, args ...any) {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func has(codes ...string) map[webcam.PixelFormat]string {
	m := map[webcam.PixelFormat]string{}
	for _, c := range codes {
		m[fourCC(c)] = c
	}
	return m
}

// source is a Source on the fake camera.
func source(t *testing.T, f *fake, o Options) (*Source, *bytes.Buffer) {
	path := filepath.Join(t.TempDir(), "video7")
	os.WriteFile(path, nil, 0o600)
	var log bytes.Buffer
	s := New(o, slog.New(slog.NewTextHandler(&log, nil)))
	s.open = func(string) (device, error) { return f, f.refuse["open"] }
	s.list = func() []Camera { return []Camera{{Path: path, Name: "Fake", Formats: []string{"mjpeg"}}} }
	return s, &log
}

// take runs the source until n frames have come, or it fails.
func take(t *testing.T, s *Source, n int) ([]capture.Frame, error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []capture.Frame
	err := s.Run(ctx, func(f capture.Frame) {
		if got = append(got, f); len(got) == n {
			cancel()
		}
	})
	return got, err
}

func picture(t *testing.T) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 32, 16)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bare removes the Huffman tables, as many cameras do.
func bare(pic []byte) []byte {
	for {
		i := bytes.Index(pic, []byte{0xff, 0xc4})
		if i < 0 {
			return pic
		}
		n := 2 + int(pic[i+2])<<8 + int(pic[i+3])
		pic = slices.Concat(pic[:i], pic[i+n:])
	}
}

func TestMJPEG(t *testing.T) {
	pic := picture(t)
	for name, sent := range map[string][]byte{
		"whole":          pic,
		"padded":         append(slices.Clone(pic), make([]byte, 500)...),
		"without tables": bare(pic),
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{has: has("YUYV", "MJPG", "NV12"), geo: geometry{width: 32, height: 16}, every: 100 * time.Millisecond,
				frames: func(i int) ([]byte, error) {
					switch i {
					case 8:
						return sent[:len(pic)/3], nil // broken off
					case 9:
						return nil, nil
					}
					return sent, nil
				}}
			s, _ := source(t, f, Options{Settle: -1})
			got, err := take(t, s, 12)
			if err != nil || len(got) != 12 {
				t.Fatalf("%s: %d frames, %v", name, len(got), err)
			}
			for i, g := range got {
				if g.Format != capture.JPEG || g.Width != 32 || g.Height != 16 {
					t.Errorf("%s: frame %d: %v %dx%d", name, i, g.Format, g.Width, g.Height)
				}
				if _, err := jpeg.Decode(bytes.NewReader(g.Data)); err != nil || !bytes.HasSuffix(g.Data, []byte{0xff, 0xd9}) {
					t.Errorf("%s: frame %d: %v", name, i, err)
				}
			}
			if name == "whole" && !bytes.Equal(got[0].Data, pic) {
				t.Error("a whole picture is changed")
			}
			if f.n != 14 || f.out != 0 || f.closed != 1 || f.calls[0] != "buffers 4" {
				t.Errorf("%s: %d read, %d not given back, closed %d times, %v", name, f.n, f.out, f.closed, f.calls)
			}
		})
	}
}

func TestRawFormats(t *testing.T) {
	for _, c := range []struct {
		has    string
		format capture.Format
		stride int
		w, h   int
		sent   string
		want   string
	}{
		{"YUYV", capture.YUYV, 8, 4, 2, "yuyvyuyvYUYVYUYV", "yuyvyuyvYUYVYUYV"},
		{"YUYV", capture.YUYV, 0, 4, 2, "yuyvyuyvYUYVYUYV", "yuyvyuyvYUYVYUYV"},
		{"YUYV", capture.YUYV, 10, 4, 2, "yuyvyuyv..YUYVYUYV..", "yuyvyuyvYUYVYUYV"},
		{"YUYV", capture.YUYV, 10, 4, 2, "yuyvyuyv..YUYVYUYV", "yuyvyuyvYUYVYUYV"},
		{"NV12", capture.NV12, 4, 4, 2, "abcdefghuvUV", "abcdefghuvUV"},
		{"NV12", capture.NV12, 6, 4, 2, "abcd..efgh..uvUV..", "abcdefghuvUV"},
		{"NV12", capture.NV12, 4, 4, 2, "abcdefgh", ""},
		{"YUYV", capture.YUYV, 8, 4, 2, "yuyvyuyvYUYVYUY", ""},
	} {
		g := geometry{fourCC(c.has), c.w, c.h, c.stride}
		f, ok := frame([]byte(c.sent), g, time.Now(), new(capture.Pool))
		if ok != (c.want != "") || ok && (string(f.Data) != c.want || f.Format != c.format) {
			t.Errorf("%s, stride %d: %v %q, want %q", c.has, c.stride, ok, f.Data, c.want)
		}
	}
}

func TestFormatChoice(t *testing.T) {
	for _, c := range []struct {
		has  []string
		want string
		got  string
		err  string
	}{
		{[]string{"NV12", "YUYV", "MJPG"}, "", "MJPG", ""},
		{[]string{"NV12", "JPEG"}, "", "JPEG", ""},
		{[]string{"NV12", "YUYV"}, "", "YUYV", ""},
		{[]string{"H264", "NV12"}, "", "NV12", ""},
		{[]string{"MJPG", "YUYV"}, "yuyv", "YUYV", ""},
		{[]string{"MJPG"}, "nv12", "", "has no picture format we know (nv12); it has: MJPG"},
		{[]string{"H264"}, "", "", "(mjpeg, yuyv, nv12); it has: H264"},
		{[]string{"MJPG"}, "h264", "", `format "h264": want mjpeg, yuyv or nv12`},
	} {
		f := &fake{has: has(c.has...), refuse: map[string]error{"start": errors.New("enough")}}
		s, _ := source(t, f, Options{Format: c.want})
		_, err := take(t, s, 1)
		if c.err == "" && f.geo.format != fourCC(c.got) || c.err != "" && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v, asked for %q: %#x, %v; want %s %s", c.has, c.want, f.geo.format, err, c.got, c.err)
		}
		if f.geo.width != 0 && (f.geo.width != 1280 || f.geo.height != 720) {
			t.Errorf("default size %dx%d", f.geo.width, f.geo.height)
		}
	}
}

func TestRateAndSettle(t *testing.T) {
	pic := picture(t)
	for _, c := range []struct {
		every time.Duration
		fps   float64
		want  float64 // frames a second
	}{
		{33333 * time.Microsecond, 10, 10},
		{33333 * time.Microsecond, 0, 30},
		{100 * time.Millisecond, 10, 10},
		{100 * time.Millisecond, 30, 10},
		{40 * time.Millisecond, 10, 10},
		{60 * time.Millisecond, 10, 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{has: has("MJPG"), every: c.every, frames: func(int) ([]byte, error) { return pic, nil }, refuse: map[string]error{"rate": unix.EINVAL}}
			s, _ := source(t, f, Options{FPS: c.fps})
			start := time.Now()
			got, err := take(t, s, 100)
			if err != nil {
				t.Fatal(err)
			}
			if d := got[0].At.Sub(start); d < 500*time.Millisecond || d > 700*time.Millisecond {
				t.Errorf("first frame after %s, want half a second for exposure", d)
			}
			rate := 99 / got[99].At.Sub(got[0].At).Seconds()
			if rate < c.want*0.95 || rate > c.want*1.05 {
				t.Errorf("every %s, %g asked for: %.2f fps, want %g", c.every, c.fps, rate, c.want)
			}
		})
	}
}

func TestUnplugged(t *testing.T) {
	pic := picture(t)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"gone":   {unix.ENODEV, "is gone: the camera was unplugged"},
		"broken": {unix.EIO, "read from "},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{has: has("MJPG"), every: 10 * time.Millisecond, frames: func(i int) ([]byte, error) {
				if i > 100 {
					return nil, c.err
				}
				return pic, nil
			}}
			s, _ := source(t, f, Options{})
			got, err := take(t, s, 1000)
			if len(got) == 0 || err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, c.err) {
				t.Errorf("%s: %d frames, %v; want %q", name, len(got), err, c.want)
			}
			if f.closed != 1 {
				t.Errorf("%s: closed %d times", name, f.closed)
			}
		})
	}
}

func TestPassingReadErrors(t *testing.T) {
	pic := picture(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fake{has: has("MJPG"), frames: func(i int) ([]byte, error) {
			if i%3 != 0 {
				return nil, unix.EAGAIN
			}
			return pic, nil
		}}
		s, _ := source(t, f, Options{Settle: -1})
		if got, err := take(t, s, 50); err != nil || len(got) != 50 {
			t.Errorf("%d frames, %v", len(got), err)
		}
	})
}

// A camera that is silent is the supervisor's business as long as its node is there.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{has: has("MJPG"), every: time.Hour}
		s, _ := source(t, f, Options{})
		path := s.list()[0].Path
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Run(ctx, nil); err != nil {
			t.Errorf("Run: %v", err)
		}
		go func() {
			time.Sleep(3 * time.Second)
			os.Remove(path)
		}()
		if err := s.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "is gone") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		op   string
		err  error
		want string
	}{
		{"open", unix.EACCES, "no permission for"},
		{"open", unix.EBUSY, "is in use by another program (sudo fuser -v"},
		{"open", errors.New("Not a video capture device"), "Not a video capture device"},
		{"format", unix.EBUSY, "is in use by"},
		{"start", errors.New("Failed to map request buffers: " + unix.EBUSY.Error()), "is in use by"},
		{"start", errors.New("Failed to start streaming: " + unix.ENOSPC.Error()), "the USB bus has no room"},
		{"start", errors.New("Failed to start streaming: " + unix.ENODEV.Error()), "is gone"},
	} {
		f := &fake{has: has("MJPG"), refuse: map[string]error{c.op: c.err}}
		s, _ := source(t, f, Options{})
		if _, err := take(t, s, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.op, err, c.want)
		}
	}
}

func TestHolderIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "video0")
	os.WriteFile(path, nil, 0o600)
	reader, err := os.StartProcess("/bin/sleep", []string{"sleep", "100"}, &os.ProcAttr{Files: []*os.File{nil, nil, nil, held(t, path)}})
	if err != nil {
		t.Skip(err)
	}
	defer reader.Wait()
	defer reader.Kill()
	want := fmt.Sprintf("sleep (process %d)", reader.Pid)
	for range 100 { // until it is no longer called as we are
		if holder(path) == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("holder: %q, want %q", holder(path), want)
}

func held(t *testing.T, path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestChoice(t *testing.T) {
	dir := t.TempDir()
	node, link := filepath.Join(dir, "video2"), filepath.Join(dir, "usb-LabCam-index0")
	os.WriteFile(node, nil, 0o600)
	os.Symlink("video2", link)
	all := []Camera{
		{Path: "/dev/video0", Name: "unicam", Driver: "unicam", Skip: parts["unicam"]},
		{Path: "/dev/video1", Name: "HD Pro Webcam C920", ByID: "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_1A2B-video-index0", Formats: []string{"mjpeg", "yuyv"}},
		{Path: "/dev/video2", Name: "HD Pro Webcam C920", Skip: "carries metadata only"},
		{Path: "/dev/video3", Name: "LabCam", Formats: []string{"yuyv"}},
		{Path: "/dev/video4", Name: "LabCam 2", Formats: []string{"yuyv"}},
	}
	for device, want := range map[string]string{
		"":         "/dev/video1",
		"auto":     "/dev/video1",
		"labcam":   "/dev/video3",
		"LabCam 2": "/dev/video4",
		"video4":   "/dev/video4",
		"c920":     "/dev/video1",
		"1A2B":     "/dev/video1",
		link:       node,
		node:       node,
		"usb-046d_HD_Pro_Webcam_C920_1A2B-video-index0": "/dev/video1",
	} {
		if got, err := choose(device, all); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", device, got, err, want)
		}
	}
	for device, want := range map[string]string{
		"unicam":              `no camera is called "unicam"; there are: /dev/video0 (unicam: the Pi camera's front end; use the rpicam source), /dev/v4l/by-id/usb-046d`,
		"/dev/v4l/by-id/gone": "/dev/v4l/by-id/gone is not there: is the camera plugged in?",
	} {
		if _, err := choose(device, all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", device, err, want)
		}
	}
	if _, err := choose("", all[:1]); err == nil || !strings.Contains(err.Error(), "no USB camera is plugged in; there are: /dev/video0") {
		t.Errorf("none: %v", err)
	}
	if _, err := choose("", nil); err == nil || !strings.Contains(err.Error(), "no /dev/video* at all") {
		t.Errorf("nothing: %v", err)
	}
	if _, err := choose("/no/where", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

func TestUnfit(t *testing.T) {
	for want, c := range map[string]struct {
		driver string
		caps   uint32
	}{
		"":                      {"uvcvideo", capVideoCapture | capStreaming},
		"carries metadata only": {"uvcvideo", capMetaCapture | capStreaming},
		"does not capture":      {"v4l2 loopback", 2 | capStreaming},
		"does not stream":       {"old", capVideoCapture},
		parts["bcm2835-codec"]:  {"bcm2835-codec", capM2M | capStreaming},
		parts["rp1-cfe"]:        {"rp1-cfe", capVideoCapture | capStreaming},
	} {
		if got := unfit(c.driver, c.caps); got != want {
			t.Errorf("%s: %q, want %q", c.driver, got, want)
		}
	}
}

func TestControls(t *testing.T) {
	pic := picture(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fake{has: has("MJPG"), every: 100 * time.Millisecond, controls: map[webcam.ControlID]webcam.Control{
			cidExposure:     {Name: "Exposure Time, Absolute", Min: 3, Max: 2047},
			cidAutoExposure: {Name: "Auto Exposure", Min: 0, Max: 3},
			cidGain:         {Name: "Gain", Min: 0, Max: 255},
			cidPowerLine:    {Name: "Power Line Frequency", Min: 0, Max: 2},
			cidFocus:        {Name: "Focus, Absolute", Min: 0, Max: 250},
			cidAutoFocus:    {Name: "Focus, Automatic Continuous", Min: 0, Max: 1},
			1:               {Name: "Brightness", Min: -64, Max: 64},
		}}
		s, log := source(t, f, Options{Settle: -1, Controls: map[string]int{
			"exposure": 300, "gain": 12, "power_line_frequency": 50, "focus": 20, "brightness": -10,
			"focus_automatic_continuous": 0, "saturation": 3, "white_balance": 4000,
		}})
		f.frames = func(i int) ([]byte, error) {
			if i == 5 {
				s.Set(map[string]int{"gain": 999})
			}
			if i == 10 {
				s.Set(map[string]int{"gain": 99})
			}
			return pic, nil
		}
		if _, err := take(t, s, 20); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"buffers 4", "focus_automatic_continuous=0", "brightness=-10",
			"auto_exposure=1", "exposure_time_absolute=300",
			"focus_automatic_continuous=0", "focus_absolute=20",
			"gain=12", "power_line_frequency=1",
			"gain=99",
		}
		if !slices.Equal(f.calls, want) {
			t.Errorf("controls\n got %v\nwant %v", f.calls, want)
		}
		for _, complaint := range []string{`no control \"saturation\"; it has: auto_exposure, brightness`, `no control \"white_balance\"`, "gain 999: want 0 to 255"} {
			if !strings.Contains(log.String(), complaint) {
				t.Errorf("no complaint %q in\n%s", complaint, log)
			}
		}
	})
}

// What we read from the library's struct and hand to the kernel must have this shape.
func TestShapes(t *testing.T) {
	w := reflect.TypeFor[webcam.Webcam]()
	if f, ok := w.FieldByName("fd"); !ok || f.Type.Kind() != reflect.Uintptr {
		t.Errorf("webcam.Webcam.fd: %v", f.Type)
	}
	if f, ok := w.FieldByName("buffers"); !ok || f.Type != reflect.TypeFor[[][]byte]() {
		t.Errorf("webcam.Webcam.buffers: %v", f.Type)
	}
	ptr := unsafe.Sizeof(uintptr(0))
	if n := unsafe.Sizeof(pixFormat{}); n != 200+ptr {
		t.Errorf("v4l2_format has %d bytes, want %d", n, 200+ptr)
	}
	if n := unsafe.Sizeof(capability{}); n != 104 {
		t.Errorf("v4l2_capability has %d bytes, want 104", n)
	}
	c := camera{new(webcam.Webcam)}
	if c.fd() != 0 || c.field("buffers").Len() != 0 {
		t.Error("an empty Webcam is not empty")
	}
}

func TestListOfThisMachine(t *testing.T) {
	for _, c := range List() {
		t.Log(c)
		if c.Path == "" || c.Skip == "" && len(c.Formats) == 0 {
			t.Errorf("%+v", c)
		}
	}
}
