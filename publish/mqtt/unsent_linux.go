package mqtt

import (
	"net"
	"syscall"
)

// limitUnsent keeps the kernel from queueing more than a little unsent data
// (TCP_NOTSENT_LOWAT, Linux 3.12), so that a ping or a state on a slow link does
// not wait behind megabytes. What is in flight stays as large as the path wants.
func limitUnsent(c *net.TCPConn) {
	const notSentLowat = 25 // TCP_NOTSENT_LOWAT in linux/tcp.h
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat, 32<<10)
		})
	}
}
