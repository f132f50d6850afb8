// Package status knows how the camera is: the health message, metrics, the
// machine's clock and temperature.
package status

import (
	"context"
	"encoding/json"
	"time"
)

// Health is the health message, as the protocol has it. Counters are since start.
type Health struct {
	Camera            string   `json:"camera"` // ok, starting, stalled, missing, off
	CameraError       string   `json:"camera_error"`
	FPS               float64  `json:"fps"`
	Sensor            string   `json:"sensor"` // ok, warming, chattering, stuck, missing, off
	Broker            string   `json:"broker"`
	NextTry           string   `json:"next_try,omitempty"` // RFC 3339, while the broker is not reached
	QueuePictures     int      `json:"queue_pictures"`
	QueueBytes        int64    `json:"queue_bytes"`
	OldestS           int64    `json:"oldest_s"`
	Dropped           uint64   `json:"dropped"`
	Suppressed        uint64   `json:"suppressed"`
	IncompleteResends uint64   `json:"incomplete_resends"`
	Disk              string   `json:"disk"`  // ok, full, readonly, failing
	CPUC              *float64 `json:"cpu_c"` // null where it cannot be read
	Clock             string   `json:"clock"` // synced, unsynced
	UptimeS           int64    `json:"uptime_s"`
	Version           string   `json:"version"`
}

// JSON returns the message's payload.
func (h Health) JSON() []byte {
	h.FPS = float64(int64(h.FPS*10+0.5)) / 10
	data, err := json.Marshal(h)
	if err != nil {
		panic(err) // plain fields; a frame rate is a finite number
	}
	return data
}

// differs says whether b tells something new: a state, an error, something lost.
// Frame rate, temperature, uptime and the level of the queue only drift.
func (h Health) differs(b Health) bool {
	for _, x := range []*Health{&h, &b} {
		x.FPS, x.CPUC, x.UptimeS, x.OldestS, x.QueueBytes, x.NextTry = 0, nil, 0, 0, 0, ""
		if x.QueuePictures > 0 {
			x.QueuePictures = 1
		}
	}
	return h != b
}

// Reporter publishes the health message at least every Interval, and within
// seconds when it tells something new.
type Reporter struct {
	Interval time.Duration
	Collect  func() Health
	Publish  func(payload []byte)

	wake chan struct{}
}

// look is how often a change that nobody announced is looked for; settle is the
// least time between two messages, so that what flaps does not flood.
const (
	look   = 5 * time.Second
	settle = time.Second
)

// NewReporter returns a reporter; both functions are called by Run alone.
func NewReporter(interval time.Duration, collect func() Health, publish func([]byte)) *Reporter {
	return &Reporter{Interval: interval, Collect: collect, Publish: publish, wake: make(chan struct{}, 1)}
}

// Changed makes the reporter look now. It never blocks.
func (r *Reporter) Changed() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run publishes until ctx ends.
func (r *Reporter) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	last := r.Collect()
	r.Publish(last.JSON())
	told := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-r.wake:
			if wait := settle - time.Since(told); wait > 0 {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(wait):
				}
			}
		}
		now := r.Collect()
		if now.differs(last) || time.Since(told) >= r.Interval {
			r.Publish(now.JSON())
			last, told = now, time.Now()
		}
	}
}
