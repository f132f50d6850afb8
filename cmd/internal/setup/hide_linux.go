package setup

import (
	"os"

	"golang.org/x/sys/unix"
)

// Hide makes a terminal not show what is typed, until show is called. Anything
// but a terminal is left as it is.
func Hide(f *os.File) (show func()) {
	fd := int(f.Fd())
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {}
	}
	quiet := *state
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, state) }
}
