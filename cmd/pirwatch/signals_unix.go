//go:build unix

package main

import (
	"os"
	"syscall"
)

// hangup asks for the configuration to be read again.
var hangup = []os.Signal{syscall.SIGHUP}
