package status

import (
	"fmt"
	"os"
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
// (adjtimex(2)), and looks for timesyncd's mark, for where the kernel may not be
// asked.
func synced() bool {
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 {
		return true
	}
	_, err := os.Stat("/run/systemd/timesync/synchronized")
	return err == nil
}
