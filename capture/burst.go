package capture

import "time"

// BurstOptions say which frames of an event are sent. The zero value of a
// field means its default, given in brackets; a negative one means none.
type BurstOptions struct {
	Frames   int           // frames after the trigger, whether motion lasts or not (5)
	Interval time.Duration // between those (500 ms)
	Every    time.Duration // between the further ones while motion lasts (1 s)

	PreRoll   time.Duration // how far before the trigger the event begins (2 s)
	PreFrames int           // how many frames of the pre-roll are sent (3)
	PostRoll  time.Duration // how long after the end of motion frames are still sent (none)

	MaxFrames int           // the most frames of one event, the pre-roll's included (60)
	Longest   time.Duration // the longest event; what goes on then is a new one (60 s)
}

func (o BurstOptions) withDefaults() BurstOptions {
	def := func(v *time.Duration, d time.Duration) { *v = orDefault(*v, d) }
	o.Frames = orDefault(o.Frames, 5)
	def(&o.Interval, 500*time.Millisecond)
	def(&o.Every, time.Second)
	def(&o.PreRoll, 2*time.Second)
	o.PreFrames = orDefault(o.PreFrames, 3)
	def(&o.PostRoll, 0)
	o.MaxFrames = orDefault(o.MaxFrames, 60)
	def(&o.Longest, time.Minute)
	return o
}

// orDefault gives the default for zero and zero for a negative value.
func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return max(v, 0)
}

// waitFrames is how long past its schedule a burst waits for a slow camera to
// deliver the frames it owes, before it is done with fewer.
const waitFrames = 5 * time.Second

// Burst paces one event: which frames are sent, and when the event is over.
// It has no clock and takes no locks: times come from the frames, and one
// goroutine uses it.
type Burst struct {
	o       BurstOptions
	trigger time.Time
	due     time.Time // when the next frame is wanted
	last    time.Time // the frame offered before
	sent    int       // with the pre-roll's
	after   int       // since the trigger
	ended   time.Time // zero while motion lasts
}

// NewBurst begins an event that was triggered at that time.
func NewBurst(o BurstOptions, trigger time.Time) *Burst {
	return &Burst{o: o.withDefaults(), trigger: trigger, due: trigger}
}

// Pre picks from the ring's frames, oldest first, those that show what led up
// to the trigger: spread evenly over the pre-roll, the nearest frame to each
// moment, none twice. They count towards MaxFrames.
func (b *Burst) Pre(frames []Frame) []Frame {
	from := b.trigger.Add(-b.o.PreRoll)
	var picks []Frame
	next := 0 // the first frame not yet decided on
	for next < len(frames) && frames[next].At.Before(from) {
		next++
	}
	for n := range b.o.PreFrames {
		if b.sent >= b.o.MaxFrames {
			break
		}
		want := from.Add(b.o.PreRoll * time.Duration(n) / time.Duration(b.o.PreFrames))
		best := -1
		for i := next; i < len(frames) && frames[i].At.Before(b.trigger); i++ {
			if best >= 0 && distance(frames[i].At, want) >= distance(frames[best].At, want) {
				break
			}
			best = i
		}
		if best < 0 {
			break
		}
		picks = append(picks, frames[best])
		next = best + 1
		b.sent++
	}
	return picks
}

func distance(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

// Offer says whether the frame taken at that time is to be sent; every frame
// of the event is offered, in order. The schedule is a grid from the trigger
// on, and the frame nearest to each point of it is taken, so that a camera's
// jitter neither skips a point nor makes the schedule drift.
func (b *Burst) Offer(at time.Time) bool {
	if at.Before(b.trigger) || b.Done(at) {
		return false
	}
	early := time.Duration(0) // how much before its time a frame is still the nearest
	if !b.last.IsZero() {
		early = at.Sub(b.last) / 2
	}
	b.last = at
	if at.Before(b.due.Add(-early)) || b.after >= b.o.Frames && !b.going(at) {
		return false
	}
	b.sent++
	b.after++
	step := b.step(b.after)
	b.due = b.due.Add(step)
	if !b.due.After(at) { // the camera is slower than the schedule, or paused
		b.due = at.Add(step)
	}
	return true
}

// step is the time between frame n−1 and frame n after the trigger.
func (b *Burst) step(n int) time.Duration {
	if n < b.o.Frames {
		return b.o.Interval
	}
	return b.o.Every
}

// going reports whether motion or the post-roll lasts at that time.
func (b *Burst) going(at time.Time) bool {
	return b.ended.IsZero() || at.Before(b.ended.Add(b.o.PostRoll))
}

// End tells that motion is over; the post-roll begins. The zero time takes it
// back: motion goes on in the same event.
func (b *Burst) End(at time.Time) { b.ended = at }

// Sent returns how many frames were picked, the pre-roll's included.
func (b *Burst) Sent() int { return b.sent }

// Done reports whether the event is over at that time: its limits are reached,
// or motion and the post-roll are over and the frames owed have come (or do
// not come: a camera that has stopped does not hold up the event for long).
func (b *Burst) Done(at time.Time) bool {
	if b.sent >= b.o.MaxFrames || at.Sub(b.trigger) >= b.o.Longest {
		return true
	}
	owed := b.after < b.o.Frames &&
		at.Before(b.trigger.Add(time.Duration(b.o.Frames)*b.o.Interval+waitFrames))
	return !owed && !b.going(at)
}
