package watch

import (
	"fmt"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/control"
	"pirwatch/motion"
	"pirwatch/publish"
)

// firstFrame is how long the news of an event waits for a picture to go before
// it: so that a notification can show one.
const firstFrame = time.Second

// event is one event from its trigger until its last picture is handed over.
type event struct {
	publish.Event
	began   time.Time // the trigger
	manual  bool
	waiting bool // for the first frame after the trigger
	covered bool // the provisional cover is out
	ended   time.Time
	burst   *capture.Burst
	seq     int
	cover   capture.Cover
}

// taken is a frame of the burst.
type taken struct {
	frame capture.Frame
	picID string
	seq   int
	box   *[4]float64
	best  bool // it is the best view so far
}

// apply carries out what the machine decided.
func (l *Loop) apply(changes []motion.Change) {
	for _, c := range changes {
		switch c.Kind {
		case motion.Moving, motion.Still:
			on := c.Kind == motion.Moving
			l.stats.motion.Store(on)
			l.p.Outbox.State("motion", control.OnOff(on))
		case motion.Started:
			l.start(c)
		case motion.Ended:
			l.end(c)
		case motion.Suppressed:
			l.stats.suppressed.Add(1)
			l.p.Outbox.EventMessage("suppressed", l.last, c.At, c.By.String(), nil)
			l.log.Debug("trigger within the cool-down", "trigger", c.By.String())
		}
	}
}

// start opens an event. Its news waits for the first frame after the trigger.
func (l *Loop) start(c motion.Change) {
	l.finish()
	id := l.p.NewEventID(c.At)
	e := &event{
		Event: publish.Event{ID: id, StartedAt: c.At, Trigger: c.By.String(), Suppressed: c.Suppressed},
		began: c.At, manual: c.By == motion.Hand, waiting: true,
		burst: capture.NewBurst(l.o.Burst, c.At),
	}
	l.event, l.last = e, id
	l.stats.events.Add(1)
	l.stats.last.Store(&id)
	l.log.Info("event started", "event_id", id, "trigger", e.Trigger, "suppressed", c.Suppressed)
	l.showLamp()
	if l.p.OnEvent != nil {
		l.p.OnEvent()
	}
	if l.p.Camera == nil {
		l.ready(e, capture.Frame{})
	}
}

// ready lets the news out: summary, provisional cover, event, then the pre-roll.
// f is the first frame after the trigger, or has no data where none came in time.
func (l *Loop) ready(e *event, f capture.Frame) {
	if !e.waiting || len(f.Data) > 0 && f.At.Before(e.began) {
		return
	}
	e.waiting = false
	before := e.burst.Pre(l.ring.Since(e.began.Add(-l.o.RingTime)))
	l.dark.open(e.Event)
	if len(f.Data) > 0 {
		e.covered = true
		l.dark.provisional(e.ID, taken{frame: f, picID: e.picID(len(before))})
	}
	kind := "motion_start"
	if e.manual {
		kind = "manual"
	}
	l.dark.tell(kind, e.Event, e.StartedAt)
	for _, pre := range before {
		l.take(e, pre, nil)
	}
}

func (e *event) picID(seq int) string { return fmt.Sprintf("%s-%02d", e.ID, seq) }

// shoot takes the frame into the burst if one is due. What the comparison finds
// on the way may begin the next event: then the frame is that one's.
func (l *Loop) shoot(f capture.Frame, seen *sight) {
	e := l.event
	if e == nil {
		return
	}
	l.ready(e, f)
	if !e.burst.Offer(f.At) {
		return
	}
	if seen == nil && l.comparing() {
		seen = l.compare(f)
		if l.event != e {
			l.shoot(f, seen)
			return
		}
	}
	if !e.covered && !f.At.Before(e.began) { // the first frame comes late: a camera that was off, or a slow one
		e.covered = true
		l.dark.provisional(e.ID, taken{frame: f, picID: e.picID(e.seq)})
	}
	l.take(e, f, seen)
}

// take adds a frame to the event.
func (l *Loop) take(e *event, f capture.Frame, seen *sight) {
	t := taken{frame: f, picID: e.picID(e.seq), seq: e.seq}
	view := capture.View{AfterTrigger: !f.At.Before(e.began)}
	if seen != nil {
		view.Score, view.Box, view.Sharpness = seen.Score, seen.Box, seen.sharpness
		if seen.Box[2] > 0 {
			box := seen.Box
			t.box = &box
		}
	}
	t.best = e.cover.Offer(e.seq, view)
	l.dark.picture(e.ID, t)
	e.seq++
}

// note keeps the largest score of the event, of all frames that were compared
// and not only of those that are sent.
func (e *event) note(seen *sight) {
	if seen.Ready && (e.Score == nil || seen.Score > *e.Score) {
		score := seen.Score
		e.Score = &score
	}
}

// end notes the end of motion; the event closes when its burst is done.
func (l *Loop) end(c motion.Change) {
	e := l.event
	if e == nil || !e.ended.IsZero() {
		return
	}
	e.Trigger, e.ended, e.EndedAt = c.By.String(), c.At, c.At
	e.burst.End(c.At)
	if !e.manual {
		l.ready(e, capture.Frame{}) // in case that nothing came before
		l.dark.tell("motion_end", e.Event, c.At)
	}
}

// pending does what the passing of time asks of the open event.
func (l *Loop) pending() {
	e := l.event
	if e == nil {
		return
	}
	now := l.clock()
	if e.waiting && now.Sub(e.began) >= firstFrame {
		l.ready(e, capture.Frame{})
	}
	if !e.burst.Done(now) {
		return
	}
	if e.ended.IsZero() && !e.manual {
		l.apply(l.machine.Full(l.moment(now)))
	}
	// Full may have begun the next event, which has closed this one.
	if l.event == e && !e.ended.IsZero() {
		l.finish()
	}
}

// finish closes the event, if there is one: the best cover takes the place of
// the provisional one, and the summary is final.
func (l *Loop) finish() {
	e := l.event
	if e == nil {
		return
	}
	l.event = nil
	l.ready(e, capture.Frame{})
	_, e.CoverWhy, _ = e.cover.Best()
	l.dark.finish(e.Event)
	l.log.Info("event ended", "event_id", e.ID, "trigger", e.Trigger, "pictures", e.seq,
		"duration", e.EndedAt.Sub(e.StartedAt).Round(100*time.Millisecond))
	l.showLamp()
}
