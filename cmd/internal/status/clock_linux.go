package status

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func sinceBoot() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read CLOCK_BOOTTIME: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// synced asks the kernel, which systemd-timesyncd, chrony and ntpd tell
// (adjtimex(2)), and looks for timesyncd's mark: the service may not ask the
// kernel, since the same call sets the clock.
func synced() bool {
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 {
		return true
	}
	_, err := os.Stat("/run/systemd/timesync/synchronized")
	return err == nil
}

// askTimedated asks systemd's time daemon, which may ask the kernel: for machines
// that are told the time by chrony or ntpd.
func askTimedated() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "timedatectl", "show", "--property=NTPSynchronized", "--value").Output()
	return err == nil && strings.TrimSpace(string(out)) == "yes"
}
