package queue

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// found is a record that a scan came across and that is not removed; its meta
// is not kept.
type found struct {
	loc
	record
	size int64 // of metadata and body
}

// size is the length of metadata and body.
func (r *record) size() int64 { return int64(len(r.meta)) + int64(r.body) }

// scanned is what the segments of a folder hold.
type scanned struct {
	records    []found // in the order of writing
	torn       []found // of the last, unsynced writes: the body did not arrive whole
	wseq       uint64  // largest seen
	seq        uint64  // largest seen
	synced     uint64
	headerless int // segments whose headers were both unreadable
	unreadable int // blocks that gave an I/O error
	foreign    int // files of another version
}

// maxReadErrors bounds how long a dying disk is asked for more of one segment.
const maxReadErrors = 16

// scan reads every segment's header and every record's; bodies only of records
// that may not have been synced. It replaces what s knows of the segments and
// writes nothing.
func (s *store) scan() (*scanned, error) {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return nil, err
	}
	before := *s
	s.segments, s.active, s.touched, s.suspect, s.failed, s.scanned = nil, nil, nil, 0, nil, true
	all := &scanned{}
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok {
			continue
		}
		g, err := s.scanSegment(number, all)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		g.distrust(before.segment(number))
		s.segments = append(s.segments, g)
	}
	slices.SortFunc(s.segments, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	slices.SortFunc(all.records, func(a, b found) int { return cmp.Compare(a.wseq, b.wseq) })
	s.wseq = max(s.wseq, all.wseq)
	s.checkTail(all)
	return all, nil
}

// distrust corrects what was read of a segment by what was known of it before.
// After a failed sync the newest header may be in the page cache only, and
// clean there: it is to be written again, and not over the last synced one.
func (g *segment) distrust(before *segment) {
	if before != nil && g.count > 0 && g.count <= before.count && g.at != before.at {
		g.at, g.dirty = before.at, true
	}
}

// checkTail reads the bodies of the records that were written after the last
// sync that is known, and takes the torn ones out.
func (s *store) checkTail(all *scanned) {
	whole := all.records[:0]
	for _, r := range all.records {
		if r.wseq > all.synced {
			_, _, err := s.read(r.loc, r.key, r.event, r.size)
			if err == errCorrupt { // after an I/O error Next tries again
				all.torn = append(all.torn, r)
				s.mark(r.loc)
				continue
			}
		}
		whole = append(whole, r)
	}
	all.records = whole
}

// scanSegment reads one file.
func (s *store) scanSegment(number uint16, all *scanned) (*segment, error) {
	f, err := s.fs.Open(segmentName(s.dir, number), forRead)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	length, err := f.Size()
	if err != nil {
		return nil, err
	}
	g := &segment{number: number, size: uint32(length / block), at: 1, next: slots}
	w := &window{f: f, size: length}
	known := false
	for i := range slots {
		// A file that ends within a block goes on with zeros once it grows.
		b := make([]byte, block)
		copy(b, w.at(int64(i)*block, block))
		if newerSlot(b) {
			g.foreign = true
			all.foreign++
			return g, nil
		}
		if h, ok := decodeSlot(b); ok && (!known || h.count > g.count) {
			g.slot, g.at, known = h, i, true
		}
	}
	if known && g.free {
		return g, nil
	}
	if !known {
		g.blocks = min(max(g.size, slots+1), maxBlocks)
		g.bitmap = newBitmap(g.blocks)
	}
	records := scanRecords(w, g, known)
	if !known {
		records = g.adopt(records)
		if len(records) > 0 {
			all.headerless++
		}
	}
	// A bit may stand where a write failed: nothing more goes there.
	for n := uint32(slots); n < g.blocks; n++ {
		if g.bitmap.has(n) {
			g.next = n + 1
		}
	}
	all.unreadable += w.errors
	for _, r := range records {
		all.wseq, all.seq, all.synced = max(all.wseq, r.wseq), max(all.seq, r.seq), max(all.synced, r.synced)
		g.next = max(g.next, r.block+r.loc.blocks)
		if g.bitmap.has(r.block) {
			continue
		}
		g.live++
		g.used += r.loc.blocks
		all.records = append(all.records, r)
	}
	return g, nil
}

// adopt chooses the life of a segment without headers: that of the record
// written last. Nothing counts as removed there: rather twice than lost.
func (g *segment) adopt(records []found) []found {
	var last found
	for _, r := range records {
		if r.wseq >= last.wseq {
			last = r
		}
	}
	g.life, g.dirty = last.record.life, len(records) > 0
	return slices.DeleteFunc(records, func(r found) bool { return r.record.life != g.life })
}

// scanRecords walks the blocks of a segment: from record to record, and block
// by block where there is none. With known, only records of g's life count.
func scanRecords(w *window, g *segment, known bool) []found {
	var records []found
	end := min(g.blocks, g.size)
	for n := uint32(slots); n < end && w.errors < maxReadErrors; {
		r, ok := decodeRecord(w.at(int64(n)*block, maxHead))
		if !ok || r.blocks() > g.blocks-n || (known && r.life != g.life) {
			w.stepping = true
			n++
			continue
		}
		w.stepping = false
		f := found{loc{g.number, n, r.blocks(), r.life}, r, r.size()}
		f.meta = nil
		records = append(records, f)
		n += f.loc.blocks
	}
	return records
}

// window reads a file in order: little at a time where the reader jumps, much
// where it steps.
type window struct {
	f        file
	size     int64
	stepping bool
	off      int64
	buf      []byte
	errors   int
}

// at returns up to n bytes at off; fewer at the end or where reading fails.
func (w *window) at(off int64, n int) []byte {
	n = int(min(int64(n), w.size-off))
	if n <= 0 {
		return nil
	}
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		length := int64(2 * block)
		if w.stepping {
			length = 64 * block
		}
		w.fill(off, min(max(length, int64(n)), w.size-off))
	}
	return w.buf[off-w.off:][:min(n, len(w.buf)-int(off-w.off))]
}

func (w *window) fill(off, length int64) {
	if int64(cap(w.buf)) < length {
		w.buf = make([]byte, length)
	}
	w.buf, w.off = w.buf[:length], off
	n, err := w.f.ReadAt(w.buf, off)
	if err != nil && err != io.EOF {
		w.errors++
	}
	w.buf = w.buf[:n]
}
