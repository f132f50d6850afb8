//go:build linux

// Command queue measures what the durable queue writes to the device per byte
// that it queues, beside plain arms: an ext4 file system on a loop device,
// its sectors counted by the kernel, after a sync. It needs root.
//
//	go run ./test/bench/queue [-frames 300] [-bytes 100000] [-rounds 3]
package main

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pirwatch/publish/queue"
)

var (
	frames = flag.Int("frames", 300, "pictures a round")
	size   = flag.Int("bytes", 100_000, "bytes of a picture")
	rounds = flag.Int("rounds", 3, "rounds; every round runs every arm once, and the median counts")
)

func main() {
	flag.Parse()
	d, err := mount(max(1<<30, 5*int64(*frames)*int64(*size)))
	if err != nil {
		fmt.Println("skipped:", err)
		return
	}
	defer d.unmount()
	if err := measure(d); err != nil {
		fmt.Fprintln(os.Stderr, err)
		d.unmount()
		os.Exit(1)
	}
}

// arm is one way to keep pictures.
type arm struct {
	name  string
	limit float64 // the most device bytes per queued byte; 0: a rival
	run   func(d *device, body []byte) (result, error)
}

// result is what an arm did, in bytes that reached the device.
type result struct {
	queued, drained int64         // written while queueing; until all was removed
	writes          int64         // requests
	p50             time.Duration // of one picture, or of one burst
}

func measure(d *device) error {
	arms := []arm{
		{"queue, a sync per picture", 1.10, ours(1, queue.Always, false)},
		{"queue, a sync per burst of 10", 1.03, ours(10, queue.OnFailure, false)},
		{"queue, first use of the segments, per picture", 0, ours(1, queue.Always, true)},
		{"queue, first use of the segments, per burst", 0, ours(10, queue.OnFailure, true)},
		{"queue, on_failure, acknowledged in time", 0, acknowledged},
		{"file per picture, fdatasync + rename + folder fsync", 0, filePer(1, true)},
		{"file per picture, fdatasync + rename", 0, filePer(1, false)},
		{"file per picture, synced per burst of 10", 0, filePer(10, true)},
	}
	body := make([]byte, *size)
	rand.NewChaCha8([32]byte{1}).Read(body)
	results := make([][]result, len(arms))
	for range *rounds {
		for i, a := range arms {
			r, err := a.run(d, body)
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			results[i] = append(results[i], r)
		}
	}

	total := int64(*frames) * int64(*size)
	fmt.Printf("%d pictures of %d bytes, ext4 on a loop device, median of %d rounds; device bytes per queued byte\n\n", *frames, *size, *rounds)
	fmt.Printf("%-52s %8s %8s %8s %7s %9s\n", "", "queued", "drained", "limit", "writes", "p50")
	missed := 0
	for i, a := range arms {
		slices.SortFunc(results[i], func(x, y result) int { return cmp.Compare(x.queued, y.queued) })
		r := results[i][len(results[i])/2]
		limit, ratio := "", float64(r.queued)/float64(total)
		if a.limit > 0 {
			limit = fmt.Sprintf("%.2f", a.limit)
			if ratio > a.limit {
				limit += " !"
				missed++
			}
		}
		if r.queued == 0 {
			limit = "0 bytes"
		}
		fmt.Printf("%-52s %8.3f %8.3f %8s %7d %9s\n", a.name, ratio, float64(r.drained)/float64(total), limit, r.writes, r.p50.Round(10*time.Microsecond))
	}
	if missed > 0 {
		return fmt.Errorf("%d limits missed", missed)
	}
	return nil
}

// ours measures the queue: with fresh, in segments that were never used.
func ours(burst int, spool string, fresh bool) func(*device, []byte) (result, error) {
	return func(d *device, body []byte) (result, error) {
		o := queue.Options{
			Dir: filepath.Join(d.dir, fmt.Sprint("queue", fresh, burst)), Spool: spool,
			DiskBytes: 64<<20 + 2*int64(*frames)*int64(len(body)),
		}
		if burst > 1 { // the burst's last picture is one more than RAM holds
			o.RAMBytes = int64(burst) * int64(len(body))
		}
		if fresh {
			os.RemoveAll(o.Dir)
		} else if _, err := os.Stat(o.Dir); err != nil { // fill the segments once
			if _, err := fill(d, o, body, burst); err != nil {
				return result{}, err
			}
		}
		return fill(d, o, body, burst)
	}
}

// fill queues all pictures, RAM being as small as one burst so that each is
// written in one group, and removes them again.
func fill(d *device, o queue.Options, body []byte, burst int) (result, error) {
	q, err := queue.Open(o, nil)
	if err != nil {
		return result{}, err
	}
	start, err := d.written()
	if err != nil {
		return result{}, err
	}
	var times []time.Duration
	for i := range *frames {
		begin := time.Now()
		if err := q.Put(item(i, body)); err != nil {
			return result{}, err
		}
		if (i+1)%burst == 0 {
			times = append(times, time.Since(begin))
		}
	}
	if s := q.Stats(); s.Spooled != *frames/burst*burst || s.Dropped > 0 {
		return result{}, fmt.Errorf("%+v instead of %d on disk", s, *frames)
	}
	queued, err := d.written()
	if err != nil {
		return result{}, err
	}
	for {
		it, ok := q.Next()
		if !ok {
			break
		}
		q.Done(it.ID, it.Kind)
	}
	if err := q.Close(); err != nil {
		return result{}, err
	}
	drained, err := d.written()
	slices.Sort(times)
	return result{queued.bytes - start.bytes, drained.bytes - start.bytes, drained.writes - start.writes, times[len(times)/2]}, err
}

func item(i int, body []byte) queue.Item {
	event := fmt.Sprintf("01K00000000000000000%06d", i/10)
	return queue.Item{ID: fmt.Sprintf("%s-%02d", event, i%10), Event: event, Kind: queue.Picture, Meta: []byte(`{"seq":3}`), Body: body}
}

// acknowledged is a broker that acknowledges every picture in time.
func acknowledged(d *device, body []byte) (result, error) {
	q, err := queue.Open(queue.Options{Dir: filepath.Join(d.dir, "quiet")}, nil)
	if err != nil {
		return result{}, err
	}
	if _, err := d.written(); err != nil { // what making the folder cost
		return result{}, err
	}
	start, err := d.written()
	if err != nil {
		return result{}, err
	}
	var times []time.Duration
	for i := range *frames {
		begin := time.Now()
		if err := q.Put(item(i, body)); err != nil {
			return result{}, err
		}
		it, _ := q.Next()
		q.Done(it.ID, it.Kind)
		times = append(times, time.Since(begin))
	}
	end, err := d.written()
	if err != nil {
		return result{}, err
	}
	slices.Sort(times)
	n := end.bytes - start.bytes
	return result{n, n, end.writes - start.writes, times[len(times)/2]}, q.Close()
}

// filePer is the rival: a file for every picture.
func filePer(burst int, syncFolder bool) func(*device, []byte) (result, error) {
	return func(d *device, body []byte) (result, error) {
		dir := filepath.Join(d.dir, "files")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return result{}, err
		}
		folder, err := os.Open(dir)
		if err != nil {
			return result{}, err
		}
		defer folder.Close()
		start, err := d.written()
		if err != nil {
			return result{}, err
		}
		name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%06d.jpg", i)) }
		var group []*os.File
		var times []time.Duration
		begin := time.Now()
		for i := range *frames {
			f, err := os.Create(name(i) + ".tmp")
			if err != nil {
				return result{}, err
			}
			if _, err := f.Write(body); err != nil {
				return result{}, err
			}
			if group = append(group, f); len(group) < burst {
				continue
			}
			for _, f := range group {
				if err := unix.Fdatasync(int(f.Fd())); err != nil {
					return result{}, err
				}
				f.Close()
				if err := os.Rename(f.Name(), strings.TrimSuffix(f.Name(), ".tmp")); err != nil {
					return result{}, err
				}
			}
			if syncFolder {
				if err := folder.Sync(); err != nil {
					return result{}, err
				}
			}
			group = group[:0]
			times = append(times, time.Since(begin))
			begin = time.Now()
		}
		queued, err := d.written()
		if err != nil {
			return result{}, err
		}
		for i := range *frames {
			os.Remove(name(i))
			os.Remove(name(i) + ".tmp")
		}
		drained, err := d.written()
		slices.Sort(times)
		return result{queued.bytes - start.bytes, drained.bytes - start.bytes, drained.writes - start.writes, times[len(times)/2]}, err
	}
}

// device is an ext4 file system on a loop device.
type device struct {
	dir, image, loop string
}

// mount makes one of that many bytes, in a temporary folder.
func mount(bytes int64) (*device, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("needs root: it mounts a loop device")
	}
	dir, err := os.MkdirTemp("", "pirwatch-bench-")
	if err != nil {
		return nil, err
	}
	d := &device{dir: filepath.Join(dir, "mnt"), image: filepath.Join(dir, "image")}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(bytes)
		f.Close()
	}
	if err == nil {
		err = os.Mkdir(d.dir, 0o700)
	}
	var out string
	if err == nil {
		out, err = run("losetup", "--find", "--show", d.image)
		d.loop = strings.TrimSpace(out)
	}
	if err == nil {
		// Without lazy initialisation nothing but the arms writes.
		_, err = run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.loop)
	}
	if err == nil {
		_, err = run("mount", "-o", "noatime", d.loop, d.dir)
	}
	if err != nil {
		d.unmount()
		return nil, err
	}
	return d, nil
}

func (d *device) unmount() {
	unix.Unmount(d.dir, unix.MNT_DETACH)
	if d.loop != "" {
		run("losetup", "--detach", d.loop)
	}
	os.RemoveAll(filepath.Dir(d.dir))
}

func run(name string, args ...string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			out, err := exec.Command(path, args...).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
			}
			return string(out), err
		}
	}
	return "", fmt.Errorf("needs %s", name)
}

// counters are the kernel's of a block device.
type counters struct{ bytes, writes int64 }

// written syncs the file system and reads its device's counters
// (Documentation/block/stat.rst: field 5 counts writes, field 7 sectors of 512 bytes).
func (d *device) written() (counters, error) {
	f, err := os.Open(d.dir)
	if err != nil {
		return counters{}, err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return counters{}, err
	}
	b, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.loop), "stat"))
	if err != nil {
		return counters{}, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 7 {
		return counters{}, syscall.EINVAL
	}
	writes, err1 := strconv.ParseInt(fields[4], 10, 64)
	sectors, err2 := strconv.ParseInt(fields[6], 10, 64)
	return counters{sectors * 512, writes}, cmp.Or(err1, err2)
}
