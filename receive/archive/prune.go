package archive

import (
	"path"
	"slices"
	"strings"
	"time"
)

// firstDay is before pirwatch was: a day before it was named by a Pi that did
// not know the time, so its age is not known either.
const firstDay = "2020-01-01"

// prune removes what is too old, and the oldest while the file system is too full.
func (a *Archive) prune(now time.Time) {
	a.io.Lock()
	defer a.io.Unlock()
	if a.o.MaxAge > 0 {
		last := dayOf(now.Add(-a.o.MaxAge - 24*time.Hour))
		for _, k := range a.oldestFirst() {
			if k.day >= firstDay && k.day <= last {
				a.pruneDay(k, 0)
			}
		}
	}
	if a.o.MaxBytes > 0 && a.bytes() > a.o.MaxBytes {
		a.pruneTo(a.o.MaxBytes - a.o.MaxBytes/20)
	}
	if a.o.MinFree <= 0 {
		return
	}
	free, err := freeBytes(a.root.Name())
	if err == nil && free < a.o.MinFree {
		if n := a.pruneTo(a.bytes() - (a.o.MinFree - free)); n > 0 {
			a.log.Warn("archive: little space is free; the oldest events were removed", "files", n, "free_bytes", free)
		}
	}
}

// pruneTo removes the oldest events of the oldest days until at most limit
// bytes are left, and returns how many files went.
func (a *Archive) pruneTo(limit int64) (files int) {
	for _, k := range a.oldestFirst() {
		over := a.bytes() - max(limit, 0)
		if over <= 0 {
			break
		}
		files += a.pruneDay(k, over)
	}
	return files
}

func (a *Archive) oldestFirst() []dayKey {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys := make([]dayKey, 0, len(a.days))
	for k := range a.days {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y dayKey) int {
		if c := strings.Compare(x.day, y.day); c != 0 {
			return c
		}
		return strings.Compare(x.camera, y.camera)
	})
	return keys
}

// pruneDay removes the day's oldest events until need bytes were freed; all of
// them with need 0. Files that are not ours stay.
func (a *Archive) pruneDay(k dayKey, need int64) (files int) {
	groups, err := a.group(k)
	if err != nil {
		a.told(err)
		return 0
	}
	slices.SortStableFunc(groups, func(x, y *group) int { return x.at.Compare(y.at) })
	var freed int64
	for _, g := range groups {
		if need > 0 && freed >= need {
			break
		}
		for _, f := range g.files {
			if err := a.root.Remove(path.Join(k.camera, k.day, f.file)); err != nil {
				a.told(err)
				continue
			}
			files++
			freed += onDisk(f.size)
			a.add(k, -onDisk(f.size))
		}
	}
	a.root.Remove(path.Join(k.camera, k.day)) // fails while anything is in it
	a.root.Remove(k.camera)
	a.count(func(s *Stats) { s.Pruned += uint64(files) })
	return files
}
