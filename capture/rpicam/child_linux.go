package rpicam

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	patience = 3 * time.Second        // between SIGINT and SIGKILL
	linger   = 500 * time.Millisecond // for what the pipes still hold after the end
)

// child is a running program in a process group of its own.
type child struct {
	out, err *os.File      // the read ends of its standard output and error; the owner closes them
	exited   chan struct{} // closed when it has been reaped
	exit     error         // how it ended, valid after exited

	mu     sync.Mutex
	pid    int
	reaped bool
}

// start runs the program. It gets an empty standard input and our environment
// without our own variables, which may hold secrets.
func start(path string, args []string) (*child, error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("rpicam: pipe: %w", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return nil, fmt.Errorf("rpicam: pipe: %w", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = outW, errW
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c := &child{out: outR, err: errR, exited: make(chan struct{})}
	started := make(chan error)
	go c.keep(cmd, started)
	err = <-started
	outW.Close()
	errW.Close()
	if err != nil {
		outR.Close()
		errR.Close()
		return nil, fmt.Errorf("rpicam: start %s: %w", path, err)
	}
	return c, nil
}

// keep starts the program and reaps it, both on one thread: the parent-death
// signal comes when the thread ends that made the child (golang/go#27505).
func (c *child) keep(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		c.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	// Wait without reaping, so that the group's number is still ours to kill.
	for {
		err := unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	c.mu.Lock()
	unix.Kill(-c.pid, unix.SIGKILL)
	c.reaped = true
	c.mu.Unlock()
	c.exit = cmd.Wait()
	// A program that left the group may hold the pipes open.
	c.out.SetReadDeadline(time.Now().Add(linger))
	c.err.SetReadDeadline(time.Now().Add(linger))
	close(c.exited)
}

func (c *child) signal(s unix.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		unix.Kill(-c.pid, s)
	}
}

// stop ends the program: asked first, then killed. It returns when it is gone;
// somebody must go on reading its output meanwhile.
func (c *child) stop() {
	c.signal(unix.SIGINT)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-c.exited:
		return
	case <-t.C:
	}
	c.signal(unix.SIGKILL)
	<-c.exited
}

func environment() []string {
	env := []string{"LIBCAMERA_LOG_NO_COLOR=1"}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "PIRWATCH_"), name == "CREDENTIALS_DIRECTORY", name == "NOTIFY_SOCKET", strings.HasPrefix(name, "WATCHDOG_"):
		default:
			env = append(env, v)
		}
	}
	return env
}
