package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Crashes counts starts that were not followed by a good end, so that the pause
// before the next grows. systemd can do so itself from version 254 on; Debian 12
// has 252.
type Crashes struct {
	path string
	n    int
}

// CountStart counts this start in a file of the directory, which must outlive a
// restart of the service but not of the machine: the unit's RuntimeDirectory. An
// empty name, as without systemd, counts nothing.
func CountStart(dir string) (*Crashes, error) {
	if dir == "" {
		return &Crashes{}, nil
	}
	c := &Crashes{path: filepath.Join(dir, "starts")}
	data, err := os.ReadFile(c.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && n > 0 {
		c.n = min(n, 1000)
	}
	return c, os.WriteFile(c.path, []byte(strconv.Itoa(c.n+1)+"\n"), 0o600)
}

// InARow returns how many starts before this one went wrong without one that was
// good between them.
func (c *Crashes) InARow() int { return c.n }

// Pause returns how long to wait before working: nothing at a first start or
// after one crash, then 5 s, doubling up to 5 min.
func (c *Crashes) Pause() time.Duration {
	if c.n < 2 {
		return 0
	}
	return min(5*time.Second<<min(c.n-2, 10), 5*time.Minute)
}

// Wait makes the pause, if there is one, and returns early when ctx ends. systemd
// is told that the service is up, and fed, so that neither its limit for starting
// nor its watchdog cuts the pause short.
func (c *Crashes) Wait(ctx context.Context, n *Notifier) error {
	pause := c.Pause()
	if pause == 0 {
		return nil
	}
	err := errors.Join(n.Ready(), n.Status(fmt.Sprintf("crashed %d times in a row; trying again at %s", c.n, time.Now().Add(pause).Format(time.TimeOnly))))
	ctx, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	n.Watchdog(ctx, func() bool { return true })
	<-ctx.Done()
	return err
}

// Good forgets what was counted: at a clean end, or after some minutes of work.
func (c *Crashes) Good() error {
	if c.path == "" {
		return nil
	}
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
