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
	z := zip.NewWriter(w)
	if err := a.zip(z, k, []*group{g}); err != nil {
		return err
	}
	return z.Close()
}

// ZipDay writes all of a camera's day, or with "" of every camera's, as a ZIP
// file; date is as Days gives it.
func (a *Archive) ZipDay(w io.Writer, camera, date string) error {
	cam := ""
	if camera != "" {
		var err error
		if cam, err = encode("camera", camera); err != nil {
			return refusal{err}
		}
	}
	if !isDay(date) {
		return refusal{fmt.Errorf("archive: %.20q is no day: want YYYY-MM-DD", date)}
	}
	var z *zip.Writer
	for _, k := range a.oldestFirst() {
		if k.day != date || (cam != "" && k.camera != cam) {
			continue
		}
		groups, err := a.group(k)
		if err != nil {
			return fmt.Errorf("archive: read %s of %s: %w", date, k.camera, a.told(err))
		}
		if z == nil && len(groups) > 0 {
			z = zip.NewWriter(w)
		}
		if err := a.zip(z, k, groups); err != nil {
			return err
		}
	}
	if z == nil {
		return fmt.Errorf("archive: %s of %.40q: %w", date, camera, fs.ErrNotExist)
	}
	return z.Close()
}

func (a *Archive) zip(z *zip.Writer, k dayKey, groups []*group) error {
	for _, g := range groups {
		for _, f := range g.files {
			if err := a.zipFile(z, path.Join(k.camera, k.day, f.file), f); errors.Is(err, fs.ErrNotExist) {
				continue // pruned meanwhile
			} else if err != nil {
				return fmt.Errorf("archive: zip %s: %w", f.file, err)
			}
		}
	}
	return nil
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
