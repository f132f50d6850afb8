package frames

import "math"

const (
	maxTracks  = 24
	crowdCells = 3    // size from which a thing counts in the crowd
	crowdS     = 3    // seconds in which a crowd is forgotten to a third
	crowdStep  = 0.3  // what each thing too many adds to the size asked for
	cautionS   = 1.5  // seconds in which caution falls to a third
	leap       = 0.5  // how far, in its own lengths, a thing gets in a tenth of a second
	turn       = 0.25 // how far, squared, from where it would be by its way, as a share of that
	plain      = 4    // times the size needed from which a thing is beyond doubt
	lingerS    = 2    // seconds after which a thing that stays where it is is restless
)

// track is something that was seen in one frame and looked for in the next.
type track struct {
	x0, y0, x1, y1 int
	cx, cy         float64 // where it is
	ox, oy         float64 // where it was first seen, or last known to get on
	stay           float64 // seconds since it last got away from there
	size           float64 // largest so far, cells
	evidence       float64
	seen           int
	missed         float64 // seconds
	vx, vy         float64 // cells a second, from the last look to this
	moved          bool    // vx and vy are known
	confirmed      bool
	proven         bool // was confirmed once
	matched        bool
}

// tracker asks of a changed place that it stays together along a path.
type tracker struct {
	tracks  []track
	store   [maxTracks]track
	clutter clutter
	crowd   float64 // how many things were seen at once, lately
	need    float64 // cells that an object needs where nothing is restless
}

func (t *tracker) begin() {
	t.drop()
	t.clutter = clutter{}
	t.crowd = 0
}

// drop forgets what is in the picture, not what is restless there.
func (t *tracker) drop() { t.tracks = t.store[:0] }

// asked is what this frame asks of a thing.
type asked struct {
	fine     *Fine
	minCells float64 // least size
	crowd    float64 // times larger, because so much moves
	caution  float64 // times larger, because the scene is new
	step     float64 // what the frame counts: frames close in time say less
}

// follow matches this frame's blobs with the tracks and returns the main one.
func (t *tracker) follow(f *finder, m *model, fine *Fine, minCells, dt float64) *blob {
	t.clutter.fade(dt)
	ask := asked{
		fine: fine, minCells: minCells,
		crowd:   1 + crowdStep*max(0, t.count(f, dt)-fine.Crowd),
		caution: 1 + fine.Caution*math.Exp((fine.Learn.Seconds()-m.age)/cautionS),
		step:    min(max(dt/0.1, 0.5), 3),
	}
	t.need = minCells * ask.crowd * ask.caution
	for i := range t.tracks {
		t.tracks[i].matched = false
	}
	var best *blob
	for i := range f.blobs {
		b := &f.blobs[i]
		if b.why = b.reason(fine, minCells); b.why != whyNew {
			continue
		}
		b.need = max(minCells*ask.crowd, fine.Clutter*t.clutter.at(m, b)) * ask.caution
		tr := t.match(b, ask.step, dt)
		if tr == nil || !tr.take(b, &ask, dt) {
			b.why = whyClutter
			continue
		}
		if b.confirmed = tr.confirmed; b.confirmed {
			b.why = whyMotion
			m.mark(b)
		}
		if best == nil || b.confirmed && !best.confirmed || b.confirmed == best.confirmed && b.area > best.area {
			best = b
		}
	}
	t.forget(m, &ask, dt)
	return best
}

// count is how many things moved at once, lately.
func (t *tracker) count(f *finder, dt float64) float64 {
	n := 0.0
	for i := range f.blobs {
		if b := &f.blobs[i]; b.area >= crowdCells && b.moves() {
			n++
		}
	}
	t.crowd = max(n, t.crowd*(1-dt/(dt+crowdS)))
	return t.crowd
}

// take adds the blob to the track. It is false if the blob is no larger than
// what is restless there.
func (tr *track) take(b *blob, ask *asked, dt float64) bool {
	tr.note(b, dt)
	tr.x0, tr.y0, tr.x1, tr.y1 = b.x0, b.y0, b.x1, b.y1
	tr.size = max(tr.size, min(b.size, float64(b.moving)))
	tr.seen++
	tr.missed = 0
	tr.matched = true
	switch {
	case b.size >= b.need:
		tr.evidence = min(tr.evidence+ask.step*min(b.size/b.need, 3), 2*ask.fine.Evidence)
	case !tr.confirmed || 2*b.size < b.need:
		tr.evidence = max(0, tr.evidence-ask.step/2)
		return false
	}
	looks := 2
	if b.size < plain*b.need {
		looks = 3 // two places of a small thing may be of two things
	}
	far := ask.fine.Travel * math.Sqrt(float64(b.area)) * min(1, plain*b.need/b.size)
	tr.stay += dt
	if dx, dy := b.cx-tr.ox, b.cy-tr.oy; dx*dx+dy*dy >= far*far {
		if tr.evidence >= ask.fine.Evidence && tr.seen >= looks {
			tr.confirmed, tr.proven = true, true
			tr.ox, tr.oy, tr.stay = b.cx, b.cy, 0
		}
	} else if tr.stay > lingerS && b.size < 2*plain*b.need {
		tr.confirmed = false
	}
	return true
}

// goesOn asks whether the blob, which does not touch the thing's last place, can
// be the thing. That is known only from its way: a thing goes on as it went, and
// what is elsewhere at each look is many things.
func (tr *track) goesOn(b *blob, dt float64) bool {
	if !tr.moved || tr.confirmed {
		return true
	}
	span := tr.missed + dt
	dx, dy := b.cx-tr.cx, b.cy-tr.cy
	ex, ey := dx-tr.vx*span, dy-tr.vy*span
	return ex*ex+ey*ey <= turn*(dx*dx+dy*dy)
}

// note keeps the blob's place and the way to it.
func (tr *track) note(b *blob, dt float64) {
	if tr.seen > 0 {
		span := tr.missed + dt
		tr.vx, tr.vy, tr.moved = (b.cx-tr.cx)/span, (b.cy-tr.cy)/span, true
	}
	tr.cx, tr.cy = b.cx, b.cy
}

// forget drops tracks that were not seen again; what came to nothing is clutter.
func (t *tracker) forget(m *model, ask *asked, dt float64) {
	kept := t.tracks[:0]
	for _, tr := range t.tracks {
		if !tr.matched {
			tr.missed += dt
			tr.evidence -= ask.step
			if tr.evidence <= 0 || tr.missed > 1 {
				if !tr.proven {
					t.clutter.feed(m, tr.x0, tr.y0, tr.x1, tr.y1, min(tr.size, 10*ask.minCells))
				}
				continue
			}
			if tr.missed > 0.5 {
				tr.confirmed = false
			}
		}
		kept = append(kept, tr)
	}
	t.tracks = kept
}

// match finds the track that comes nearest to continuing in b, or begins one.
func (t *tracker) match(b *blob, step, dt float64) *track {
	var found *track
	bestD := 1 << 30
	for i := range t.tracks {
		tr := &t.tracks[i]
		if tr.matched {
			continue
		}
		gap := max(tr.x0-b.x1, b.x0-tr.x1, tr.y0-b.y1, b.y0-tr.y1)
		extent := float64(max(tr.x1-tr.x0, tr.y1-tr.y0, b.x1-b.x0, b.y1-b.y0) + 1)
		if gap > 2+int(leap*extent*step) || gap > 1 && !tr.goesOn(b, dt) {
			continue
		}
		d := abs(int32(tr.x0+tr.x1-b.x0-b.x1)) + abs(int32(tr.y0+tr.y1-b.y0-b.y1))
		if int(d) < bestD {
			found, bestD = tr, int(d)
		}
	}
	if found == nil && len(t.tracks) < maxTracks {
		t.tracks = append(t.tracks, track{ox: b.cx, oy: b.cy})
		found = &t.tracks[len(t.tracks)-1]
	}
	return found
}
