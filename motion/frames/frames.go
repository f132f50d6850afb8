// Package frames tells motion from stillness on small luma planes.
//
// It is pure: no clock, no I/O, no goroutine. Time comes only from the frames,
// so a clip at full speed gives the decisions that the camera gave.
// docs/detection.md explains the steps and the methods they stand on.
package frames

import (
	"image"
	"time"
)

// Decision is what one frame showed.
type Decision struct {
	// Motion is the detector's own word for this frame, without any hold-off
	// but the short bridge Fine.Hold.
	Motion bool
	// Score is the largest moving object as a fraction of the watched area, and
	// Threshold what it has to exceed now; for a plot of both.
	Score, Threshold float64
	// Box is the main moving object: x, y, width and height in fractions of the
	// picture, all zero if there is none.
	Box [4]float64
	// Ready is false while the first background is gathered.
	Ready bool
	// Scene names a change of the whole picture: "light" or "camera moved".
	Scene string
}

// What Decision.Scene says.
const (
	SceneLight = "light"
	SceneMoved = "camera moved"
)

// maxGrid is the width in cells above which a plane is averaged 2x2: the
// detector's sizes and times are tuned for 80 to 128 cells across.
const maxGrid = 128

// leastCells is the smallest object in cells, however small the watched area.
const leastCells = 3

// stale is the age of the last frame from which its background is worth nothing.
const stale = 30 * time.Second

// Detector is for one camera and one goroutine.
type Detector struct {
	o      Options
	strict float64 // factor on thresholds, from the sensitivity

	srcW, srcH int
	model      model
	light      light
	finder     finder
	tracker    tracker
	scene      scene

	began, last time.Time
	seen        int
	heldUntil   time.Time
}

// New returns a detector that learns its first background from the frames to
// come.
func New(o Options) (*Detector, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Detector{o: o, strict: o.strictness()}, nil
}

// Observe takes the next frame. at must not run backwards; luma is read only
// during the call. A plane of another size starts the learning again. Nothing
// is allocated but for the first frame of a size.
func (d *Detector) Observe(at time.Time, luma *image.Gray) Decision {
	w, h := luma.Rect.Dx(), luma.Rect.Dy()
	if w < 8 || h < 8 {
		return Decision{}
	}
	if w != d.srcW || h != d.srcH {
		d.srcW, d.srcH = w, h
		d.model.begin(w, h, d.o)
		d.finder.begin(&d.model)
		d.restart(at)
	} else if at.Sub(d.last) > stale {
		d.restart(at)
	}
	dt := at.Sub(d.last).Seconds()
	d.last = at
	// Two frames of one time, or hours apart, still make one step.
	dt = min(max(dt, 0.001), 1)
	d.seen++

	m := &d.model
	m.load(luma)
	if d.seen < 4 || at.Sub(d.began) < d.o.Fine.Learn-5*time.Millisecond {
		m.learn(d.seen)
		return Decision{}
	}
	if !m.ready {
		m.settle(&d.o.Fine, d.strict)
		d.light.stale = true
	}

	d.light.fit(m, dt)
	changed := m.differ(&d.light, &d.o.Fine)
	dec := Decision{Ready: true}
	dec.Scene = d.scene.judge(d, changed, dt)

	watched := float64(m.watchedCells)
	minCells := max(leastCells, d.o.MinSize*d.strict*d.strict*watched)
	if len(m.hits) > 0 {
		m.correct(&d.light)
	}
	d.finder.find(m)
	var best *blob
	if dec.Scene == "" {
		best = d.tracker.follow(&d.finder, m, &d.o.Fine, minCells, dt)
	} else {
		d.tracker.drop()
		d.heldUntil = time.Time{}
	}
	dec.Threshold = d.tracker.need / watched
	if best != nil {
		dec.Score, dec.Threshold = best.size/watched, best.need/watched
		dec.Box = best.box(m)
		if best.confirmed {
			d.heldUntil = at.Add(d.o.Fine.Hold)
		}
	}
	dec.Motion = best != nil && best.confirmed || at.Before(d.heldUntil)
	m.update(dt, &d.light, &d.o.Fine, d.strict)
	return dec
}

// restart begins the learning again, in the memory that is there.
func (d *Detector) restart(at time.Time) {
	d.began, d.last, d.seen = at, at, 0
	d.heldUntil = time.Time{}
	d.model.ready = false
	d.tracker.begin()
	d.scene = scene{}
	d.light.shake = 0
}
