package quiet

import (
	"fmt"
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

type raw struct {
	c    syscall.RawConn
	try  func(fd uintptr) bool // one attempt, made once so that none allocates
	into []byte
	n    int
	err  syscall.Errno
}

func reader(from io.Reader) io.Reader {
	has, ok := from.(syscall.Conn)
	if !ok {
		return from
	}
	c, err := has.SyscallConn()
	if err != nil {
		return from
	}
	blocks := true
	err = c.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		blocks = err != nil || flags&unix.O_NONBLOCK == 0
	})
	if err != nil || blocks {
		return from
	}
	r := &raw{c: c}
	r.try = r.attempt
	return r
}

// attempt reads once; false where nothing is there yet.
func (r *raw) attempt(fd uintptr) bool {
	for {
		n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(r.into))), uintptr(len(r.into)))
		r.n, r.err = int(n), err
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}

// Read is io.Reader's.
func (r *raw) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.into = p
	err := r.c.Read(r.try)
	r.into = nil
	switch {
	case err != nil:
		return 0, err
	case r.err != 0:
		return 0, fmt.Errorf("read: %w", r.err)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}
