package rpicam

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"
)

// listed is a line of --list-cameras: "0 : imx708 [4608x2592 10-bit RGGB] (/base/…)".
var listed = regexp.MustCompile(`(?m)^\s*\d+ : (\S+ \[[^\]]*\])`)

// List names the Pi cameras that the program sees, in the order of their numbers,
// as "imx708 [4608x2592 10-bit RGGB]". An empty list without an error: none.
func List(ctx context.Context, o Options) ([]string, error) {
	path, err := find(o.Program, "rpicam-vid", "libcamera-vid")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := start(path, []string{"--list-cameras"})
	if err != nil {
		return nil, err
	}
	defer c.out.Close()
	defer c.err.Close()
	var owned sync.WaitGroup
	owned.Go(func() { io.Copy(io.Discard, c.err) })
	owned.Go(func() {
		select {
		case <-ctx.Done():
			c.stop()
		case <-c.exited:
		}
	})
	out, _ := io.ReadAll(io.LimitReader(c.out, 1<<20))
	io.Copy(io.Discard, c.out)
	<-c.exited
	owned.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("rpicam: %s --list-cameras: %w", path, ctx.Err())
	}
	var all []string
	for _, m := range listed.FindAllSubmatch(out, -1) {
		all = append(all, string(m[1]))
	}
	return all, nil
}
