package queue

// room gives the active segment room for a record of n blocks: it starts
// another one, and where only the last spare one is left, empties the
// segment that holds least, or gives up items until one holds little. Called
// with disk held.
func (q *Queue) room(n uint32) error {
	s := q.store
	cleans := 2 // cleaning that does not help must not go on for ever
	for {
		if s.hasRoom(n) {
			return nil
		}
		q.drainRemovals()
		if s.hasDead() {
			if err := q.flush(false); err != nil {
				return err
			}
		}
		if len(s.spare(n))+s.growth() > 1 {
			return s.activate(n)
		}
		g := s.emptiest()
		if g != nil && cleans > 0 && q.worthCleaning(g) {
			cleans--
			if err := q.clean(g); err != nil {
				return err
			}
			continue
		}
		// Without a spare segment to clean into, only what is given up in
		// one and the same segment makes room; not worth it where the file
		// system is full and not the owner's limit reached.
		from := (*segment)(nil)
		if len(s.spare(n))+s.growth() == 0 {
			if from = s.leastUsed(); from == nil || s.noGrowth {
				return errNoRoom
			}
		}
		if !q.giveUp(from) {
			return errNoRoom
		}
		cleans++
	}
}

// hasRoom says whether the active segment can take n blocks.
func (s *store) hasRoom(n uint32) bool { return s.active != nil && s.room(s.active) >= n }

// hasDead says whether a flush would free a segment.
func (s *store) hasDead() bool {
	for _, g := range s.segments {
		if g.live == 0 && !g.free && g != s.active && g.next > slots {
			return true
		}
	}
	return false
}

// emptiest is the segment with the fewest blocks in use, unless neither the
// active nor the last spare one could take its records.
func (s *store) emptiest() *segment {
	least := s.leastUsed()
	if least != nil && !s.hasRoom(least.used) && len(s.spare(least.used))+s.growth() == 0 {
		return nil
	}
	return least
}

// leastUsed is the segment with the fewest blocks in use, but for free ones
// and the active one; nil if there is none.
func (s *store) leastUsed() *segment {
	var least *segment
	for _, g := range s.segments {
		if g.live > 0 && g != s.active && (least == nil || g.used < least.used) {
			least = g
		}
	}
	return least
}

// worthCleaning says whether to copy a segment's records rather than give up
// items: always while three quarters of the blocks suffice for all, else only
// if that is cheap.
func (q *Queue) worthCleaning(g *segment) bool {
	used, total := uint32(0), uint32(0)
	for _, h := range q.store.segments {
		used += h.used
		total += h.blocks
	}
	return g.used <= g.blocks*3/4 && used <= total/4*3 || g.used <= g.blocks/4
}

// clean copies the records of a segment to the active or the spare one and
// frees it. The copies are synced before the originals are removed. Called
// with disk held.
func (q *Queue) clean(g *segment) error {
	s := q.store
	q.mu.Lock()
	var group []writing
	for _, e := range q.items {
		if e.spooled() && e.loc.segment == g.number && e.loc.life == g.life {
			group = append(group, writing{e: e, item: e.item(nil, nil), loc: e.loc})
		}
	}
	q.mu.Unlock()
	if !s.hasRoom(g.used) {
		if err := s.activate(g.used); err != nil {
			return err
		}
	}
	for i := range group {
		if err := q.move(&group[i]); err != nil {
			// The originals stay; the copies must not outlive them.
			q.forget(group[:i])
			return err
		}
	}
	if err := q.finish(group); err != nil {
		return err
	}
	q.drainRemovals()
	// What the index does not know is none of the queue's.
	g.live, g.used, g.dirty = 0, 0, true
	return q.flush(false)
}

// move copies one record into the active segment; a damaged one is given up.
func (q *Queue) move(w *writing) error {
	meta, body, err := q.store.read(w.loc, w.e.key, w.item.Event, w.e.size)
	if err != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if !w.e.gone {
			q.unreadable(w.e, err)
		}
		if err == errCorrupt {
			return nil
		}
		return err
	}
	w.item.Meta = meta
	w.loc, err = q.store.append(w.record(), body)
	w.written = err == nil
	return err
}

// giveUp drops the least item of a segment, or of all if that is nil. OnDrop is
// told when the disk is let go.
func (q *Queue) giveUp(from *segment) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	v := q.victim(func(e *entry) bool {
		return !e.leased && (from == nil || e.spooled() && e.loc.segment == from.number)
	})
	if v == nil {
		return false
	}
	q.dropFull(v)
	return true
}
