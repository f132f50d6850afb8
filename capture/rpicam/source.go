package rpicam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
	"pirwatch/capture/quiet"
)

// Source is a Pi camera whose pictures come all the time, from one child process.
// It is a [capture.Source].
type Source struct {
	log *slog.Logger

	mu      sync.Mutex
	o       Options
	changed chan struct{} // closed and replaced by Set
}

// New makes a source; nothing is started before Run. A nil log discards.
func New(o Options, log *slog.Logger) *Source {
	return &Source{o: o, log: orDiscard(log), changed: make(chan struct{})}
}

// Set gives the camera other options (those for the night, say). A session under
// way starts the child anew, which costs one or two seconds of pictures.
func (s *Source) Set(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o = o
	close(s.changed)
	s.changed = make(chan struct{})
}

// Run starts the program and delivers its pictures until ctx ends (nil) or the
// program does: the error then says in one sentence what is wrong and what helps.
// A frame's time is when its last byte arrived, some tens of milliseconds after
// the exposure. When Run returns, the child and all it started are gone.
func (s *Source) Run(ctx context.Context, deliver func(capture.Frame)) error {
	for {
		s.mu.Lock()
		o, changed := s.o, s.changed
		s.mu.Unlock()
		session, cancel := context.WithCancelCause(ctx)
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			select {
			case <-changed:
				cancel(errChanged)
			case <-session.Done():
			}
		}()
		err := run(session, o, s.log, deliver)
		again := context.Cause(session) == errChanged
		cancel(nil)
		<-stop
		if ctx.Err() != nil {
			return nil
		}
		if !again {
			return err
		}
		s.log.Info("camera starts again with other settings")
	}
}

var errChanged = errors.New("options changed")

// run is one life of the program rpicam-vid; nil when ctx ended it.
func run(ctx context.Context, o Options, log *slog.Logger, deliver func(capture.Frame)) error {
	if err := o.check(); err != nil {
		return err
	}
	path, err := find(o.Program, "rpicam-vid", "libcamera-vid")
	if err != nil {
		return err
	}
	log.Debug("starting the camera program", "program", path, "args", strings.Join(o.video(), " "))
	return watch(ctx, path, o.video(), o, log, settling(o, deliver))
}

// watch runs a program whose output is JPEGs, from start to end.
func watch(ctx context.Context, path string, args []string, o Options, log *slog.Logger, deliver func(capture.Frame)) error {
	c, err := start(path, args)
	if err != nil {
		return err
	}
	defer c.out.Close()
	defer c.err.Close()

	ending, end := context.WithCancel(ctx)
	defer end()
	d := &diagnosis{log: log, known: len(faults), end: end}
	var owned sync.WaitGroup
	owned.Go(func() { d.read(c.err) })
	owned.Go(func() {
		select {
		case <-ending.Done():
			c.stop()
		case <-c.exited:
		}
	})

	s := mjpeg.NewSplitter(quiet.Reader(c.out), o.maxFrame())
	var pool capture.Pool
	var loan *capture.Loan
	s.Memory = func(n int) []byte {
		loan = pool.Lend(n)
		return loan.Bytes
	}
	frames := 0
	for {
		jpeg, err := s.Next()
		if err != nil {
			break
		}
		at := time.Now()
		w, h, err := mjpeg.Size(jpeg)
		if err != nil || over(ending) { // a stopped program is read to its end, so that it can stop
			continue
		}
		frames++
		deliver(capture.Frame{At: at, Width: w, Height: h, Format: capture.JPEG, Data: jpeg, Loan: loan})
	}
	end() // a program that closed its output but lives on
	<-c.exited
	owned.Wait()
	if s.Skipped() > 0 || s.Broken() > 0 {
		log.Debug("camera program's stream had gaps", "skipped_bytes", s.Skipped(), "broken_pictures", s.Broken())
	}
	if ctx.Err() != nil {
		return nil
	}
	if frames > 0 && c.exit == nil && d.known == len(faults) {
		return errEnded
	}
	return fmt.Errorf("rpicam: %s", d.why(filepath.Base(path), c.exit))
}

// errEnded: the program has done what it was asked for.
var errEnded = errors.New("rpicam: the camera program ended by itself")

// settling drops the frames of the start-up.
func settling(o Options, deliver func(capture.Frame)) func(capture.Frame) {
	limit, count := o.Settle, o.SettleFrames
	if limit == 0 && count == 0 {
		limit, count = settleTime, settleFrames
	}
	var first time.Time
	seen, settled := 0, limit < 0 || count < 0
	return func(f capture.Frame) {
		if !settled {
			if seen == 0 {
				first = f.At
			}
			settled = count > 0 && seen >= count || limit > 0 && f.At.Sub(first) >= limit
			seen++
		}
		if settled {
			deliver(f)
		}
	}
}

// find looks for the program asked for, else for the names it has had.
func find(program string, names ...string) (string, error) {
	if program != "" {
		names = []string{program}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	if program != "" {
		return "", fmt.Errorf("rpicam: %s is not a program that can be run: check `program`, or leave it empty", program)
	}
	return "", fmt.Errorf("rpicam: neither %s is installed: sudo apt install rpicam-apps-lite", strings.Join(names, " nor "))
}
