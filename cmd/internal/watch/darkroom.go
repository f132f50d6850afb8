package watch

import (
	"log/slog"
	"sync"
	"time"

	"pirwatch/capture"
	"pirwatch/publish"
)

// maxUndeveloped is how many pictures may wait in the darkroom. On a slow
// machine that stamps large pictures they could fill the memory otherwise; what
// is over it is given up, counted and told.
const maxUndeveloped = 24

// darkroom develops pictures and hands everything of an event to the outbox,
// in the order in which it was given, in a goroutine of its own.
type darkroom struct {
	camera string
	out    outbox
	album  album // may be nil
	log    *slog.Logger
	stats  *stats

	mu       sync.Mutex
	more     *sync.Cond
	jobs     []job
	pictures int            // among the jobs
	newest   *capture.Frame // for the live picture; only the newest counts
	dev      Developer
	closed   bool
	hurried  bool // pictures are given up: the stop cannot wait

	// What follows belongs to run's goroutine.
	cover  print  // the provisional one, then the best so far
	shown  string // the pic_id of the cover that was last published
	failed bool   // the last picture could not be developed
}

// job is a step of an event.
type job func()

// print is a developed picture.
type print struct {
	picID string
	taken time.Time
	jpeg  []byte
}

func newDarkroom(camera string, dev Developer, out outbox, a album, log *slog.Logger, s *stats) *darkroom {
	d := &darkroom{camera: camera, out: out, album: a, log: log, stats: s, dev: dev}
	d.more = sync.NewCond(&d.mu)
	return d
}

// run works until close, and through all that was given before.
func (d *darkroom) run() {
	for {
		d.mu.Lock()
		for len(d.jobs) == 0 && d.newest == nil && !d.closed {
			d.more.Wait()
		}
		var next job
		var live *capture.Frame
		switch {
		case len(d.jobs) > 0:
			next = d.jobs[0]
			d.jobs[0] = nil
			d.jobs = d.jobs[1:]
		case d.closed:
			d.mu.Unlock()
			return
		default:
			live, d.newest = d.newest, nil
		}
		d.mu.Unlock()
		if live != nil {
			if p, ok := d.develop(*live, ""); ok {
				d.out.Send("live", p.jpeg)
			}
			continue
		}
		next()
	}
}

// close lets run end once everything is handed over.
func (d *darkroom) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.more.Signal()
}

// hurry gives up the pictures that still wait, and keeps to the rest.
func (d *darkroom) hurry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hurried = true
	if d.pictures > 0 {
		d.log.Warn("pictures were given up at the stop: the machine is too slow for what is to be done to each", "pictures", d.pictures)
	}
}

// use changes how pictures are developed, from the next one on.
func (d *darkroom) use(dev Developer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dev = dev
}

func (d *darkroom) add(j job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs = append(d.jobs, j)
	d.more.Signal()
}

// live has the frame sent when nothing else is to be done.
func (d *darkroom) live(f capture.Frame) {
	f = f.Keep()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newest = &f
	d.more.Signal()
}

// open begins an event.
func (d *darkroom) open(e publish.Event) {
	d.add(func() {
		d.cover, d.shown = print{}, ""
		d.out.Open(e)
	})
}

// tell sends an event message.
func (d *darkroom) tell(kind string, e publish.Event, at time.Time) {
	d.add(func() { d.out.EventMessage(kind, e.ID, at, e.Trigger, e.Score) })
}

// provisional publishes the first cover.
func (d *darkroom) provisional(event string, t taken) {
	t.frame = t.frame.Keep()
	d.add(func() {
		if p, ok := d.develop(t.frame, t.picID); ok {
			d.cover = p
			d.show(event)
		}
	})
}

// show publishes the cover unless it is out already.
func (d *darkroom) show(event string) {
	if d.cover.picID != "" && d.cover.picID != d.shown {
		d.shown = d.cover.picID
		d.out.Cover(event, d.cover.taken, d.cover.jpeg)
	}
}

// picture develops a picture of the burst and hands it to the outbox and the
// album. It says nothing where it was given up: the count does.
func (d *darkroom) picture(event string, t taken) {
	t.frame = t.frame.Keep()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pictures >= maxUndeveloped {
		d.stats.skipped.Add(1)
		d.log.Warn("a picture was given up: the machine is too slow for what is to be done to each", "pic_id", t.picID)
		return
	}
	d.pictures++
	d.jobs = append(d.jobs, func() { d.hand(event, t) })
	d.more.Signal()
}

func (d *darkroom) hand(event string, t taken) {
	d.mu.Lock()
	d.pictures--
	hurried := d.hurried
	d.mu.Unlock()
	if hurried {
		d.stats.skipped.Add(1)
		return
	}
	p := d.cover // developed already, where it is the provisional cover
	if p.picID != t.picID {
		var ok bool
		if p, ok = d.develop(t.frame, t.picID); !ok {
			d.stats.skipped.Add(1)
			return
		}
	}
	if t.best {
		d.cover = p
	}
	// The album first: what a broker has acknowledged and lost can then be sent
	// again, even if this process was killed in between. It is not synced here, so
	// that a healthy disk takes hardly any time, and the cover is out already.
	d.keep(t, p.jpeg)
	d.out.Picture(publish.Picture{
		PicID: t.picID, EventID: event, Seq: t.seq, Taken: t.frame.At, Box: t.box, JPEG: p.jpeg, Cover: t.seq == 0,
	})
}

// keep puts a picture into the album, which tells of its disk itself.
func (d *darkroom) keep(t taken, jpeg []byte) {
	if d.album == nil {
		return
	}
	if err := d.album.SavePicture(d.camera, t.frame.At, t.picID, jpeg); err != nil {
		d.log.Debug("not archived", "pic_id", t.picID, "error", err)
	} else if t.box != nil {
		d.album.SaveBox(d.camera, t.picID, *t.box)
	}
}

// finish closes the event: the best cover replaces the provisional one.
func (d *darkroom) finish(e publish.Event) {
	d.add(func() {
		d.show(e.ID)
		e.Cover = d.cover.picID
		d.out.Close(e)
		d.cover = print{}
	})
}

// develop makes the JPEG. A frame that cannot be developed is told once, until
// one can again.
func (d *darkroom) develop(f capture.Frame, picID string) (print, bool) {
	d.mu.Lock()
	dev := d.dev
	d.mu.Unlock()
	jpeg, err := dev.Process(f, picID)
	if err != nil {
		if !d.failed {
			d.log.Warn("a picture could not be made", "pic_id", picID, "error", err)
		}
		d.failed = true
		return print{}, false
	}
	d.failed = false
	return print{picID: picID, taken: f.At, jpeg: jpeg}, true
}
