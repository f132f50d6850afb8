package status

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Clock tells time that can be trusted on a machine without a battery for its
// clock: how long the machine has been up, and whether its wall clock was told
// the time since. The zero value is not valid: use [NewClock].
type Clock struct {
	boot      string
	sinceBoot func() (time.Duration, error)
	now       func() time.Time
	synced    func() bool // asks the kernel and the file system: cheap
	ask       func() bool // asks another program

	told  atomic.Bool
	mu    sync.Mutex
	asked time.Time
}

// NewClock returns this machine's clock.
func NewClock() *Clock {
	return &Clock{boot: bootID(), sinceBoot: sinceBoot, now: time.Now, synced: synced, ask: askTimedated}
}

// Instant is a moment counted from a machine's start (CLOCK_BOOTTIME, which goes
// on while the machine sleeps), so that it holds when the wall clock is set.
type Instant struct {
	Boot  string        `json:"boot"` // which start: the kernel's boot_id
	Since time.Duration `json:"since"`
}

// Now returns the present moment.
func (c *Clock) Now() Instant {
	since, err := c.sinceBoot()
	if err != nil {
		return Instant{} // of no boot: Time knows none of it
	}
	return Instant{Boot: c.boot, Since: since}
}

// Time converts an instant of this boot to wall time, in UTC, as the clock stands
// now; ok is false for one of another boot.
func (c *Clock) Time(i Instant) (t time.Time, ok bool) {
	since, err := c.sinceBoot()
	if err != nil || i.Boot == "" || i.Boot != c.boot {
		return time.Time{}, false
	}
	return c.now().Round(0).Add(i.Since - since).UTC(), true
}

// askEvery is the least time between questions to another program.
const askEvery = time.Minute

// Synced says whether the wall clock was told the time since the machine started;
// once told, it stays so. While it was not, the call may take a moment once a
// minute, for a question to another program.
func (c *Clock) Synced() bool {
	if c.told.Load() {
		return true
	}
	yes := c.synced()
	if !yes && c.mu.TryLock() {
		if now := time.Now(); c.asked.IsZero() || now.Sub(c.asked) >= askEvery {
			c.asked = now
			yes = c.ask()
		}
		c.mu.Unlock()
	}
	if yes {
		c.told.Store(true)
	}
	return yes
}

// BootID returns the kernel's name for this start of the machine, or "".
func (c *Clock) BootID() string { return c.boot }

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// Word is the wire's word for a clock.
func Word(synced bool) string {
	if synced {
		return "synced"
	}
	return "unsynced"
}
