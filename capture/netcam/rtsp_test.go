package netcam

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pirwatch/capture"
)

// The test binary stands in for ffmpeg when this variable says how.
const standIn = "PIRWATCH_TEST_FFMPEG"

func TestMain(m *testing.M) {
	if how := os.Getenv(standIn); how != "" {
		os.Exit(ffmpeg(how))
	}
	os.Exit(m.Run())
}

// ffmpeg behaves as the real one does in the case named.
func ffmpeg(how string) int {
	list, _ := io.ReadAll(os.Stdin)
	if f := os.Getenv("PIRWATCH_TEST_SEEN"); f != "" {
		os.WriteFile(f, []byte(strings.Join(os.Args, "\n")+"\n---\n"+string(list)), 0o600)
	}
	if f := os.Getenv("PIRWATCH_TEST_PID"); f != "" {
		os.WriteFile(f, []byte(strconv.Itoa(os.Getpid())), 0o600)
	}
	address := strings.Split(string(list), "'")[1]
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	send := func() {
		for _, j := range pictures() {
			os.Stdout.Write(j)
		}
	}
	switch how {
	case "stream":
		for {
			send()
			select {
			case <-interrupted:
				return 255
			case <-time.After(10 * time.Millisecond):
			}
		}
	case "wrong password":
		fmt.Fprintf(os.Stderr, "[rtsp @ 0x1] method DESCRIBE failed: 401 Unauthorized\n[concat @ 0x2] Impossible to open '%s'\n", address)
		return 1
	case "crash":
		send()
		os.Stdout.Write(pictures()[0][:50])
		fmt.Fprintf(os.Stderr, "\n%s: Something of which we never heard\n%s\n", address, strings.Repeat("x", 100_000))
		return 69
	case "end":
		send()
		return 0
	case "stubborn": // ignores SIGINT
		send()
		for {
			<-interrupted
		}
	case "family": // leaves a child behind that holds the pipes
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), standIn+"=stubborn")
		cmd.Stdin = strings.NewReader(string(list))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Start()
		<-interrupted
		return 255
	case "silent":
		<-interrupted
		return 255
	}
	return 2
}

func rtspSource(t *testing.T, how string, o Options) *Source {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no SIGINT on Windows")
	}
	t.Setenv(standIn, how)
	o.FFmpeg = os.Args[0]
	if o.URL == "" {
		o.URL = "rtsp://us%20er:pa%2Fs's@camera.invalid:8554/live?x=secret"
	}
	s, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.grace = 200 * time.Millisecond
	return s
}

func TestRTSP(t *testing.T) {
	for _, test := range []struct {
		how     string
		take    int // −1: until it fails
		timeout time.Duration
		frames  int
		want    string
	}{
		{"stream", 12, 0, 12, ""},
		{"wrong password", -1, 0, 0, "refuses the user name or the password"},
		{"crash", -1, 0, 5, "exit status 69"},
		{"end", -1, 0, 5, "the stream ended"},
		{"stubborn", 5, 0, 5, ""},
		{"stubborn", -1, 200 * time.Millisecond, 5, "no whole picture within 200ms"},
		{"family", 5, 0, 5, ""},
	} {
		s := rtspSource(t, test.how, Options{Timeout: test.timeout})
		frames, err := takeFrom(t, s, test.take)
		if len(frames) != test.frames || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %d pictures, %v; want %d, %q", test.how, len(frames), err, test.frames, test.want)
		}
		for _, secret := range []string{"pa/s's", "pa%2Fs", "us%20er", "secret"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v shows %s", test.how, err, secret)
			}
		}
		for i, f := range frames {
			if string(f.Data) != string(pictures()[i%5]) {
				t.Errorf("%s: picture %d is another", test.how, i)
			}
		}
	}
}

func TestRTSPWithoutFFmpeg(t *testing.T) {
	for _, program := range []string{"no-such-ffmpeg", "/no/such/ffmpeg"} {
		s, err := New(Options{URL: "rtsp://camera.invalid/", FFmpeg: program}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "apt install ffmpeg") {
			t.Errorf("%s: %v", program, err)
		}
	}
}

// The login reaches ffmpeg, but neither its command line nor the log.
func TestRTSPKeepsTheLoginSecret(t *testing.T) {
	seen := filepath.Join(t.TempDir(), "seen")
	t.Setenv("PIRWATCH_TEST_SEEN", seen)
	var b logBuffer
	s := rtspSource(t, "crash", Options{URL: "rtsp://camera.invalid/a?b=hidden", Username: "us er", Password: "pa/s's", FPS: 5, FFmpegArgs: []string{"-q:v", "2"}})
	s.log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	takeFrom(t, s, -1)
	data, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	args, list, _ := strings.Cut(string(data), "\n---\n")
	if strings.Contains(args, "pa") && strings.Contains(args, "us") && strings.Contains(args, "camera") || strings.Contains(args, "hidden") {
		t.Errorf("the command line shows the address: %s", args)
	}
	if !strings.Contains(list, `file 'rtsp://us%20er:pa%2Fs%27s@camera.invalid/a?b=hidden'`) || !strings.Contains(list, "option rtsp_transport tcp\n") {
		t.Errorf("the list is %s", list)
	}
	if !strings.HasSuffix(args, "-vf\nselect='isnan(prev_selected_t)+gte(t-prev_selected_t,0.1700)'\n-q:v\n2\n-f\nimage2pipe\npipe:1") {
		t.Errorf("the command line ends otherwise: %s", args)
	}
	if text := b.String(); !strings.Contains(text, "never heard") || strings.Contains(text, "pa/s") || strings.Contains(text, "pa%2F") || strings.Contains(text, "hidden") {
		t.Errorf("logged: %.2000s", text)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// However a session ends, the child is gone with it, and nothing is left here.
func TestRTSPLeavesNothingBehind(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("PIRWATCH_TEST_PID", pid)
	before := runtime.NumGoroutine()
	for _, how := range []string{"stream", "end", "crash", "stubborn", "silent", "family"} {
		s := rtspSource(t, how, Options{})
		n := 3
		if how == "stubborn" || how == "silent" || how == "family" {
			n = 1
		}
		for range n {
			os.Remove(pid)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for ctx.Err() == nil && how == "silent" { // nothing comes of it but its number
					if data, _ := os.ReadFile(pid); len(data) > 0 {
						cancel()
					}
					time.Sleep(5 * time.Millisecond)
				}
			}()
			s.Run(ctx, func(capture.Frame) { cancel() })
			cancel()
			data, err := os.ReadFile(pid)
			if err != nil {
				t.Fatal(err)
			}
			number, _ := strconv.Atoi(string(data))
			deadline := time.Now().Add(20 * time.Second)
			for alive(number) { // a grandchild is somebody else's to wait for
				if how != "family" || time.Now().After(deadline) {
					t.Errorf("%s: process %d lives on", how, number)
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before+2 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func alive(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
		return false
	}
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(sigZero) == nil
}

func TestLastLines(t *testing.T) {
	var l lastLines
	for i := range 12 {
		l.add(strconv.Itoa(i))
	}
	if err := l.explain(io.EOF); err.Error() != "the stream ended; ffmpeg says: 7; 8; 9; 10; 11" {
		t.Error(err)
	}
}
