//go:build !unix

package queue

import (
	"io"
	"os"
)

// Lock does not keep a second process out here: only Unix systems do.
func (osFS) Lock(dir string) (io.Closer, error) { return os.Open(dir) }

func (osFS) Writable(string) error { return nil }

func (osFS) SyncDir(string) error { return nil }
