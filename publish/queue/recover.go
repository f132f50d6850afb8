package queue

import "time"

// seqBits is how much of a seq counts the Puts of one boot; above it stands
// the boot counter. Neither knows a clock.
const seqBits = 40

// reconcile brings the index and what a scan found together. An item that is
// in RAM wins over a record of it, which a failed sync may have left in the
// page cache only. Called with disk held.
func (q *Queue) reconcile(all *scanned) {
	q.drainRemovals()
	q.mu.Lock()
	defer q.mu.Unlock()
	fresh := all.records[:0]
	claimed := map[key]bool{}
	for _, r := range all.records { // of two copies the original stays: cleaning was cut short
		e := q.byKey[r.key]
		switch g := q.store.segment(r.segment); {
		case g.bitmap.has(r.block): // removed while the disk was away
		case claimed[r.key], e != nil && !e.spooled():
			q.store.mark(r.loc)
		case e != nil:
			e.loc, claimed[r.key] = r.loc, true
		default:
			claimed[r.key] = true
			fresh = append(fresh, r)
		}
	}
	q.seq = max(q.seq, (all.seq>>seqBits+1)<<seqBits)
	all.records = fresh
	q.insertFound(fresh)
	for _, r := range all.torn {
		if q.byKey[r.key] == nil {
			q.stats.Torn++
		}
	}
	q.fitCount()
}

// logFound tells what a start or a healed disk brought.
func (q *Queue) logFound(all *scanned, took time.Duration) {
	pictures, summaries, bytes := 0, 0, int64(0)
	for _, r := range all.records {
		if bytes += r.size; r.kind == Summary {
			summaries++
		} else {
			pictures++
		}
	}
	args := []any{"dir", q.o.Dir, "pictures", pictures, "summaries", summaries, "bytes", bytes,
		"torn", len(all.torn), "segments", len(q.store.segments), "took", took.Round(time.Millisecond)}
	if all.unreadable > 0 || all.headerless > 0 || all.foreign > 0 {
		q.log.Warn("queue recovered, the disk is damaged or of another version", append(args,
			"unreadable_blocks", all.unreadable, "segments_without_header", all.headerless,
			"segments_of_newer_version", all.foreign)...)
		return
	}
	q.log.Info("queue recovered", args...)
}

// tellSynced tells the tests that everything on disk is safe.
func (q *Queue) tellSynced() {
	if q.hooks.synced == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.items {
		if e.spooled() {
			q.hooks.synced(e.key, e.loc)
		}
	}
}

// unreadable deals with a spooled item that could not be read: what is damaged
// is given up; what met an I/O error is tried again when the disk has healed,
// a few times. Called with mu held.
func (q *Queue) unreadable(e *entry, err error) {
	if err != errCorrupt {
		if q.health.state == diskFailing {
			return
		}
		if e.failures++; e.failures < 3 {
			q.note(diskFailing, err)
			q.health.noWrites = true
			return
		}
	}
	q.drop(e)
	q.stats.Lost++
	q.log.Error("picture unreadable on disk and given up", "pic_id", e.id, "event_id", e.event.id,
		"kind", e.kind, "segment", e.loc.segment, "block", e.loc.block, "error", err)
}
