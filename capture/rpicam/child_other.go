//go:build !linux

package rpicam

import (
	"errors"
	"os"
)

type child struct {
	out, err *os.File
	exited   chan struct{}
	exit     error
}

func start(string, []string) (*child, error) {
	return nil, errors.New("rpicam: Pi cameras work only on Linux")
}

func (*child) stop() {}
