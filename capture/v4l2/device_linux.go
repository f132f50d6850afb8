package v4l2

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"unsafe"

	"github.com/blackjack/webcam"
	"github.com/blackjack/webcam/ioctl"
	"golang.org/x/sys/unix"
)

// device is what a session needs of an open camera: *webcam.Webcam's methods, and
// what that library keeps to itself.
type device interface {
	GetSupportedFormats() map[webcam.PixelFormat]string
	SetImageFormat(f webcam.PixelFormat, width, height uint32) (webcam.PixelFormat, uint32, uint32, error)
	SetFramerate(fps float32) error
	SetBufferCount(n uint32) error
	GetControls() map[webcam.ControlID]webcam.Control
	SetControl(id webcam.ControlID, value int32) error
	StartStreaming() error
	WaitForFrame(seconds uint32) error
	GetFrame() ([]byte, uint32, error)
	ReleaseFrame(index uint32) error
	Close() error

	geometry() (geometry, error)
}

// geometry is the picture's layout as the driver has set it.
type geometry struct {
	format        webcam.PixelFormat
	width, height int
	stride        int // bytes from one row to the next, of the luma plane for NV12
}

// camera reaches into *webcam.Webcam for two fields: SetImageFormat (v0.6.1) returns the
// size asked for, not the driver's. And a StartStreaming that fails half-way leaves its
// buffers mapped, which keeps the device busy as long as this process lives.
type camera struct{ *webcam.Webcam }

func open(path string) (device, error) {
	w, err := webcam.Open(path)
	if err != nil {
		return nil, err
	}
	c := camera{w}
	unix.CloseOnExec(int(c.fd())) // the library does not, and a child would keep the camera busy
	return c, nil
}

func (c camera) fd() uintptr { return uintptr(c.field("fd").Uint()) }

func (c camera) field(name string) reflect.Value {
	return reflect.ValueOf(c.Webcam).Elem().FieldByName(name)
}

func (c camera) StartStreaming() error {
	err := c.Webcam.StartStreaming()
	if err != nil {
		for buffers := c.field("buffers"); buffers.Len() > 0; buffers = buffers.Slice(1, buffers.Len()) {
			if b := buffers.Index(0).Bytes(); b != nil {
				unix.Munmap(b)
			}
		}
	}
	return err
}

func (c camera) geometry() (geometry, error) { return formatOf(c.fd()) }

// pixFormat is struct v4l2_format with the v4l2_pix_format in it, videodev2.h. The union
// holds pointers, so it starts at the size of one.
type pixFormat struct {
	kind uint32
	_    [unsafe.Sizeof(uintptr(0)) - 4]byte
	pix  struct {
		width, height, pixelformat, field, bytesperline, sizeimage uint32
		_                                                          [200 - 6*4]byte
	}
}

const bufTypeCapture = 1

func formatOf(fd uintptr) (geometry, error) {
	f := pixFormat{kind: bufTypeCapture}
	if err := ioctl.Ioctl(fd, ioctl.IoRW('V', 4, unsafe.Sizeof(f)), uintptr(unsafe.Pointer(&f))); err != nil {
		return geometry{}, fmt.Errorf("ask for the format set: %w", err)
	}
	return geometry{
		format: webcam.PixelFormat(f.pix.pixelformat),
		width:  int(f.pix.width), height: int(f.pix.height),
		stride: int(f.pix.bytesperline),
	}, nil
}

// capability is struct v4l2_capability, videodev2.h.
type capability struct {
	driver       [16]byte
	card, bus    [32]byte
	version      uint32
	capabilities uint32
	deviceCaps   uint32
	_            [3]uint32
}

const (
	capVideoCapture = 0x00000001
	capMetaCapture  = 0x00800000
	capM2M          = 0x00008000 | 0x00004000 // also multi-planar
	capStreaming    = 0x04000000
	capDeviceCaps   = 0x80000000
)

// query opens a node only to ask what it is.
func query(path string) (driver, card string, caps uint32, err error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", "", 0, err
	}
	defer unix.Close(fd)
	var c capability
	if err := ioctl.Ioctl(uintptr(fd), ioctl.IoR('V', 0, unsafe.Sizeof(c)), uintptr(unsafe.Pointer(&c))); err != nil {
		return "", "", 0, err
	}
	caps = c.capabilities
	if caps&capDeviceCaps != 0 { // of this node, not of the whole camera
		caps = c.deviceCaps
	}
	return webcam.CToGoString(c.driver[:]), webcam.CToGoString(c.card[:]), caps, nil
}

// explain turns an error of opening or starting path into a sentence. The library
// flattens some errors to text.
func explain(doing, path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY) || flat(err, unix.EBUSY):
		return fmt.Errorf("v4l2: %s is in use by %s; only one program can have it: %w", path, holder(path), unix.EBUSY)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("v4l2: no permission for %s: join the group video (sudo usermod -aG video USER, then log in again): %w", path, err)
	case gone(err):
		return fmt.Errorf("v4l2: %s is gone: the camera was unplugged, or its cable or power fails: %w", path, err)
	case flat(err, unix.ENOSPC):
		return fmt.Errorf("v4l2: %s: the USB bus has no room for this size and rate: choose mjpeg, a smaller picture or fewer frames, or another port: %w", path, unix.ENOSPC)
	}
	return fmt.Errorf("v4l2: %s %s: %w", doing, path, err)
}

func gone(err error) bool {
	for _, e := range []unix.Errno{unix.ENODEV, unix.ENXIO, unix.ENOENT} {
		if errors.Is(err, e) || flat(err, e) {
			return true
		}
	}
	return false
}

// flat finds an error number that only its text is left of.
func flat(err error, e unix.Errno) bool {
	text, tail := err.Error(), ": "+e.Error()
	return len(text) >= len(tail) && text[len(text)-len(tail):] == tail
}
