package pir

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

func open(o Options, edge func(Level)) (line, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	switch o.Driver {
	case "", "gpiocdev":
		return openCdev(o, edge)
	case "rpio":
		return openRPIO(o, compatible(), edge)
	}
	return nil, fmt.Errorf("pir: driver %q: want gpiocdev or rpio", o.Driver)
}

// uptime counts from boot, suspended time included.
func uptime() time.Duration { return clock(unix.CLOCK_BOOTTIME) }

func clock(id int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
