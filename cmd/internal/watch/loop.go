// Package watch is the loop that joins sensor, camera and broker: what the
// sensor and the frames show goes to the motion machine, and what it makes of
// that goes to the broker as states, events and pictures.
//
// One goroutine, Run's, owns all state; the camera, the sensor and the broker
// speak to it through channels. Pictures are developed (resized, masked,
// stamped) and handed over by a second one, the darkroom, so that a trigger
// never waits for a picture.
package watch

import (
	"context"
	"fmt"
	"image"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/control"
	"pirwatch/cmd/internal/schedule"
	"pirwatch/motion"
	"pirwatch/motion/frames"
	"pirwatch/motion/pir"
	"pirwatch/publish"
)

// camera delivers frames until its context ends.
type camera interface {
	Run(ctx context.Context, deliver func(capture.Frame)) error
}

// sensor delivers the PIR's level, first what it is, then what it becomes.
type sensor interface {
	Run(ctx context.Context, deliver func(pir.Level)) error
}

// Detector compares frames.
type Detector interface {
	Observe(at time.Time, luma *image.Gray) frames.Decision
}

// Developer makes of a frame the JPEG that leaves the process.
type Developer interface {
	Process(f capture.Frame, picID string) ([]byte, error)
}

// outbox takes what goes to the broker. None of its methods waits for the network.
type outbox interface {
	State(name string, payload []byte)
	Send(name string, payload []byte)
	EventMessage(kind, eventID string, at time.Time, trigger string, score *float64)
	Open(publish.Event)
	Picture(publish.Picture)
	Cover(eventID string, taken time.Time, jpeg []byte)
	Close(publish.Event)
}

// album keeps pictures on this machine.
type album interface {
	SavePicture(camera string, taken time.Time, picID string, jpeg []byte) error
	SaveBox(camera, picID string, box [4]float64)
}

// lamp is a GPIO output.
type lamp interface{ Set(on bool) error }

// Options are the owner's settings that do not change while the loop runs.
type Options struct {
	Camera      string // its name on the wire
	Motion      motion.Options
	Burst       capture.BurstOptions
	RingBytes   int // of the pre-roll
	RingTime    time.Duration
	DetectorFPS float64       // the most frames a second that are compared
	Live        time.Duration // between live pictures; 0 = none
	Schedule    schedule.Schedule
	Zone        *time.Location // the owner's, for the schedule
	Daylight    Daylight
	Lamp        string // what the lamp shows: "night", "event", "status"
}

// Parts are what the loop joins. Camera, Sensor, Album and Lamp may be nil.
type Parts struct {
	Camera   camera
	Sensor   sensor
	Outbox   outbox
	Album    album
	Lamp     lamp
	Settings *control.Store

	// NewDetector and NewDeveloper are called at the start and again when the
	// settings change.
	NewDetector  func(sensitivity int, masks control.Masks) (Detector, error)
	NewDeveloper func(masks control.Masks, night bool) (Developer, error)
	// OnNight, if set, is told when day or night begins. It must not wait.
	OnNight func(night bool)
	// OnEvent, if set, is told when an event starts: for a camera that is closed
	// until then. It must not wait.
	OnEvent func()
	// NewEventID mints the id of an event.
	NewEventID func(at time.Time) string
}

// Loop joins the parts.
type Loop struct {
	o     Options
	p     Parts
	log   *slog.Logger
	clock func() time.Time
	begun time.Time

	frames   chan capture.Frame
	levels   chan pir.Level
	commands chan func()
	dark     *darkroom
	stats    stats

	// What follows belongs to Run's goroutine.
	machine   *motion.Machine
	ring      *capture.Ring
	luma      luma
	detector  Detector
	tuned     int       // the sensitivity it was made with
	at        time.Time // the newest moment the machine has heard of
	looks     pace      // of comparing frames
	glances   pace      // of measuring the brightness, where frames are not compared
	event     *event    // open, or ended and still owed pictures
	last      string    // the id of the newest event
	settings  control.Settings
	day       daylight
	planned   time.Time // when the schedule was last looked at
	tuneUntil time.Time
	refusals  struct {
		since time.Time
		lines int
	}
	scores  pace // of telling the score
	lives   pace // of live pictures
	lampErr string
}

// Stats is what health tells of the loop; all counts are since the start.
type Stats struct {
	Events     uint64
	Suppressed uint64 // triggers that the cool-down swallowed
	Skipped    uint64 // pictures given up because developing them took too long, or failed
	Rejected   uint64 // commands that were refused
	Motion     bool
	Night      bool
	LastEvent  string // its id
}

type stats struct {
	events, suppressed, skipped, rejected atomic.Uint64
	motion, night                         atomic.Bool
	beat                                  atomic.Int64 // when the loop last turned, in ns since begun
	last                                  atomic.Pointer[string]
}

// New prepares a loop; a detector or developer that cannot be made is an error.
func New(o Options, p Parts, log *slog.Logger) (*Loop, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Loop{
		o: o, p: p, log: log, clock: time.Now, begun: time.Now(),
		frames:   make(chan capture.Frame, 4),
		levels:   make(chan pir.Level, 16),
		commands: make(chan func(), 64),
		machine:  motion.New(o.Motion),
		ring:     capture.NewRing(o.RingBytes, o.RingTime),
		settings: p.Settings.Settings(),
		day:      daylight{o: o.Daylight},
	}
	if l.day.bySun(l.clock()) { // it is night already: nothing is to begin as by day
		l.stats.night.Store(true)
		log.Info("profile", "now", "night")
		if p.OnNight != nil {
			p.OnNight(true)
		}
	}
	var err error
	l.tuned = l.sensitivity()
	if l.detector, err = p.NewDetector(l.tuned, l.settings.Masks); err != nil {
		return nil, fmt.Errorf("detector: %w", err)
	}
	dev, err := p.NewDeveloper(l.settings.Masks, l.day.night)
	if err != nil {
		return nil, fmt.Errorf("pictures: %w", err)
	}
	l.dark = newDarkroom(o.Camera, dev, p.Outbox, p.Album, log, &l.stats)
	return l, nil
}

// Stats may be called at any time.
func (l *Loop) Stats() Stats {
	s := Stats{
		Events: l.stats.events.Load(), Suppressed: l.stats.suppressed.Load(), Skipped: l.stats.skipped.Load(),
		Rejected: l.stats.rejected.Load(), Motion: l.stats.motion.Load(), Night: l.stats.night.Load(),
	}
	if id := l.stats.last.Load(); id != nil {
		s.LastEvent = *id
	}
	return s
}

// Moving says whether the loop turns: what systemd's watchdog asks.
func (l *Loop) Moving() bool {
	return time.Since(l.begun)-time.Duration(l.stats.beat.Load()) < stuckAfter
}

// stuckAfter is far more than the loop ever needs for one turn.
const stuckAfter = 20 * time.Second

// Run watches until ctx ends; then the burst is ended, what was taken is handed
// over, and `motion OFF` is told, in that order.
func (l *Loop) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	defer parts.Wait()
	owner := ctx
	ctx, cancel := context.WithCancelCause(owner)
	defer cancel(nil)
	if l.p.Camera != nil {
		parts.Go(func() {
			if err := l.p.Camera.Run(ctx, func(f capture.Frame) { send(ctx, l.frames, f) }); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("camera: %w", err))
			}
		})
	}
	if l.p.Sensor != nil {
		parts.Go(func() {
			if err := l.p.Sensor.Run(ctx, func(v pir.Level) { send(ctx, l.levels, v) }); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("sensor: %w", err))
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); l.dark.run() }()

	l.begin()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.stats.beat.Store(int64(time.Since(l.begun)))
		timer.Reset(l.wait())
		select {
		case <-ctx.Done():
		case f := <-l.frames:
			l.frame(f)
		case v := <-l.levels:
			l.apply(l.machine.PIR(l.moment(v.At), v.High))
		case c := <-l.commands:
			c()
		case <-timer.C:
			l.apply(l.machine.Tick(l.moment(l.clock())))
		}
		l.pending()
		l.daily()
	}

	l.apply(l.machine.Stop(l.moment(l.clock())))
	l.finish()
	l.dark.close()
	hurry := time.AfterFunc(developFor, l.dark.hurry)
	<-done
	hurry.Stop()
	if owner.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// developFor is how long a stop waits for pictures that are not developed yet:
// the service manager's patience ends, and what is queued has to be kept first.
const developFor = 4 * time.Second

func send[T any](ctx context.Context, to chan<- T, v T) {
	select {
	case to <- v:
	case <-ctx.Done():
	}
}

// begin tells what is true at the start: whoever thought that something moves
// is put right.
func (l *Loop) begin() {
	l.p.Outbox.State("motion", control.OnOff(false))
	l.applySchedule()
	l.tellSettings()
	if err := l.unable(motion.Mode(l.settings.Trigger)); err != nil {
		l.log.Warn("no event can start", "trigger", l.settings.Trigger, "error", err)
	}
	l.machine.SetMode(motion.Mode(l.settings.Trigger))
	l.machine.SetCooldown(l.moment(l.clock()), l.settings.Cooldown)
	l.apply(l.machine.Arm(l.moment(l.clock()), l.settings.Armed))
	l.showLamp()
}

// moment keeps the machine's time from running backwards: a frame is delivered
// some time after it was taken, and an edge may come in between. Nor may a frame
// from the future, by a driver's wrong clock, make it stand still.
func (l *Loop) moment(at time.Time) time.Time {
	if now := l.clock(); at.After(now) {
		at = now
	}
	if at.Before(l.at) {
		return l.at
	}
	l.at = at
	return at
}

// wait is how long nothing has to be done, at most a second.
func (l *Loop) wait() time.Duration {
	wait := time.Second
	if next, ok := l.machine.Next(); ok {
		wait = min(wait, next.Sub(l.clock()))
	}
	if l.event != nil && l.event.waiting {
		wait = min(wait, l.event.began.Add(firstFrame).Sub(l.clock()))
	}
	return max(wait, 0)
}

// frame takes one frame from the camera: into the pre-roll, past the detector,
// and into the burst.
func (l *Loop) frame(f capture.Frame) {
	l.ring.Add(f)
	var seen *sight
	if l.comparing() && l.looks.due(f.At, time.Duration(float64(time.Second)/l.o.DetectorFPS)) {
		seen = l.compare(f)
	} else {
		l.apply(l.machine.Tick(l.moment(f.At)))
		l.glance(f)
	}
	l.shoot(f, seen)
	l.live(f)
}

// compare lets the machine know what moves in the frame.
func (l *Loop) compare(f capture.Frame) *sight {
	seen := l.look(f)
	l.apply(l.machine.Frames(l.moment(f.At), seen.Motion))
	if l.event != nil && l.event.ended.IsZero() {
		l.event.note(seen)
	}
	return seen
}

// comparing says whether frames have to be compared: in mode pir only for who
// watches the score.
func (l *Loop) comparing() bool {
	return motion.Mode(l.settings.Trigger) != motion.PIROnly || l.clock().Before(l.tuneUntil)
}

// sight is what the detector made of a frame.
type sight struct {
	frames.Decision
	sharpness float64
}

// look compares a frame with what the detector knows. A picture that cannot be
// read shows nothing; the camera's keeper tells of damaged ones.
func (l *Loop) look(f capture.Frame) *sight {
	plane, err := l.luma.of(f)
	if err != nil {
		l.log.Debug("a frame could not be compared", "error", err)
		return &sight{}
	}
	l.brightness(f.At, plane)
	s := &sight{Decision: l.detector.Observe(f.At, plane)}
	s.Motion = s.Motion && s.Ready
	if l.event != nil || s.Motion {
		s.sharpness = capture.Sharpness(plane, s.Box)
	}
	l.score(f.At, s.Decision)
	return s
}

// live sends the newest frame to whoever looks.
func (l *Loop) live(f capture.Frame) {
	if l.o.Live > 0 && l.lives.due(f.At, l.o.Live) {
		l.dark.live(f)
	}
}

// pace thins out frames to a rate that holds on average, whatever the camera's.
type pace struct{ next time.Time }

// due says whether the frame of that time is one of those to take. One that is
// a little early is on time: frames do not fall on the grid.
func (p *pace) due(at time.Time, every time.Duration) bool {
	if at.Add(every / 10).Before(p.next) {
		return false
	}
	p.next = p.next.Add(every)
	if !p.next.After(at) {
		p.next = at.Add(every)
	}
	return true
}
