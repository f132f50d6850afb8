// Package systemd is what pirwatch and systemd say to each other: readiness,
// status and watchdog one way, log entries with fields another. The unit files
// and the package's scripts are beside it. Where there is no systemd all of it
// does nothing and fails nothing.
package systemd

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells systemd how the service is (sd_notify(3)). Without systemd, that
// is without $NOTIFY_SOCKET, its methods do nothing. It may be used concurrently.
type Notifier struct {
	send  func(state string) error
	clock func() string // "MONOTONIC_USEC=…", or ""

	mu     sync.Mutex
	status string
}

// NewNotifier returns a notifier to the service manager that started this process.
func NewNotifier() *Notifier {
	return &Notifier{
		send: func(state string) error {
			_, err := daemon.SdNotify(false, state)
			return err
		},
		clock: daemon.SdNotifyMonotonicUsec,
	}
}

// Ready says that the service is up, or that a reload is over.
func (n *Notifier) Ready() error { return n.tell(daemon.SdNotifyReady) }

// Reloading says that the configuration is being read again; [Notifier.Ready]
// ends it. systemd wants the time of CLOCK_MONOTONIC with it.
func (n *Notifier) Reloading() error {
	state := daemon.SdNotifyReloading
	if clock := strings.TrimSpace(n.clock()); clock != "" {
		state += "\n" + clock
	}
	return n.tell(state)
}

// Stopping says that the service is on its way down.
func (n *Notifier) Stopping() error { return n.tell(daemon.SdNotifyStopping) }

// Status is the line that "systemctl status" shows; the same line again is not sent.
func (n *Notifier) Status(line string) error {
	line = strings.Join(strings.Fields(line), " ") // a line break would end the assignment
	n.mu.Lock()
	same := line == n.status
	n.status = line
	n.mu.Unlock()
	if same {
		return nil
	}
	return n.tell("STATUS=" + line)
}

func (n *Notifier) tell(state string) error {
	if err := n.send(state); err != nil {
		return fmt.Errorf("notify systemd of %s: %w", strings.SplitN(state, "\n", 2)[0], err)
	}
	return nil
}

// Watchdog feeds systemd's watchdog at half the unit's WatchdogSec for as long as
// moving says that the pipeline does, and returns when ctx ends: at once where
// the unit has no watchdog. What moving returns is logged by its owner.
func (n *Notifier) Watchdog(ctx context.Context, moving func() bool) {
	period, err := daemon.SdWatchdogEnabled(false)
	if err != nil || period <= 0 {
		return
	}
	n.feed(ctx, period/2, moving)
}

func (n *Notifier) feed(ctx context.Context, every time.Duration, moving func() bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if moving() {
			// Not fed is fed late: systemd decides, so an error needs no telling.
			_ = n.tell(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
