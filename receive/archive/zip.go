package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// ZipEvent writes an event as a ZIP file, uncompressed (JPEGs do not shrink),
// file by file: memory does not grow with the event.
func (a *Archive) ZipEvent(w io.Writer, camera, eventID string) error {
	k, g, err := a.findEvent(camera, eventID)
	if err != nil {
		return err
	}
	return a.zip(w, k, []*group{g})
}

// ZipDay writes all of a camera's day, a date as Days gives it, as a ZIP file.
func (a *Archive) ZipDay(w io.Writer, camera, date string) error {
	cam, err := encode("camera", camera)
	if err != nil {
		return refusal{err}
	}
	if !isDay(date) {
		return refusal{fmt.Errorf("archive: %.20q is no day: want YYYY-MM-DD", date)}
	}
	k := dayKey{cam, date}
	groups, err := a.group(k)
	if err != nil {
		return fmt.Errorf("archive: read %s of %s: %w", date, camera, a.told(err))
	}
	if len(groups) == 0 {
		return fmt.Errorf("archive: %s of %.40q: %w", date, camera, fs.ErrNotExist)
	}
	return a.zip(w, k, groups)
}

func (a *Archive) zip(w io.Writer, k dayKey, groups []*group) error {
	z := zip.NewWriter(w)
	for _, g := range groups {
		for _, f := range g.files {
			if err := a.zipFile(z, path.Join(k.camera, k.day, f.file), f); errors.Is(err, fs.ErrNotExist) {
				continue // pruned meanwhile
			} else if err != nil {
				return fmt.Errorf("archive: zip %s: %w", f.file, err)
			}
		}
	}
	return z.Close()
}

func (a *Archive) zipFile(z *zip.Writer, name string, f file) error {
	in, err := a.root.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: f.at.UTC()})
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}
