package queue

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of segment files.
const (
	maxSegment = 8 << 20
	minSegment = 128 << 10
)

// errNoRoom: no segment can take the record.
var errNoRoom = errors.New("no room in the segments")

// errDetached: no file is open, and what was written last may not be synced.
var errDetached = errors.New("the queue's folder is not attached")

// loc is a record's place. Its life tells it from whatever is written there
// later, so that it can be read without a lock.
type loc struct {
	segment uint16
	block   uint32
	blocks  uint32
	life    uint64
}

// segment is one segment file.
type segment struct {
	number uint16
	slot
	at        int    // slot of the newest synced header, 0 or 1
	size      uint32 // blocks that the file has
	next      uint32 // block for the next record
	live      int    // records not removed
	used      uint32 // blocks of these
	dirty     bool   // the bitmap or the life is newer than the header on disk
	fresh     bool   // the other slot holds a newer header, not yet synced
	file      file   // open for writing, or nil
	freshName bool   // the file was made after the last sync of the folder
	foreign   bool   // of a newer version: left alone
}

// store writes records into segments. All its methods but read are called
// with Queue.disk held; read is for everybody.
type store struct {
	fs       fileSystem
	dir      string
	capacity uint32 // blocks of a segment
	most     int    // segments
	segments []*segment
	active   *segment // takes the next record, or nil
	touched  []*segment
	scanned  bool   // the folder was read at least once
	failed   error  // of a sync, or errDetached: nothing is synced until the folder is read afresh
	noGrowth bool   // the file system is full: no file may grow
	wseq     uint64 // last given
	synced   uint64 // every record up to this wseq is synced
	suspect  uint64 // a record that failed to be written, whose removal is not on disk yet; 0 = none
	head     []byte // scratch
	lock     io.Closer
}

func newStore(fsys fileSystem, dir string, bytes int64) *store {
	size := min(max(bytes/8, minSegment), maxSegment)
	return &store{
		fs:       fsys,
		dir:      dir,
		capacity: uint32(size / block),
		most:     int(min(bytes/(size/block*block), 1<<16-1)),
	}
}

// newLife is a number that no earlier life of any segment had.
func newLife() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return le.Uint64(b[:])
}

func segmentName(dir string, number uint16) string {
	return filepath.Join(dir, fmt.Sprintf("%05d.seg", number))
}

// segmentNumber is the reverse of segmentName; false for other files.
func segmentNumber(name string) (uint16, bool) {
	digits, ok := strings.CutSuffix(name, ".seg")
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), ok && err == nil && len(digits) == 5
}

// fits says whether a record of n blocks can ever be written.
func (s *store) fits(n uint32) bool { return n <= s.capacity-slots }

// openForWrite opens the segment's file unless it is open.
func (s *store) openForWrite(g *segment) error {
	if g.file != nil {
		return nil
	}
	f, err := s.fs.Open(segmentName(s.dir, g.number), forWrite)
	if err == nil {
		g.file = f
	}
	return err
}

// touch notes that the segment has writes to sync.
func (s *store) touch(g *segment) {
	if !slices.Contains(s.touched, g) {
		s.touched = append(s.touched, g)
	}
}

// room says how many blocks the segment can still take.
func (s *store) room(g *segment) uint32 {
	end := g.blocks
	if s.noGrowth {
		end = min(end, g.size)
	}
	return end - min(end, g.next)
}

// spare lists the segments that may start a new life and could then take n
// blocks, the largest files first: what was written once costs no metadata.
// The others on disk hold records, or did when they were last synced.
func (s *store) spare(n uint32) []*segment {
	var spare []*segment
	for _, g := range s.segments {
		unused := g.next == slots || (g.free && !g.dirty)
		if unused && !g.foreign && g != s.active && (!s.noGrowth || g.size >= slots+n) {
			spare = append(spare, g)
		}
	}
	slices.SortStableFunc(spare, func(a, b *segment) int { return cmp.Compare(b.size, a.size) })
	return spare
}

// growth says how many more segments there may be.
func (s *store) growth() int {
	if s.noGrowth {
		return 0
	}
	return max(0, s.most-len(s.segments))
}

// append writes a record into the active segment, which has room for it. The
// record is safe after the next sync.
func (s *store) append(r record, body []byte) (loc, error) {
	g := s.active
	if err := s.openForWrite(g); err != nil {
		return loc{}, err
	}
	if g.unstarted() {
		if err := s.writeSlot(g); err != nil {
			return loc{}, err
		}
	}
	s.wseq++
	r.life, r.wseq, r.synced = g.life, s.wseq, s.synced
	r.body, r.sum = uint32(len(body)), crc32.Checksum(body, castagnoli)
	l := loc{g.number, g.next, r.blocks(), g.life}
	// The place is taken even if the write fails: what of it arrived is
	// then a removed record.
	g.next += l.blocks
	g.live++
	g.used += l.blocks
	s.touch(g)
	if err := s.writeRecord(g, l, &r, body); err != nil {
		s.mark(l)
		s.suspect = cmp.Or(s.suspect, s.wseq)
		return loc{}, err
	}
	g.size = max(g.size, g.next)
	return l, nil
}

// unstarted says whether the segment's life has no header in the file yet.
func (g *segment) unstarted() bool { return g.next == slots && g.dirty }

// writeRecord writes the head with the body's start, the body's whole blocks
// from where they lie, and its end padded with zeros.
func (s *store) writeRecord(g *segment, l loc, r *record, body []byte) error {
	s.head = r.head(s.head)
	n := min(len(body), (block-len(s.head)%block)%block)
	s.head = append(s.head, body[:n]...)
	body = body[n:]
	whole := len(body) / block * block
	off := int64(l.block) * block
	at := off + int64(len(s.head))
	if whole == 0 {
		s.head = append(s.head, body...)
		s.head = append(s.head, zeros[:-len(s.head)&(block-1)]...)
		_, err := g.file.WriteAt(s.head, off)
		return err
	}
	if _, err := g.file.WriteAt(s.head, off); err != nil {
		return err
	}
	if _, err := g.file.WriteAt(body[:whole], at); err != nil {
		return err
	}
	if body = body[whole:]; len(body) == 0 {
		return nil
	}
	s.head = append(append(s.head[:0], body...), zeros[len(body):]...)
	_, err := g.file.WriteAt(s.head, at+int64(whole))
	return err
}

var zeros [block]byte

// writeSlot writes the segment's header into the slot that does not hold the
// newest synced one, so that a power cut finds one of the two whole.
func (s *store) writeSlot(g *segment) error {
	if err := s.openForWrite(g); err != nil {
		return err
	}
	s.touch(g)
	g.count++
	g.dirty, g.fresh = true, false
	if _, err := g.file.WriteAt(g.encode(), int64(1-g.at)*block); err != nil {
		return err
	}
	g.dirty, g.fresh = false, true
	g.size = max(g.size, slots)
	return nil
}

// sync makes everything safe that was written. Once it has failed it fails until
// the next scan: of what a failed sync was to write, the kernel may have given up
// some, and the next sync says nothing of that.
func (s *store) sync() error {
	if s.failed != nil {
		return s.failed
	}
	wseq, fresh := s.wseq, false
	for _, g := range s.touched {
		if s.failed = g.file.Sync(); s.failed != nil {
			return s.failed
		}
		fresh = fresh || g.freshName
	}
	if fresh {
		if s.failed = s.fs.SyncDir(s.dir); s.failed != nil {
			return s.failed
		}
	}
	for _, g := range s.touched {
		if g.fresh {
			g.at = 1 - g.at
		}
		g.fresh, g.freshName = false, false
		if g != s.active {
			g.file.Close()
			g.file = nil
		}
	}
	s.touched = s.touched[:0]
	if s.synced = wseq; s.suspect != 0 {
		s.synced = s.suspect - 1
	}
	return nil
}

// mark removes a record in the bitmap in RAM; flush writes that.
func (s *store) mark(l loc) {
	g := s.segment(l.segment)
	if g == nil || g.life != l.life || g.bitmap.has(l.block) {
		return
	}
	g.bitmap.set(l.block)
	g.live--
	g.used -= l.blocks
	g.dirty = true
}

func (s *store) segment(number uint16) *segment {
	i, ok := slices.BinarySearchFunc(s.segments, number, func(g *segment, n uint16) int { return cmp.Compare(g.number, n) })
	if !ok {
		return nil
	}
	return s.segments[i]
}

// flush writes removals to the headers and syncs them. A segment without
// live records becomes free, the active one only with all.
func (s *store) flush(all bool) error {
	if s.failed != nil { // what looks written may not be
		return s.failed
	}
	written := false
	for _, g := range s.segments {
		if g.live == 0 && !g.free && (g != s.active || all) && g.next > slots {
			g.free, g.dirty = true, true
			if g == s.active {
				s.active = nil
			}
		}
		if g.dirty && (g.next > slots || g.free) {
			if err := s.writeSlot(g); err != nil {
				return err
			}
			written = true
		}
	}
	if !written {
		return nil
	}
	s.suspect = 0
	return s.sync()
}

// activate makes a segment the active one under a new life, a used file
// before a new one. It must be able to take n blocks.
func (s *store) activate(n uint32) error {
	var g *segment
	if spare := s.spare(n); len(spare) > 0 {
		g = spare[0]
	} else if s.growth() == 0 {
		return errNoRoom
	} else {
		number := uint16(0)
		for s.segment(number) != nil {
			number++
		}
		f, err := s.fs.Open(segmentName(s.dir, number), forCreate)
		if err != nil {
			return err
		}
		g = &segment{number: number, file: f, freshName: true, at: 1}
		s.segments = slices.Insert(s.segments, int(number), g)
	}
	g.free, g.dirty = false, true
	g.blocks, g.life, g.bitmap = s.capacity, newLife(), newBitmap(s.capacity)
	g.next, g.live, g.used = slots, 0, 0
	s.seal()
	s.active = g
	return nil
}

// seal ends the active segment.
func (s *store) seal() {
	if g := s.active; g != nil && g.file != nil && !slices.Contains(s.touched, g) {
		g.file.Close()
		g.file = nil
	}
	s.active = nil
}

// detach closes every file and gives the folder free.
func (s *store) detach() {
	for _, g := range s.segments {
		if g.file != nil {
			g.file.Close()
			g.file = nil
		}
	}
	s.touched, s.active = nil, nil
	s.failed = errDetached
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

func (s *store) attached() bool { return s.lock != nil }

// read reads a record's metadata and body, of size bytes together, and checks
// them: errCorrupt if it is not whole or not the one that was meant.
func (s *store) read(l loc, k key, event string, size int64) (meta, body []byte, err error) {
	f, err := s.fs.Open(segmentName(s.dir, l.segment), forRead)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b := make([]byte, int64(recordStart+len(k.id)+len(event))+size)
	if _, err := f.ReadAt(b, int64(l.block)*block); err != nil && err != io.EOF {
		return nil, nil, err
	} else if err == io.EOF {
		return nil, nil, errCorrupt
	}
	r, ok := decodeRecord(b)
	if !ok || r.key != k || r.life != l.life || r.bodyStart()+int(r.body) != len(b) {
		return nil, nil, errCorrupt
	}
	body = b[r.bodyStart():]
	if crc32.Checksum(body, castagnoli) != r.sum {
		return nil, nil, errCorrupt
	}
	if len(body) == 0 {
		body = nil
	}
	return r.meta, body, nil
}

// probe shows by a small file that the disk takes writes.
func (s *store) probe() error {
	name := filepath.Join(s.dir, "probe")
	f, err := s.fs.Open(name, forCreate)
	if err != nil {
		return err
	}
	for off := int64(0); off < minSegment && err == nil; off += block {
		_, err = f.WriteAt(zeros[:], off)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), s.fs.Remove(name))
}

// prune removes free files beyond the number or the size that the options
// allow: those have become smaller.
func (s *store) prune() error {
	for _, g := range slices.Clone(s.segments) {
		if g.free && !g.dirty && g != s.active && (len(s.segments) > s.most || g.size > s.capacity) {
			if err := s.fs.Remove(segmentName(s.dir, g.number)); err != nil {
				return err
			}
			s.segments = slices.DeleteFunc(s.segments, func(h *segment) bool { return h == g })
		}
	}
	return nil
}

// age turns the wall clock of a Put into an age: 0 where that cannot be, because
// the clock was or is not set.
func age(putMS int64) time.Duration {
	if d := time.Since(time.UnixMilli(putMS)); d > 0 && d < 366*24*time.Hour {
		return d
	}
	return 0
}
