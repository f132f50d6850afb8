package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Bounds of the quarantine.
const (
	asideFolder = "quarantine"
	asideItems  = 32
	asideBytes  = 32 << 20
)

// Quarantine puts an item aside for good: it leaves the queue, counted as
// dropped, and is kept in the folder quarantine below Dir as .jpg and .json,
// the last 32 of them and at most 32 MB. While the disk is out of order it
// stays queued, but is not sent.
func (q *Queue) Quarantine(id string, k Kind, reason string) {
	q.mu.Lock()
	e := q.byKey[key{id, k}]
	if e == nil {
		q.mu.Unlock()
		return
	}
	e.aside, e.leased = reason, false
	q.mu.Unlock()
	q.disk.Lock()
	q.writeAside()
	q.disk.Unlock()
	q.tell()
}

// writeAside writes what waits for its quarantine. Called with disk held.
func (q *Queue) writeAside() {
	q.mu.Lock()
	if q.health.noWrites {
		q.mu.Unlock()
		return
	}
	var waiting []*entry
	for _, e := range q.items {
		if e.aside != "" {
			waiting = append(waiting, e)
		}
	}
	q.mu.Unlock()
	for _, e := range waiting {
		q.mu.Lock()
		reason := e.aside
		it, ok := q.load(e)
		if !ok {
			continue
		}
		kept := ""
		if q.store != nil {
			var err error
			if kept, err = q.keep(it, reason); err != nil {
				q.trouble(err)
				return
			}
		}
		q.mu.Lock()
		if !e.gone {
			q.drop(e)
			q.stats.Quarantined++
		}
		q.mu.Unlock()
		q.log.Error("picture put aside", "pic_id", it.ID, "event_id", it.Event, "kind", it.Kind,
			"bytes", len(it.Body), "reason", reason, "kept_as", kept)
	}
}

// keep writes an item into the quarantine and returns the name.
func (q *Queue) keep(it Item, reason string) (string, error) {
	fsys, dir := q.store.fs, filepath.Join(q.store.dir, asideFolder)
	if err := makeDirs(fsys, dir); err != nil {
		return "", err
	}
	number, err := pruneAside(fsys, dir, int64(len(it.Body)))
	if err != nil {
		return "", err
	}
	meta := any(string(it.Meta))
	if json.Valid(it.Meta) {
		meta = json.RawMessage(it.Meta)
	}
	about, err := json.MarshalIndent(map[string]any{
		"id": it.ID, "event": it.Event, "kind": it.Kind.String(), "reason": reason, "meta": meta,
	}, "", "\t")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, fmt.Sprintf("%08d-%s", number, fileName(it.ID)))
	if it.Body != nil {
		err = writeFile(fsys, name+".jpg", it.Body)
	}
	if err == nil {
		err = writeFile(fsys, name+".json", about)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		fsys.Remove(name + ".jpg")
		fsys.Remove(name + ".json")
		return "", err
	}
	return name, nil
}

// writeFile writes and syncs a new file.
func writeFile(fsys fileSystem, name string, b []byte) error {
	f, err := fsys.Open(name, forCreate)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// pruneAside removes the oldest files of the quarantine until one more item
// fits, and returns the next number.
func pruneAside(fsys fileSystem, dir string, coming int64) (uint64, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return 0, err
	}
	sizes, total, items, next := make([]int64, len(names)), coming, 1, uint64(1)
	for i, name := range names {
		f, err := fsys.Open(filepath.Join(dir, name), forRead)
		if err != nil {
			return 0, err
		}
		if sizes[i], err = f.Size(); err != nil {
			f.Close()
			return 0, err
		}
		f.Close()
		total += sizes[i]
		if strings.HasSuffix(name, ".json") {
			items++
		}
		digits, _, _ := strings.Cut(name, "-")
		if n, err := strconv.ParseUint(digits, 10, 32); err == nil {
			next = max(next, n+1)
		}
	}
	for i, name := range names {
		if items <= asideItems && total <= asideBytes {
			break
		}
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
			return 0, err
		}
		total -= sizes[i]
		if strings.HasSuffix(name, ".json") {
			items--
		}
	}
	return next, nil
}

// fileName replaces what a file's name should not have.
func fileName(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '-', r == '_':
			return r
		}
		return '_'
	}, id)
}
