//go:build !linux

package mqtt

import "net"

func limitUnsent(*net.TCPConn) {}
