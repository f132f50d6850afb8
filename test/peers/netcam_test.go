//go:build peers

package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
	"pirwatch/capture/netcam"
	"pirwatch/capture/scene"
)

// watchCamera runs a network camera under its supervisor until it has
// delivered n pictures of the given width.
func watchCamera(t *testing.T, o netcam.Options, n, width int) capture.Health {
	t.Helper()
	src, err := netcam.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := capture.NewCamera(src, capture.CameraOptions{Start: time.Minute, Frozen: -1, MaxRetry: time.Second}, nil)
	got := 0
	var last capture.Health
	c.Run(ctx, func(f capture.Frame) {
		w, _, err := mjpeg.Size(f.Data)
		if err != nil || w != width || f.Width != width {
			t.Errorf("picture %d: %d wide, said to be %d, %v", got, w, f.Width, err)
		}
		if got++; got == n {
			last = c.Health()
			cancel()
		}
	})
	if got < n {
		t.Fatalf("%d pictures, want %d; health %+v", got, n, c.Health())
	}
	if last.State != capture.StateOK || last.Garbage != 0 {
		t.Errorf("health %+v", last)
	}
	return last
}

// ffmpeg's own HTTP server sends a multipart stream to whoever comes first.
func TestNetcamFFmpegOverHTTP(t *testing.T) {
	address := fmt.Sprintf("http://127.0.0.1:%d/stream", freePort(t))
	start(t, need(t, "ffmpeg"), "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=15",
		"-c:v", "mjpeg", "-q:v", "5", "-f", "mpjpeg", "-listen", "1", address)
	watchCamera(t, netcam.Options{URL: address}, 30, 640)
}

// An ordinary web server gives one picture a request.
func TestNetcamSnapshotsFromAWebServer(t *testing.T) {
	dir := t.TempDir()
	jpeg, _ := scene.New(scene.Options{}).Frame(50)
	if err := os.WriteFile(filepath.Join(dir, "snap.jpg"), jpeg, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(need(t, "python3"), "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", dir, "0")
	server := startCmd(t, cmd)
	var port string
	await(t, "the web server's port", time.Minute, func() bool {
		_, after, ok := strings.Cut(server.out.String(), "port ")
		port, _, _ = strings.Cut(after, " ")
		return ok && port != ""
	})
	watchCamera(t, netcam.Options{URL: "http://127.0.0.1:" + port + "/snap.jpg", Interval: 10 * time.Millisecond}, 20, 640)
}

const (
	rtspUser     = "cam era"
	rtspPassword = "p@ss:w'rd/x"
)

// rtspCamera starts gortsplib's server with a login, and ffmpeg sending it
// H.264; it returns the camera's address and the sender.
func rtspCamera(t *testing.T) (address string, sender *process) {
	t.Helper()
	ffmpeg := need(t, "ffmpeg")
	program := filepath.Join(t.TempDir(), "rtspd")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(root, "test/rtspd")
	if out, err := build.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("an RTSP server (test/rtspd does not build: %v %s)", err, out))
	}
	server := start(t, program, rtspUser, rtspPassword)
	await(t, "the RTSP server's port", time.Minute, func() bool { return strings.Contains(server.out.String(), "\n") })
	port := strings.TrimSpace(strings.SplitN(server.out.String(), "\n", 2)[0])
	sender = start(t, ffmpeg, "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=15",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15",
		"-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://cam%20era:p%40ss%3Aw%27rd%2Fx@127.0.0.1:"+port+"/live")
	return "rtsp://127.0.0.1:" + port + "/live", sender
}

func TestNetcamRTSP(t *testing.T) {
	address, sender := rtspCamera(t)
	o := netcam.Options{URL: address, Username: rtspUser, Password: rtspPassword}
	watchCamera(t, o, 30, 640) // opened again until the sender has begun

	// Seen from outside while it runs: the address is on no command line.
	src, err := netcam.New(netcam.Options{URL: address, Username: rtspUser, Password: rtspPassword, Timeout: 5 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, seen := 0, 0
	err = src.Run(t.Context(), func(capture.Frame) {
		if got++; got != 5 {
			return
		}
		for _, line := range ffmpegs(t) {
			if strings.Contains(line, "concat") {
				seen++
				if strings.Contains(line, "rtsp://") || strings.Contains(line, rtspPassword) {
					t.Errorf("command line: %s", line)
				}
			}
		}
		// And now the camera stalls: its line stays open, and nothing comes.
		sender.cmd.Process.Signal(syscall.SIGSTOP)
	})
	sender.cmd.Process.Signal(syscall.SIGCONT)
	if err == nil || !strings.Contains(err.Error(), "no whole picture within 5s") {
		t.Errorf("a camera that stalls: %v", err)
	}
	if runtime.GOOS == "linux" && seen == 0 {
		t.Error("ffmpeg was not seen running")
	}
	for _, line := range ffmpegs(t) {
		if strings.Contains(line, "concat") {
			t.Errorf("left running: %s", line)
		}
	}
}

func TestNetcamRTSPRefused(t *testing.T) {
	address, _ := rtspCamera(t)
	for _, test := range []struct{ address, password, want string }{
		{address, "wr0ng", "refuses the user name or the password"},
		{"rtsp://127.0.0.1:1/live", rtspPassword, "nothing listens"},
	} {
		src, err := netcam.New(netcam.Options{URL: test.address, Username: rtspUser, Password: test.password}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = src.Run(t.Context(), func(capture.Frame) { t.Error("a picture came") })
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), test.password) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// ffmpegs returns the command lines of the ffmpeg processes this test started.
func ffmpegs(t *testing.T) (lines []string) {
	t.Helper()
	procs, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range procs {
		data, err := os.ReadFile(stat)
		if err != nil {
			continue
		}
		_, after, _ := bytes.Cut(data, []byte(") "))
		fields := strings.Fields(string(after))
		if len(fields) < 2 || fields[1] != fmt.Sprint(os.Getpid()) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		lines = append(lines, strings.ReplaceAll(string(cmdline), "\x00", " "))
	}
	return lines
}
