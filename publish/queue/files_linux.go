package queue

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync(2): it spares the write of the inode's times.
func (f osFile) Sync() error {
	for {
		switch err := unix.Fdatasync(int(f.Fd())); err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
