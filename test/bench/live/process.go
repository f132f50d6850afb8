//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is a program that runs beside us.
type process struct {
	cmd    *exec.Cmd
	out    text
	done   chan struct{}
	addr   string // of a broker
	socket string // of a profiler
}

// text collects what a program prints.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

func startProcess(ctx context.Context, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() { defer close(p.done); p.cmd.Wait() }()
	return p, nil
}

func (p *process) end() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %s", p.cmd.Path, p.out.String())
	default:
		return nil
	}
}

// cpuTime is what all threads have run so far, in ns. A thread that ends takes
// its share with it; neither program lets any end while it watches.
func (p *process) cpuTime() (total int64) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	for _, name := range threads {
		line, _ := os.ReadFile(name)
		if fields := strings.Fields(string(line)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			total += ns
		}
	}
	return total
}

func (p *process) residentMB() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	if fields := strings.Fields(rest); len(fields) > 0 {
		kb, _ := strconv.ParseFloat(fields[0], 64)
		return kb / 1024
	}
	return 0
}

// profile fetches the daemon's profiles.
func (p *process) profile(name string, d time.Duration) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.socket)
	}}}
	defer client.CloseIdleConnections()
	for file, url := range map[string]string{
		".cpu": fmt.Sprintf("profile?seconds=%d", int(d.Seconds())), ".heap": "heap", ".allocs": "allocs", ".mem.txt": "heap?debug=1",
	} {
		res, err := client.Get("http://daemon/debug/pprof/" + url)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil {
			err = os.WriteFile(name+file, data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func startBroker(ctx context.Context, dir string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	conf := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "listener %d 127.0.0.1\nallow_anonymous true\n", addr.Port), 0o644); err != nil {
		return nil, err
	}
	program := "mosquitto"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/mosquitto"
	}
	p, err := startProcess(ctx, program, "-c", conf)
	if err != nil {
		return nil, err
	}
	p.addr = addr.String()
	return p, nil
}

func (s size) startMotion(ctx context.Context, dir, url string) (*process, error) {
	conf := filepath.Join(dir, fmt.Sprintf("motion-%d.conf", s.w))
	err := os.WriteFile(conf, fmt.Appendf(nil, `daemon off
log_level 4
netcam_url %s
width %d
height %d
framerate %d
picture_output off
movie_output off
webcontrol_port 0
stream_port 0
target_dir %s
`, url, s.w, s.h, fps, dir), 0o644)
	if err != nil {
		return nil, err
	}
	return startProcess(ctx, "motion", "-n", "-c", conf)
}

func (s size) startPirwatch(ctx context.Context, dir, program, broker, url, name string, detectorFPS float64, profile bool) (*process, error) {
	state := filepath.Join(dir, name)
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	conf, socket := filepath.Join(dir, name+".toml"), filepath.Join(dir, name+".pprof")
	metrics := "" // the profiler's tables take memory
	if profile {
		metrics = fmt.Sprintf("[metrics]\npprof = %q\n", socket)
	}
	err := os.WriteFile(conf, fmt.Appendf(nil, `name = %q
state_dir = %q
[broker]
url = "mqtt://%s"
[camera]
driver = "netcam"
width = %d
height = %d
fps = %d
detector_fps = %g
[camera.netcam]
url = %q
[sensor]
driver = "off"
[motion]
trigger = "frames"
%s`, name, state, broker, s.w, s.h, fps, detectorFPS, url, metrics), 0o600)
	if err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, program, "run", "--config", conf)
	if err == nil {
		p.socket = socket
	}
	return p, err
}
