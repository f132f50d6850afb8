package netcam

import "syscall"

// sigZero asks whether a process is there.
const sigZero = syscall.Signal(0)
