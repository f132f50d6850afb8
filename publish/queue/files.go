package queue

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// fileSystem is what the queue asks of one: the operating system's, or the
// tests' that cuts the power. Names are paths. A file's data is safe after its
// Sync, its name after SyncDir of its folder.
type fileSystem interface {
	Mkdir(dir string) error
	List(dir string) ([]string, error) // names of files, sorted
	Open(name string, how int) (file, error)
	Remove(name string) error
	SyncDir(dir string) error
	Writable(dir string) error          // without writing: EROFS, EACCES
	Lock(dir string) (io.Closer, error) // errLocked if another has it
}

type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error // data, and the length if it grew
	Size() (int64, error)
}

// How to open a file.
const (
	forRead   = os.O_RDONLY
	forWrite  = os.O_RDWR
	forCreate = os.O_RDWR | os.O_CREATE
)

var errLocked = errors.New("in use by another process")

type osFS struct{}

type osFile struct{ *os.File }

func (osFS) Mkdir(dir string) error   { return os.Mkdir(dir, 0o750) }
func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (osFS) Open(name string, how int) (file, error) {
	f, err := os.OpenFile(name, how, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// States of the disk, as in health.
const (
	diskOK       = "ok"
	diskFull     = "full"
	diskReadOnly = "readonly"
	diskFailing  = "failing"
)

// diskState names the state that an error means.
func diskState(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, errNoRoom):
		return diskFull
	case errors.Is(err, syscall.EROFS):
		return diskReadOnly
	}
	return diskFailing
}

// configError says whether an error of Open is the owner's to mend, not the
// disk's to heal from.
func configError(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, errLocked)
}
