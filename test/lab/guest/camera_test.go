//go:build lab

package guest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/blackjack/webcam/ioctl"
	"golang.org/x/sys/unix"

	"pirwatch/capture"
	"pirwatch/capture/v4l2"
)

// vivid loads the kernel's virtual video driver: a USB-like camera with YUYV and
// NV12, and returns it as v4l2.List sees it.
func vivid(t *testing.T) v4l2.Camera {
	inside(t)
	run(t, "modprobe", "vivid", "n_devs=1", "node_types=0x1")
	t.Cleanup(func() { run(t, "modprobe", "-r", "vivid") })
	var found v4l2.Camera
	eventually(t, "the vivid camera is listed", func() bool {
		i := slices.IndexFunc(v4l2.List(), func(c v4l2.Camera) bool { return c.Driver == "vivid" && c.Skip == "" })
		if i >= 0 {
			found = v4l2.List()[i]
		}
		return i >= 0
	})
	return found
}

// session runs a source until stop, which returns what Run did.
func session(t *testing.T, src capture.Source) (frames <-chan capture.Frame, stop func() error, ended <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c, done := make(chan capture.Frame, 100), make(chan error, 1)
	go func() {
		done <- src.Run(ctx, func(f capture.Frame) {
			select {
			case c <- f:
			default:
			}
		})
	}()
	return c, func() error { cancel(); return within(t, "the session ends", done) }, done
}

func frame(t *testing.T, c <-chan capture.Frame, ended <-chan error) capture.Frame {
	t.Helper()
	select {
	case f := <-c:
		return f
	case err := <-ended:
		t.Fatalf("the session ended: %v", err)
	case <-time.After(patience):
		t.Fatal("no frame")
	}
	panic("unreachable")
}

func TestRawCamera(t *testing.T) {
	cam := vivid(t)
	if !slices.Contains(cam.Formats, "yuyv") || !slices.Contains(cam.Formats, "nv12") || slices.Contains(cam.Formats, "mjpeg") {
		t.Errorf("formats %v, want yuyv and nv12", cam.Formats)
	}
	for _, c := range []struct {
		want   string
		format capture.Format
	}{{"", capture.YUYV}, {"yuyv", capture.YUYV}, {"nv12", capture.NV12}} {
		t.Run(c.format.String(), func(t *testing.T) {
			// The test picture moves, so that two frames must differ.
			frames, stop, ended := session(t, v4l2.New(v4l2.Options{
				Device: "vivid", Width: 640, Height: 360, FPS: 10, Format: c.want, Settle: -1,
				Controls: map[string]int{"horizontal_movement": 5, "gain": 100, "brightness": 140},
			}, nil))
			var before []byte
			for i := range 5 {
				f := frame(t, frames, ended)
				if f.Format != c.format || f.Width != 640 || f.Height != 360 || len(f.Data) != c.format.Size(640, 360) {
					t.Fatalf("frame %d: %v %dx%d, %d bytes", i, f.Format, f.Width, f.Height, len(f.Data))
				}
				if bytes.Equal(f.Data, before) {
					t.Errorf("frame %d is the one before", i)
				}
				before = f.Data
				var plane image.Gray
				if err := capture.Luma(&plane, f); err != nil {
					t.Fatal(err)
				}
				// Colour bars: light on the one side, dark on the other.
				lo, hi := slices.Min(plane.Pix), slices.Max(plane.Pix)
				if plane.Rect.Dx() != 80 || plane.Rect.Dy() != 45 || hi-lo < 100 {
					t.Errorf("luma plane %v from %d to %d", plane.Rect, lo, hi)
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if got := control(t, cam.Path, "brightness"); got != "140" {
				t.Errorf("brightness %s, want 140", got)
			}
		})
	}
}

func control(t *testing.T, path, name string) string {
	out, err := exec.Command("v4l2-ctl", "-d", path, "--get-ctrl", name).CombinedOutput()
	if err != nil {
		t.Fatalf("v4l2-ctl: %v\n%s", err, out)
	}
	_, value, _ := strings.Cut(strings.TrimSpace(string(out)), ": ")
	return value
}

func TestCameraInUse(t *testing.T) {
	cam := vivid(t)
	other := exec.Command("v4l2-ctl", "-d", cam.Path, "-v", "width=640,height=360,pixelformat=YUYV", "--stream-mmap")
	progress, err := other.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	streams := make(chan error, 1)
	go func() { // it writes a < for each frame
		_, err := bufio.NewReader(progress).ReadString('<')
		streams <- err
		io.Copy(io.Discard, progress)
	}()
	defer other.Wait()
	defer other.Process.Kill()
	if err := within(t, "the other program has the camera", streams); err != nil {
		t.Fatal(err)
	}
	src := v4l2.New(v4l2.Options{Device: cam.Path, Width: 640, Height: 360}, nil)
	says(t, src.Run(t.Context(), func(capture.Frame) {}), "is in use by v4l2-ctl (process "+strconv.Itoa(other.Process.Pid)+")")
	other.Process.Kill()
	other.Wait()
	frames, stop, ended := session(t, src)
	frame(t, frames, ended)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// The driver is unbound in mid-stream and bound again, which is what the kernel
// does when a camera is unplugged and plugged in.
func TestUnplugAndReplug(t *testing.T) {
	cam := vivid(t)
	src := v4l2.New(v4l2.Options{Width: 640, Height: 360, FPS: 10}, nil)
	frames, _, ended := session(t, src)
	frame(t, frames, ended)
	write(t, "/sys/bus/platform/drivers/vivid/unbind", "vivid.0")
	says(t, within(t, "the session fails", ended), cam.Path+" is gone: the camera was unplugged")
	says(t, src.Run(t.Context(), nil), "v4l2: ")
	write(t, "/sys/bus/platform/drivers/vivid/bind", "vivid.0")
	eventually(t, "the camera is back", func() bool {
		return slices.ContainsFunc(v4l2.List(), func(c v4l2.Camera) bool { return c.Driver == "vivid" && c.Skip == "" })
	})
	frames, stop, ended := session(t, src)
	frame(t, frames, ended)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// The same under the supervisor, which opens the camera again by itself.
func TestSupervisedReplug(t *testing.T) {
	vivid(t)
	camera := capture.NewCamera(v4l2.New(v4l2.Options{Width: 640, Height: 360, FPS: 10, Controls: map[string]int{"horizontal_movement": 5}}, nil),
		capture.CameraOptions{Start: patience, Stall: patience, MaxRetry: 2 * time.Second}, nil)
	frames, stop, ended := session(t, camera)
	frame(t, frames, ended)
	write(t, "/sys/bus/platform/drivers/vivid/unbind", "vivid.0")
	eventually(t, "health says missing", func() bool { return camera.Health().State == capture.StateMissing })
	if h := camera.Health(); h.Err == "" {
		t.Errorf("health %+v", h)
	}
	write(t, "/sys/bus/platform/drivers/vivid/bind", "vivid.0")
	eventually(t, "health says ok", func() bool { return camera.Health().State == capture.StateOK })
	for len(frames) > 0 {
		<-frames
	}
	frame(t, frames, ended)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// loopback is an MJPEG camera until the test ends: v4l2loopback, and a feeder
// that writes the pictures into it in turn.
func loopback(t *testing.T, w, h int, pics ...[]byte) {
	inside(t)
	run(t, "modprobe", "v4l2loopback", "video_nr=10", "card_label=LabCam", "exclusive_caps=1")
	t.Cleanup(func() {
		eventually(t, "v4l2loopback is free", func() bool { return exec.Command("modprobe", "-r", "v4l2loopback").Run() == nil })
	})
	const path = "/dev/video10"
	eventually(t, path, func() bool { _, err := os.Stat(path); return err == nil })
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	// struct v4l2_format, type OUTPUT: width, height, pixelformat, field, bytesperline, sizeimage.
	var f [208]byte
	le := binary.LittleEndian
	le.PutUint32(f[0:], 2)
	le.PutUint32(f[8:], uint32(w))
	le.PutUint32(f[12:], uint32(h))
	copy(f[16:], "MJPG")
	le.PutUint32(f[20:], 1)
	le.PutUint32(f[28:], uint32(w*h*2))
	if err := ioctl.Ioctl(uintptr(fd), ioctl.IoRW('V', 5, unsafe.Sizeof(f)), uintptr(unsafe.Pointer(&f))); err != nil {
		t.Fatalf("set the loopback's format: %v", err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			if _, err := unix.Write(fd, pics[i%len(pics)]); err != nil {
				t.Errorf("feed the loopback: %v", err)
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		unix.Close(fd)
	})
}

func drawn(t *testing.T, w, h, variant int) []byte {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio422)
	for i := range m.Y {
		m.Y[i] = byte(i*i>>8 + variant*9)
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = byte(i>>4), byte(200-i>>5)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bare removes the Huffman tables, as many USB cameras do.
func bare(pic []byte) []byte {
	for {
		i := bytes.Index(pic, []byte{0xff, 0xc4})
		if i < 0 {
			return pic
		}
		pic = slices.Concat(pic[:i], pic[i+2+int(pic[i+2])<<8+int(pic[i+3]):])
	}
}

func TestMJPEGCamera(t *testing.T) {
	inside(t)
	pic := drawn(t, 640, 360, 0)
	want, err := jpeg.Decode(bytes.NewReader(pic))
	if err != nil {
		t.Fatal(err)
	}
	for name, sent := range map[string][]byte{"with tables": pic, "tables stripped": bare(pic)} {
		t.Run(name, func(t *testing.T) {
			loopback(t, 640, 360, sent)
			eventually(t, "the loopback is a camera", func() bool {
				return slices.ContainsFunc(v4l2.List(), func(c v4l2.Camera) bool {
					return c.Name == "LabCam" && c.Skip == "" && slices.Equal(c.Formats, []string{"mjpeg"})
				})
			})
			frames, stop, ended := session(t, v4l2.New(v4l2.Options{Device: "labcam", Width: 640, Height: 360, Settle: -1}, nil))
			for range 5 {
				f := frame(t, frames, ended)
				if f.Format != capture.JPEG || f.Width != 640 || f.Height != 360 {
					t.Fatalf("%v %dx%d", f.Format, f.Width, f.Height)
				}
				if name == "with tables" && !bytes.Equal(f.Data, pic) {
					t.Error("the picture is not the one that was fed")
				}
				got, err := jpeg.Decode(bytes.NewReader(f.Data))
				if err != nil {
					t.Fatal(err)
				}
				if !same(got, want) {
					t.Error("another picture than was fed")
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func same(a, b image.Image) bool {
	for y := 0; y < a.Bounds().Dy(); y += 7 {
		for x := 0; x < a.Bounds().Dx(); x += 5 {
			if color.NRGBAModel.Convert(a.At(x, y)) != color.NRGBAModel.Convert(b.At(x, y)) {
				return false
			}
		}
	}
	return a.Bounds() == b.Bounds()
}

// A camera chosen by /dev/v4l/by-id is found whatever its number.
func TestByID(t *testing.T) {
	cam := vivid(t)
	dir := "/dev/v4l/by-id"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	link := dir + "/usb-Lab_Vivid_0001-video-index0"
	if err := os.Symlink(cam.Path, link); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(link)
	for _, device := range []string{link, "usb-Lab_Vivid_0001-video-index0", "0001"} {
		frames, stop, ended := session(t, v4l2.New(v4l2.Options{Device: device, Width: 640, Height: 360, Settle: -1}, nil))
		frame(t, frames, ended)
		if err := stop(); err != nil {
			t.Errorf("%s: %v", device, err)
		}
	}
	if i := slices.IndexFunc(v4l2.List(), func(c v4l2.Camera) bool { return c.ByID == link }); i < 0 {
		t.Errorf("not listed by its id: %v", v4l2.List())
	}
	os.Remove(link)
	says(t, v4l2.New(v4l2.Options{Device: link}, nil).Run(t.Context(), nil), "is not there: is the camera plugged in?")
}
