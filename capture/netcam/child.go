package netcam

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// child is a program whose standard output is read.
type child struct {
	program string
	args    []string
	input   string                // given on its standard input, which then ends
	read    func(io.Reader) error // reads its standard output; ends with an error
	stderr  func(line string)     // gets each line of its standard error
	grace   time.Duration         // for ending after it was asked to
}

// runChild runs the program until ctx ends, read gives up, or it ends by
// itself, and returns when it is gone. It is asked to end by SIGINT, to its
// whole process group, and killed if it does not within grace. Where the
// system can (Linux), it dies with us even if we are killed.
func runChild(ctx context.Context, c child) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Stdin = strings.NewReader(c.input)
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = c.grace
	ownGroup(cmd)
	// Own pipes, so that whoever else holds the far ends cannot keep us reading.
	out, outFar, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.program, err)
	}
	defer out.Close()
	errs, errsFar, err := os.Pipe()
	if err != nil {
		outFar.Close()
		return fmt.Errorf("start %s: %w", c.program, err)
	}
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = outFar, errsFar

	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ends the child with the thread that started it (prctl(2),
		// PR_SET_PDEATHSIG), so that thread is kept for as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		outFar.Close()
		errsFar.Close()
		started <- err
		if err == nil {
			err = cmd.Wait()
			killGroup(cmd.Process) // whatever it left behind
			ended <- err
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", c.program, err)
	}

	said := make(chan struct{})
	go func() {
		defer close(said)
		lines := bufio.NewScanner(io.LimitReader(errs, 1<<30))
		lines.Buffer(make([]byte, 4<<10), 64<<10)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				c.stderr(line)
			}
		}
		io.Copy(io.Discard, errs) // after a line too long: keep it from blocking
	}()
	read := make(chan error, 1)
	go func() {
		read <- c.read(out)
		cancel()
	}()
	err = <-ended
	// What it had still written is in the pipes, and their ends follow at once,
	// unless a stranger holds them.
	deadline := time.Now().Add(c.grace)
	out.SetReadDeadline(deadline)
	errs.SetReadDeadline(deadline)
	<-said
	readErr := <-read
	var exit *exec.ExitError
	if errors.As(err, &exit) && errors.Is(readErr, io.EOF) {
		return fmt.Errorf("%s ended: %w", c.program, err)
	}
	return readErr
}
