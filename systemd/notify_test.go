package systemd

import (
	"context"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNotifierSpeaksToTheSocket(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is on Linux only")
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	n := NewNotifier()
	for _, step := range []struct {
		tell func() error
		want string
	}{
		{n.Ready, `^READY=1$`},
		{func() error { return n.Status("watching;\n 3 events  today") }, `^STATUS=watching; 3 events today$`},
		{n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`},
		{n.Stopping, `^STOPPING=1$`},
	} {
		if err := step.tell(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256)
		k, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(step.want).Match(buf[:k]) {
			t.Errorf("sent %q, want %s", buf[:k], step.want)
		}
	}
}

func TestNotifierWithoutSystemdDoesNothing(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	n := NewNotifier()
	for _, err := range []error{n.Ready(), n.Reloading(), n.Status("x"), n.Stopping()} {
		if err != nil {
			t.Error(err)
		}
	}
	n.Watchdog(t.Context(), func() bool { t.Error("asked without a watchdog"); return true }) // returns at once
}

func TestNotifierTellsAFailure(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := NewNotifier().Ready(); err == nil || !strings.Contains(err.Error(), "notify systemd of READY=1") {
		t.Errorf("got %v", err)
	}
}

func TestStatusIsSentOnChangeOnly(t *testing.T) {
	var sent []string
	n := &Notifier{send: func(s string) error { sent = append(sent, s); return nil }}
	n.Status("a")
	n.Status("a")
	n.Status("b")
	n.Status("a")
	if got := strings.Join(sent, " "); got != "STATUS=a STATUS=b STATUS=a" {
		t.Errorf("sent %s", got)
	}
}

func TestWatchdogIsFedWhileThePipelineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := 0
		n := &Notifier{send: func(s string) error {
			if s != "WATCHDOG=1" {
				t.Errorf("sent %q", s)
			}
			fed++
			return nil
		}}
		start, moving := time.Now(), true
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		n.feed(ctx, 30*time.Second, func() bool {
			moving = time.Since(start) < 5*time.Minute
			return moving
		})
		if fed != 10 { // at 0:00, 0:30, … 4:30
			t.Errorf("fed %d times in five minutes of moving, want 10", fed)
		}
		if d := time.Since(start); d != 10*time.Minute {
			t.Errorf("returned after %v", d)
		}
	})
}

func TestPausesGrowWithCrashes(t *testing.T) {
	dir := t.TempDir()
	want := []time.Duration{0, 0, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute}
	var c *Crashes
	for i, pause := range want {
		var err error
		if c, err = CountStart(dir); err != nil {
			t.Fatal(err)
		}
		if c.Pause() != pause || c.InARow() != i {
			t.Errorf("start %d after %d crashes: pause %v, want %v", i, c.InARow(), c.Pause(), pause)
		}
	}
	if err := c.Good(); err != nil {
		t.Fatal(err)
	}
	if c, err := CountStart(dir); err != nil || c.Pause() != 0 || c.InARow() != 0 {
		t.Errorf("after a good run: %v, %v", c, err)
	}
	if _, err := CountStart(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there was counted in")
	}
}

func TestThePauseIsTold(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "")
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		n := &Notifier{send: func(s string) error { sent = append(sent, s); return nil }}
		start := time.Now()
		if err := (&Crashes{n: 4}).Wait(t.Context(), n); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("waited %v", d)
		}
		if len(sent) != 2 || sent[0] != "READY=1" || !strings.HasPrefix(sent[1], "STATUS=crashed 4 times in a row; trying again at ") {
			t.Errorf("told %q", sent)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start = time.Now()
		(&Crashes{n: 9}).Wait(ctx, n)
		c, err := CountStart("")
		if err != nil || c.Wait(t.Context(), n) != nil || c.Good() != nil {
			t.Errorf("without a directory: %v", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %v without need", d)
		}
	})
}
