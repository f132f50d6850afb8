package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"syscall"
	"time"
)

// names encodes the camera and one further name.
func (a *Archive) names(camera, what, name string) (cam, file string, err error) {
	if cam, err = encode("camera", camera); err != nil {
		return "", "", err
	}
	file, err = encode(what, name)
	return cam, file, err
}

// findDay is the directory of an event: where its summary is, else the date of at.
func (a *Archive) findDay(cam, event string, at time.Time) string {
	day := dayOf(at)
	for _, d := range []string{day, shift(day, -1), shift(day, 1)} {
		if _, err := a.root.Lstat(path.Join(cam, d, event+".json")); err == nil {
			return d
		}
	}
	return day
}

// move brings an event's pictures to another day.
func (a *Archive) move(cam string, p *pendingEvent, day string) {
	if err := a.root.MkdirAll(path.Join(cam, day), 0o750); err != nil {
		return
	}
	for i, from := range p.files {
		to := path.Join(cam, day, path.Base(from))
		info, err := a.root.Lstat(from)
		if err != nil || a.root.Rename(from, to) != nil {
			continue
		}
		p.files[i] = to
		a.add(dayKey{cam, p.day}, -onDisk(info.Size()))
		a.add(dayKey{cam, day}, onDisk(info.Size()))
	}
	p.day = day
}

// makeRoom keeps the table of unsynced events bounded.
func (a *Archive) makeRoom() {
	if len(a.pending) < maxPending {
		return
	}
	var oldest eventKey
	var at time.Time
	for k, p := range a.pending {
		if at.IsZero() || p.since.Before(at) {
			oldest, at = k, p.since
		}
	}
	a.sync(oldest, a.pending[oldest])
}

// sync makes durable what was written for an event, and forgets it.
func (a *Archive) sync(k eventKey, p *pendingEvent) error {
	delete(a.pending, k)
	var errs []error
	for _, name := range p.files {
		if err := a.syncFile(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, dir := range []string{path.Join(k.camera, p.day), k.camera, "."} {
		if err := a.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	a.count(func(s *Stats) { s.Syncs++ })
	return a.told(errors.Join(errs...))
}

func (a *Archive) syncFile(name string) error {
	f, err := a.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncDir makes names durable; Windows neither can nor must.
func (a *Archive) syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := a.root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// write puts a file in place: temporary name, then rename. Room is made first.
func (a *Archive) write(name string, data []byte, at time.Time, sync bool) error {
	k := dayKey{path.Dir(path.Dir(name)), path.Base(path.Dir(name))}
	size := onDisk(int64(len(data)))
	if a.o.MaxBytes > 0 {
		if size > a.o.MaxBytes {
			return a.refuse(fmt.Errorf("%d bytes are more than the whole archive may hold (%d)", size, a.o.MaxBytes))
		}
		if a.bytes()+size > a.o.MaxBytes {
			a.pruneTo(a.o.MaxBytes - max(size, a.o.MaxBytes/20))
		}
	}
	if !a.known(k.camera) && a.cameras() >= maxCameras {
		return a.refuse(fmt.Errorf("more than %d cameras", maxCameras))
	}
	err := a.put(name, data, at, sync)
	if errors.Is(err, syscall.ENOSPC) && a.pruneTo(a.bytes()-max(4*size, a.bytes()/20)) > 0 {
		err = a.put(name, data, at, sync)
	}
	return a.told(err)
}

func (a *Archive) put(name string, data []byte, at time.Time, sync bool) error {
	dir := path.Dir(name)
	temp := path.Join(dir, tempMark+path.Base(name))
	f, err := a.root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if errors.Is(err, fs.ErrNotExist) {
		if err = a.root.MkdirAll(dir, 0o750); err == nil {
			f, err = a.root.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && !at.IsZero() {
		err = a.root.Chtimes(temp, at, at)
	}
	var before int64
	if info, serr := a.root.Lstat(name); serr == nil {
		before = onDisk(info.Size())
	}
	if err == nil {
		err = a.root.Rename(temp, name)
	}
	if err != nil {
		a.root.Remove(temp)
		return err
	}
	a.add(dayKey{path.Dir(dir), path.Base(dir)}, onDisk(int64(len(data)))-before)
	return nil
}

// told keeps the disk's state for Stats and says once that it changed.
func (a *Archive) told(err error) error {
	state := "ok"
	switch {
	case err == nil:
	case errors.Is(err, errRefused):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		state = "full"
	case errors.Is(err, syscall.EROFS):
		state = "readonly"
	default:
		state = "failing"
	}
	a.mu.Lock()
	if err != nil {
		a.stats.Failed++
	}
	changed := a.stats.Disk != state
	a.stats.Disk = state
	a.mu.Unlock()
	if changed && err != nil {
		a.log.Warn("archive: the disk does not take pictures; what comes is not kept", "disk", state, "err", err)
	} else if changed {
		a.log.Info("archive: the disk takes pictures again")
	}
	return err
}

// probe tries the disk after it failed, so that its state is true also while
// there is nothing to keep.
func (a *Archive) probe() {
	if a.Stats().Disk == "ok" {
		return
	}
	a.io.Lock()
	defer a.io.Unlock()
	name := tempMark + "probe"
	f, err := a.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = f.Write(make([]byte, block))
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close(), a.root.Remove(name))
	}
	if err == nil {
		a.told(nil)
	}
}

var errRefused = errors.New("refused")

type refusal struct{ error }

func (refusal) Is(target error) bool { return target == errRefused }
func (r refusal) Unwrap() error      { return r.error }

// refuse marks an error as the input's, not the disk's.
func (a *Archive) refuse(err error) error {
	a.count(func(s *Stats) { s.Refused++ })
	return refusal{err}
}

// IsRefusal tells an input that will never be kept (a name, a size) from a
// disk error that may pass.
func IsRefusal(err error) bool { return errors.Is(err, errRefused) }
