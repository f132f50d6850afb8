package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// unmapProgram gives back the pages of the program's own file. The start touches
// nearly all of it, an event and the garbage collector much, and what watching
// does not need would stay mapped. The pages are clean: what is needed comes back
// from the page cache at a touch.
func unmapProgram() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uintptr
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil ||
			!strings.HasSuffix(lines.Text(), " "+self) || mode[1] == 'w' {
			continue // what was written to would be lost
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise %s: %w", lines.Text(), errno)
		}
	}
	return lines.Err()
}
