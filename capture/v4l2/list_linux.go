package v4l2

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/blackjack/webcam"
)

// parts are a Pi's own video devices that are no cameras by themselves: CSI front
// ends, image processors and codecs. /dev/video0 is often one of them.
var parts = map[string]string{
	"unicam":        "the Pi camera's front end; use the rpicam source",
	"rp1-cfe":       "the Pi camera's front end; use the rpicam source",
	"bcm2835-isp":   "the Pi's image processor",
	"pispbe":        "the Pi's image processor",
	"bcm2835-codec": "the Pi's video codec",
	"rpi-hevc-dec":  "the Pi's video decoder",
	"rpivid":        "the Pi's video decoder",
}

// The formats we can use, best first.
var formats = []struct {
	name string
	code webcam.PixelFormat
}{
	{"mjpeg", fourCC("MJPG")},
	{"mjpeg", fourCC("JPEG")},
	{"yuyv", fourCC("YUYV")},
	{"nv12", fourCC("NV12")},
}

func fourCC(s string) webcam.PixelFormat {
	return webcam.PixelFormat(s[0]) | webcam.PixelFormat(s[1])<<8 | webcam.PixelFormat(s[2])<<16 | webcam.PixelFormat(s[3])<<24
}

// List looks at all video devices of the machine, those that are no cameras
// included, in the order of their numbers. It opens each for a moment.
func List() []Camera {
	nodes, _ := filepath.Glob("/dev/video*")
	slices.SortFunc(nodes, func(a, b string) int { return number(a) - number(b) })
	ids := map[string]string{}
	links, _ := filepath.Glob("/dev/v4l/by-id/*")
	for _, link := range links {
		if real, err := filepath.EvalSymlinks(link); err == nil {
			ids[real] = link
		}
	}
	var all []Camera
	for _, path := range nodes {
		if number(path) < 0 {
			continue
		}
		c := look(path)
		c.ByID = ids[path]
		all = append(all, c)
	}
	return all
}

func number(path string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(path, "/dev/video"))
	if err != nil {
		return -1
	}
	return n
}

func look(path string) Camera {
	c := Camera{Path: path}
	if name, err := os.ReadFile("/sys/class/video4linux/" + filepath.Base(path) + "/name"); err == nil {
		c.Name = strings.TrimSpace(string(name))
	}
	driver, card, caps, err := query(path)
	if err != nil {
		c.Skip = "cannot be opened: " + err.Error()
		if errors.Is(err, fs.ErrPermission) {
			c.Skip = "no permission: join the group video"
		}
		return c
	}
	c.Driver, c.Name = driver, card
	c.Skip = unfit(driver, caps)
	if c.Skip != "" {
		return c
	}
	d, err := open(path)
	if err != nil {
		c.Skip = "cannot be opened: " + err.Error()
		return c
	}
	defer d.Close()
	has := d.GetSupportedFormats()
	for _, f := range formats {
		if _, ok := has[f.code]; ok && !slices.Contains(c.Formats, f.name) {
			c.Formats = append(c.Formats, f.name)
		}
	}
	if len(c.Formats) == 0 {
		c.Skip = "has none of mjpeg, yuyv, nv12"
	}
	return c
}

// unfit says why a node is no camera.
func unfit(driver string, caps uint32) string {
	switch part, ok := parts[driver]; {
	case ok:
		return part
	case caps&capMetaCapture != 0 && caps&capVideoCapture == 0:
		return "carries metadata only"
	case caps&capVideoCapture == 0 || caps&capM2M != 0:
		return "does not capture"
	case caps&capStreaming == 0:
		return "does not stream"
	}
	return ""
}

// choose finds the path of the camera that device means.
func choose(device string, all []Camera) (string, error) {
	if device == "" || device == "auto" {
		for _, c := range all {
			if c.Skip == "" {
				return c.Path, nil
			}
		}
		return "", fmt.Errorf("v4l2: no USB camera is plugged in; %s", seen(all))
	}
	if strings.HasPrefix(device, "/") {
		real, err := filepath.EvalSymlinks(device)
		if err != nil {
			return "", fmt.Errorf("v4l2: %s is not there: is the camera plugged in? %s: %w", device, seen(all), fs.ErrNotExist)
		}
		return real, nil
	}
	for _, exact := range []bool{true, false} {
		for _, c := range all {
			id := filepath.Base(c.ByID)
			switch {
			case exact && (device == id || device == filepath.Base(c.Path) || c.Skip == "" && device == c.Name):
				return c.Path, nil
			case !exact && c.Skip == "" && strings.Contains(strings.ToLower(c.Name+" "+id), strings.ToLower(device)):
				return c.Path, nil
			}
		}
	}
	return "", fmt.Errorf("v4l2: no camera is called %q; %s", device, seen(all))
}

func seen(all []Camera) string {
	if len(all) == 0 {
		return "the machine has no /dev/video* at all"
	}
	var s []string
	for _, c := range all {
		s = append(s, c.String())
	}
	return "there are: " + strings.Join(s, ", ")
}

// holder names the process that has the device open, as far as we may look.
func holder(path string) string {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	self := strconv.Itoa(os.Getpid())
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != path {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		if pid == self {
			continue
		}
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return "another program (sudo fuser -v " + path + " shows which)"
}
