//go:build !linux

package netcam

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

// interrupt asks the child to end; Windows cannot ask, only kill.
func interrupt(p *os.Process) error {
	if err := p.Signal(os.Interrupt); err != nil {
		return p.Kill()
	}
	return nil
}

func killGroup(*os.Process) {}
