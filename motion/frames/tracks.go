package frames

import "math"

const (
	maxTracks  = 24
	crowdCells = 3   // size from which a thing counts in the crowd
	crowdS     = 3   // seconds in which a crowd is forgotten to a third
	crowdStep  = 0.3 // what each thing too many adds to the size asked for
	cautionS   = 1.5 // seconds in which caution falls to a third
	leap       = 0.5 // how far, in its own lengths, a thing gets in a tenth of a second
	plain      = 4   // times the size needed from which a thing is beyond doubt
	lingerS    = 2   // seconds after which a thing that stays where it is is restless
)

// track is something that was seen in one frame and looked for in the next.
type track struct {
	x0, y0, x1, y1 int
	ox, oy         float64 // where it was first seen, or last known to get on
	stay           float64 // seconds since it last got away from there
	size           float64 // largest so far, cells
	extent         int     // largest side so far
	evidence       float64
	seen           int
	missed         float64 // seconds
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
	t.tracks = t.store[:0]
	t.clutter = clutter{}
	t.crowd = 0
}

// follow matches this frame's blobs with the tracks and returns the main one.
func (t *tracker) follow(f *finder, m *model, fine *Fine, minCells, dt float64, reset bool) *blob {
	if reset {
		t.tracks = t.tracks[:0]
		return nil
	}
	for i := range t.tracks {
		t.tracks[i].matched = false
	}
	t.clutter.fade(dt)
	var best *blob
	few := 0.0
	for i := range f.blobs {
		if f.blobs[i].area >= crowdCells && f.blobs[i].moving*8 >= f.blobs[i].area {
			few++
		}
	}
	t.crowd = max(few, t.crowd*(1-dt/(dt+crowdS)))
	crowd := 1 + crowdStep*max(0, t.crowd-fine.Crowd)
	caution := 1 + fine.Caution*math.Exp((fine.Learn.Seconds()-m.age)/cautionS)
	// Frames close in time say less that is new.
	t.need = minCells * crowd * caution
	step := min(max(dt/0.1, 0.5), 3)
	for i := range f.blobs {
		b := &f.blobs[i]
		b.size = float64(b.strong) + float64(b.area-b.strong)/2
		if b.size < minCells {
			b.why = whySmall
			continue
		}
		if b.moving*8 < b.area {
			b.why = whyStill
			continue
		}
		if b.textured >= 6 && float64(b.kept) > fine.Flat*float64(b.textured) {
			b.why = whyLight
			continue
		}
		if float64(b.sharp) < fine.Outline*float64(2*(b.x1-b.x0+b.y1-b.y0+2)) {
			b.why = whyLight
			continue
		}
		need := max(minCells*crowd, fine.Clutter*t.clutter.at(m, b)) * caution
		b.need = need
		tr := t.match(b, step)
		if tr == nil {
			b.why = whyClutter
			continue
		}
		tr.x0, tr.y0, tr.x1, tr.y1 = b.x0, b.y0, b.x1, b.y1
		tr.size = max(tr.size, min(b.size, float64(b.moving)))
		tr.extent = max(tr.extent, b.x1-b.x0+1, b.y1-b.y0+1)
		tr.seen++
		tr.missed = 0
		tr.matched = true
		if b.size >= need {
			tr.evidence = min(tr.evidence+step*min(b.size/need, 3), 2*fine.Evidence)
		} else if !tr.confirmed || 2*b.size < need {
			b.why = whyClutter
			tr.evidence = max(0, tr.evidence-step/2)
			continue
		}
		looks := 2
		if b.size < plain*need {
			looks = 3 // two places of a small thing may be of two things
		}
		far := fine.Travel * math.Sqrt(float64(b.area)) * min(1, plain*need/b.size)
		tr.stay += dt
		if dx, dy := b.cx-tr.ox, b.cy-tr.oy; dx*dx+dy*dy >= far*far {
			if tr.evidence >= fine.Evidence && tr.seen >= looks {
				tr.confirmed, tr.proven = true, true
				tr.ox, tr.oy, tr.stay = b.cx, b.cy, 0
			}
		} else if tr.stay > lingerS && b.size < 8*need {
			tr.confirmed = false
		}
		b.confirmed = tr.confirmed
		b.why = whyNew
		if b.confirmed {
			b.why = whyMotion
		}
		if best == nil || b.confirmed && !best.confirmed || b.confirmed == best.confirmed && b.area > best.area {
			best = b
		}
	}
	kept := t.tracks[:0]
	for _, tr := range t.tracks {
		if !tr.matched {
			tr.missed += dt
			tr.evidence -= step
			if tr.evidence <= 0 || tr.missed > 1 {
				if !tr.proven {
					t.clutter.feed(m, tr.x0, tr.y0, tr.x1, tr.y1, min(tr.size, 10*minCells))
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
	for i := range f.blobs {
		b := &f.blobs[i]
		if !b.confirmed {
			continue
		}
		for y := b.y0; y <= b.y1; y++ {
			row := m.mask[(y+1)*(m.w+2)+1:]
			for x := b.x0; x <= b.x1; x++ {
				if row[x] != 0 {
					row[x] |= object
				}
			}
		}
	}
	return best
}

// match finds the track that comes nearest to continuing in b, or begins one.
func (t *tracker) match(b *blob, step float64) *track {
	var found *track
	bestD := 1 << 30
	for i := range t.tracks {
		tr := &t.tracks[i]
		if tr.matched {
			continue
		}
		gap := max(tr.x0-b.x1, b.x0-tr.x1, tr.y0-b.y1, b.y0-tr.y1)
		extent := float64(max(tr.x1-tr.x0, tr.y1-tr.y0, b.x1-b.x0, b.y1-b.y0) + 1)
		if gap > 2+int(leap*extent*step) {
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
