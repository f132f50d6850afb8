//go:build peers

package peers

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pirwatch/publish/queue"
)

// smallDisk is an ext4 file system on a loop device, or a tmpfs.
type smallDisk struct {
	dir, loop string
}

// smallExt4 makes and mounts one of a few megabytes, which goes with the test.
func smallExt4(t *testing.T, megabytes int64) *smallDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root, to mount a small disk")
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, megabytes<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(need(t, "losetup"), "--find", "--show", image).Output()
	if err != nil {
		missing(t, fmt.Sprintf("a loop device: %v", err))
	}
	d := &smallDisk{dir: filepath.Join(dir, "mnt"), loop: strings.TrimSpace(string(out))}
	t.Cleanup(func() {
		unix.Unmount(d.dir, unix.MNT_DETACH)
		exec.Command(need(t, "losetup"), "--detach", d.loop).Run()
	})
	run(t, time.Minute, need(t, "mkfs.ext4"), "-q", "-m", "0", d.loop)
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d.mount(t)
	return d
}

func (d *smallDisk) mount(t *testing.T, options ...string) {
	t.Helper()
	if out, err := exec.Command(need(t, "mount"), "-o", strings.Join(append(options, "noatime"), ","), d.loop, d.dir).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("a mount: %v: %s", err, out))
	}
}

// unmount takes the disk away; the queue must not hold it.
func (d *smallDisk) unmount(t *testing.T) {
	t.Helper()
	await(t, "the disk to be let go of", time.Minute, func() bool { return unix.Unmount(d.dir, 0) == nil })
}

// spool is a queue with Run beside it.
type spool struct {
	*queue.Queue
	stop func() error
}

func startSpool(t *testing.T, dir string) *spool {
	t.Helper()
	q, err := queue.Open(queue.Options{Dir: dir, Deadline: 50 * time.Millisecond, RAMBytes: 16 << 20, DiskBytes: 64 << 20}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	s := &spool{q, sync.OnceValue(func() error { cancel(); return <-done })}
	t.Cleanup(func() { s.stop() })
	return s
}

// someJPEG is a picture's bytes, which follow from its number.
func someJPEG(n int) []byte {
	b := make([]byte, 200_000)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func (s *spool) put(t *testing.T, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := s.Put(queue.Item{ID: fmt.Sprint(n), Event: "e", Kind: queue.Picture, Body: someJPEG(n)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *spool) awaitDisk(t *testing.T, state string) {
	t.Helper()
	await(t, "the disk to be "+state, 3*time.Minute, func() bool { return s.Stats().Disk == state })
}

func (s *spool) awaitSpooled(t *testing.T, n int) {
	t.Helper()
	await(t, fmt.Sprint(n, " pictures on disk"), 3*time.Minute, func() bool { return s.Stats().Spooled == n })
}

// holds checks that the pictures are there, whole, and that none was dropped.
func (s *spool) holds(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if it, ok := s.Find(fmt.Sprint(i)); !ok || !bytes.Equal(it.Body, someJPEG(i)) {
			t.Errorf("picture %d: found %v, or changed", i, ok)
		}
	}
	if st := s.Stats(); st.Pictures != n || st.Dropped != 0 {
		t.Errorf("%+v, want %d pictures", st, n)
	}
}

// healed checks that everything reaches the disk and is there at the next start.
func (s *spool) healed(t *testing.T, dir string, n int) {
	t.Helper()
	s.awaitDisk(t, "ok")
	s.awaitSpooled(t, n)
	s.holds(t, n)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	again := startSpool(t, dir)
	again.holds(t, n)
	again.stop()
}

func TestDiskFull(t *testing.T) {
	ext4 := func(t *testing.T) string { return smallExt4(t, 16).dir }
	tmpfs := func(t *testing.T) string {
		if os.Geteuid() != 0 {
			missing(t, "root, to mount a small disk")
		}
		dir := t.TempDir()
		if err := unix.Mount("none", dir, "tmpfs", 0, "size=12m"); err != nil {
			missing(t, fmt.Sprintf("tmpfs: %v", err))
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		return dir
	}
	for name, disk := range map[string]func(*testing.T) string{"ext4": ext4, "tmpfs": tmpfs} {
		t.Run(name, func(t *testing.T) {
			dir := disk(t)
			s := startSpool(t, dir+"/queue")
			s.put(t, 0, 5)
			s.awaitSpooled(t, 5)
			filler := dir + "/filler"
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = f.Write(make([]byte, 64<<10))
			}
			f.Close()
			for n := 5; n < 25; n++ { // 4 MB, into RAM
				s.put(t, n, n+1)
			}
			s.awaitDisk(t, "full")
			s.holds(t, 25)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			s.healed(t, dir+"/queue", 25)
		})
	}
}

// TestDiskReadOnly starts on a read-only disk, whose pictures are delivered.
func TestDiskReadOnly(t *testing.T) {
	d := smallExt4(t, 16)
	s := startSpool(t, d.dir+"/queue")
	s.put(t, 0, 5)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	d.unmount(t)
	d.mount(t, "ro")
	s = startSpool(t, d.dir+"/queue")
	s.awaitDisk(t, "readonly")
	it, ok := s.Next()
	if !ok || !bytes.Equal(it.Body, someJPEG(0)) {
		t.Error("nothing is delivered from the read-only disk")
	}
	s.put(t, 5, 10)
	s.holds(t, 10)
	run(t, time.Minute, need(t, "mount"), "-o", "remount,rw", d.dir)
	s.healed(t, d.dir+"/queue", 10)
}

// TestDiskTurnsReadOnly has the kernel do what it does on a damaged card:
// remount read-only, for good until it is mounted afresh.
func TestDiskTurnsReadOnly(t *testing.T) {
	d := smallExt4(t, 16)
	d.unmount(t)
	d.mount(t, "errors=remount-ro")
	s := startSpool(t, d.dir+"/queue")
	s.put(t, 0, 5)
	s.awaitSpooled(t, 5)
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(d.loop), "trigger_fs_error")
	if err := os.WriteFile(trigger, []byte("1"), 0); err != nil {
		missing(t, err.Error())
	}
	s.put(t, 5, 10)
	await(t, "the disk to be out of order", 3*time.Minute, func() bool {
		state := s.Stats().Disk
		return state == "readonly" || state == "failing"
	})
	s.holds(t, 10)
	d.unmount(t)
	exec.Command(need(t, "fsck.ext4"), "-p", d.loop).Run() // 1 = errors corrected
	d.mount(t)
	s.healed(t, d.dir+"/queue", 10)
}

// TestDiskFails shuts the file system down under the queue: every access is
// an I/O error until it is mounted afresh.
func TestDiskFails(t *testing.T) {
	d := smallExt4(t, 16)
	s := startSpool(t, d.dir+"/queue")
	s.put(t, 0, 5)
	s.awaitSpooled(t, 5)

	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	const shutdown = 0x8004587d // FS_IOC_SHUTDOWN, _IOR('X', 125, __u32)
	how := uint32(2)            // without flushing the journal, as when the card is pulled
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how)))
	f.Close()
	if errno != 0 {
		missing(t, fmt.Sprintf("a kernel that can shut an ext4 down: %v", errno))
	}
	s.put(t, 5, 10)
	s.awaitDisk(t, "failing")
	if st := s.Stats(); st.Pictures != 10 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	d.unmount(t)
	s.put(t, 10, 12) // with no disk at all
	d.mount(t)
	s.healed(t, d.dir+"/queue", 12)
}
