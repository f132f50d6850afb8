//go:build linux

package rpicam

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the camera programs too: with RPICAM_STANDIN in its
// environment it behaves as rpicam-vid or rpicam-still do, in the manner named.
func TestMain(m *testing.M) {
	if manner := os.Getenv("RPICAM_STANDIN"); manner != "" {
		if log := os.Getenv("RPICAM_PIDS"); log != "" {
			os.WriteFile(filepath.Join(log, strconv.Itoa(os.Getpid())), nil, 0o600)
		}
		os.Exit(standin(manner, os.Args[1:]))
	}
	if os.Getenv("RPICAM_PARENT") != "" {
		parent()
	}
	os.Exit(m.Run())
}

// known are the arguments of rpicam-apps that the stand-in accepts, and whether a value follows.
var known = map[string]bool{
	"--nopreview": false, "--hflip": false, "--vflip": false, "--flush": false, "--immediate": false, "--list-cameras": false,
	"--verbose": true, "--output": true, "--camera": true, "--width": true, "--height": true, "--quality": true, "--rotation": true,
	"--exposure": true, "--metering": true, "--ev": true, "--gain": true, "--shutter": true, "--awb": true, "--denoise": true,
	"--hdr": true, "--autofocus-mode": true, "--autofocus-range": true, "--lens-position": true, "--tuning-file": true,
	"--timeout": true, "--codec": true, "--framerate": true, "--encoding": true, "--thumb": true, "--brightness": true,
}

// refuse says it as boost's program_options and rpicam-apps do, and gives the exit status.
func refuse(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "ERROR: *** "+format+" ***\n", args...)
	return 255
}

func standin(manner string, args []string) int {
	got := map[string]string{}
	for i := 0; i < len(args); i++ {
		value, ok := known[args[i]]
		switch {
		case !ok:
			return refuse("unrecognised option '%s'", args[i])
		case value && i+1 == len(args):
			return refuse("the required argument for option '%s' is missing", args[i])
		case value:
			got[args[i]] = args[i+1]
			i++
		default:
			got[args[i]] = "yes"
		}
	}
	for _, name := range []string{"--width", "--height", "--quality", "--timeout", "--rotation", "--shutter", "--camera"} {
		if v, ok := got[name]; ok {
			if _, err := strconv.Atoi(v); err != nil {
				return refuse("the argument ('%s') for option '%s' is invalid", v, name)
			}
		}
	}
	if r := got["--rotation"]; r != "" && r != "0" && r != "180" {
		return refuse("transforms requiring transpose not supported")
	}
	if got["--list-cameras"] != "" {
		fmt.Println("Available cameras\n-----------------\n" +
			"0 : imx708 [4608x2592 10-bit RGGB] (/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a)\n" +
			"    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]\n\n" +
			"1 : ov5647 [2592x1944 10-bit GBRG] (/base/axi/pcie@120000/rp1/i2c@80000/ov5647@36)")
		return 0
	}
	still := got["--immediate"] != ""
	if got["--output"] != "-" || got["--nopreview"] == "" {
		return refuse("no display")
	}
	if !still && (got["--codec"] != "mjpeg" || got["--flush"] == "" || got["--timeout"] != "0") {
		return refuse("not a stream of JPEGs that comes at once and without end")
	}

	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT)
	w, _ := strconv.Atoi(got["--width"])
	h, _ := strconv.Atoi(got["--height"])
	c := &camera{w: max(w, 16), h: max(h, 16), out: os.Stdout}
	fmt.Fprintln(os.Stderr, "[0:00:12.345678901] [1234]  INFO Camera camera_manager.cpp:340 libcamera v0.5.2+99-bfd68f78")

	manner, arg, _ := strings.Cut(manner, ":")
	count, _ := strconv.Atoi(arg)
	libcamera := func(text string) { fmt.Fprintln(os.Stderr, "[0:00:13.000000001] [1240] ERROR "+text) }
	switch manner {
	case "ok", "slow":
		if manner == "slow" {
			time.Sleep(300 * time.Millisecond)
		}
		for {
			select {
			case <-interrupted:
				fmt.Fprintln(os.Stderr, "Received signal 2")
				return 0
			case <-time.After(2 * time.Millisecond):
				c.frame()
			}
			if still {
				return 0
			}
		}
	case "count": // that many, and an ordinary end
		for range count {
			c.frame()
		}
		return 0
	case "die":
		return 1
	case "partial": // the last frame is cut off
		for range count {
			c.frame()
		}
		c.out.Write(c.next()[:c.size()/2])
		return 0
	case "garbage": // between frames, and a frame that breaks off with the next one following
		for range count {
			c.frame()
			io.WriteString(c.out, "\xff\x00\xff\xd9 noise \xff\xd8 not a picture")
			c.frame()
			pic := c.next()
			c.out.Write(pic[:len(pic)-20])
		}
		return 0
	case "flood": // more than any pipe holds, deaf for SIGINT while it writes
		for {
			c.frame()
			select {
			case <-interrupted:
				return 0
			default:
			}
		}
	case "hang":
		signal.Ignore(syscall.SIGINT)
		for {
			time.Sleep(time.Hour)
		}
	case "family": // leaves a process behind that holds its pipes
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RPICAM_STANDIN=") }), "RPICAM_STANDIN=hang")
		cmd.Args = append(cmd.Args, args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return refuse("%v", err)
		}
		c.frame()
		for pids := os.Getenv("RPICAM_PIDS"); ; time.Sleep(time.Millisecond) {
			if all, _ := os.ReadDir(pids); len(all) == 2 {
				break
			}
		}
		c.frame()
		return 0
	case "deaf": // closes its output and lives on
		c.frame()
		os.Stdout.Close()
		<-interrupted
		return 0
	case "timeout": // rpicam-apps#660
		signal.Ignore(syscall.SIGINT)
		c.frame()
		for {
			libcamera("V4L2 v4l2_videodevice.cpp:2095 /dev/video0[16:cap]: Dequeue timer of 1000000.00us has expired!")
			libcamera("RPI pipeline_base.cpp:1368 Camera frontend has timed out!")
			fmt.Fprintln(os.Stderr, "ERROR: Device timeout detected, attempting a restart!!!")
			time.Sleep(5 * time.Millisecond)
		}
	case "nocam":
		return refuse("no cameras available")
	case "busy":
		fmt.Fprintln(os.Stderr, "[0:00:13.1] [1240]  INFO Camera camera.cpp:1021 Pipeline handler in use by another process")
		return refuse("failed to acquire camera /base/soc/i2c0mux/i2c@1/imx219@10")
	case "dmaheap":
		fmt.Fprintln(os.Stderr, "Could not open any dmaHeap device")
		return refuse("no cameras available")
	case "dmabuf":
		libcamera("DmaBufAllocator dma_buf_allocator.cpp:120 Could not open any dma-buf provider")
		return 255
	case "cma":
		libcamera("V4L2 v4l2_videodevice.cpp:1312 /dev/video13[23:cap]: Unable to request 4 buffers: Cannot allocate memory")
		return refuse("failed to start camera")
	case "refused":
		return refuse("failed to configure streams: failed to configure camera")
	case "words":
		fmt.Fprint(os.Stderr, strings.Repeat("chatter ", 4000), "\n\nERROR: *** the moon is too bright ***\nbye\n")
		return 3
	}
	return refuse("stand-in: no manner %q", manner)
}

// camera draws numbered frames: the number is in a comment segment.
type camera struct {
	w, h, n int
	base    []byte
	out     *os.File
}

func (c *camera) next() []byte {
	if c.base == nil {
		m := image.NewGray(image.Rect(0, 0, c.w, c.h))
		for i := range m.Pix {
			m.Pix[i] = byte(i * 7)
		}
		m.SetGray(1, 1, color.Gray{255})
		var b bytes.Buffer
		jpeg.Encode(&b, m, nil)
		c.base = b.Bytes()
	}
	c.n++
	return slices.Concat(c.base[:2], []byte(fmt.Sprintf("\xff\xfe\x00\x08%06d", c.n)), c.base[2:])
}

func (c *camera) size() int { c.n--; return len(c.next()) }
func (c *camera) frame()    { c.out.Write(c.next()) }

// number reads it back.
func number(t *testing.T, pic []byte) int {
	t.Helper()
	if len(pic) < 12 || string(pic[2:6]) != "\xff\xfe\x00\x08" {
		t.Fatalf("not a frame of the stand-in: % x", pic[:min(len(pic), 16)])
	}
	n, err := strconv.Atoi(string(pic[6:12]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
