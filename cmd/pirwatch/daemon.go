package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"pirwatch/capture"
	"pirwatch/capture/lamp"
	"pirwatch/capture/picture"
	"pirwatch/cmd/internal/control"
	"pirwatch/cmd/internal/status"
	"pirwatch/cmd/internal/watch"
	"pirwatch/configs"
	"pirwatch/motion/pir"
	"pirwatch/publish"
	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
	"pirwatch/receive/archive"
	"pirwatch/receive/view"
)

// levels is a PIR sensor, real or drawn.
type levels interface {
	Run(ctx context.Context, deliver func(pir.Level)) error
}

// equipment is what stands in the place of configured parts, in the demo.
type equipment struct {
	source capture.Source // instead of [camera]
	sensor levels         // instead of [sensor]
	broker *mqtt.Options  // instead of [broker]
	page   *view.Options  // instead of [view]
}

// daemon is everything that runs for one configuration.
type daemon struct {
	config *configs.Config
	log    *slog.Logger
	began  time.Time
	clock  *status.Clock

	source    capture.Source
	camera    *capture.Camera
	sensor    levels
	pir       *pir.Sensor // the sensor, where it is a real one
	lamp      *lamp.Lamp
	link      mqtt.Options
	queue     *queue.Queue
	publisher *publish.Publisher
	album     *archive.Archive
	loop      *watch.Loop
	page      *view.Server
	health    *status.Reporter
	numbers   *status.Server
	home      *home
}

// newDaemon makes all parts; nothing runs and nothing is sent yet.
func newDaemon(c *configs.Config, e equipment, log *slog.Logger) (_ *daemon, err error) {
	d := &daemon{config: c, log: log, began: time.Now(), clock: status.NewClock()}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.source = e.source; d.source == nil {
		if d.source, err = newSource(c, log); err != nil {
			return nil, err
		}
	}
	if d.source != nil {
		d.camera = capture.NewCamera(d.source, cameraOptions(c, d.changed), log)
	}
	if d.sensor = e.sensor; d.sensor == nil {
		if d.pir = newSensor(c, log); d.pir != nil {
			d.sensor = d.pir
		}
	}
	d.lamp = newLamp(c, log)
	if e.broker != nil {
		d.link = *e.broker
	} else if d.link, err = linkOptions(c); err != nil {
		return nil, err
	}
	if c.Archive.On {
		d.album, err = archive.Open(c.ArchiveDir(), archiveOptions(c), log)
		if err != nil {
			// A camera that cannot keep its pictures can still send them.
			log.Error("nothing is archived", "error", err)
			d.album, err = nil, nil
		}
	}
	if d.queue, err = openQueue(c, log); err != nil {
		return nil, err
	}
	settings, err := openSettings(c, log)
	if err != nil {
		return nil, err
	}
	d.home = newHome(c, d.sensor != nil, d.source != nil)
	if err := d.newPublisher(); err != nil {
		return nil, err
	}
	if err := d.newLoop(settings); err != nil {
		return nil, err
	}
	d.home.announce, d.home.repeat = d.publisher.Retain, func() { d.publisher.Repeat(d.home.camera.Topic()) }
	d.health = status.NewReporter(c.Health.Interval.Std(), d.collect, func(payload []byte) { d.publisher.State("health", payload) })
	d.numbers = d.metrics()
	if err := d.newPage(e.page); err != nil {
		return nil, err
	}
	return d, nil
}

func cameraOptions(c *configs.Config, changed func(capture.Health)) capture.CameraOptions {
	o := capture.CameraOptions{
		Start: c.Camera.StartWithin.Std(), Stall: c.Camera.StallAfter.Std(), Frozen: c.Camera.FrozenAfter.Std(),
		MinRetry: c.Camera.RetryFirst.Std(), MaxRetry: c.Camera.RetryLongest.Std(), OnHealth: changed,
	}
	if o.Frozen == 0 || c.Camera.Driver == "clip" { // a clip may show one picture for long
		o.Frozen = -1
	}
	return o
}

// archiveOptions leaves an archive of the default size its own bound: a tenth
// of a disk that has little free.
func archiveOptions(c *configs.Config) archive.Options {
	o := archive.Options{MaxBytes: c.Archive.MaxBytes.Bytes(), MaxAge: c.Archive.MaxAge.Std(), MinFree: none(c.Archive.MinFree.Bytes())}
	if c.Archive.MaxBytes == configs.Default().Archive.MaxBytes {
		o.MaxBytes = 0
	}
	return o
}

func openQueue(c *configs.Config, log *slog.Logger) (*queue.Queue, error) {
	o := queue.Options{
		Dir: c.QueueDir(), RAMBytes: c.Queue.RAM.Bytes(), DiskBytes: c.Queue.Disk.Bytes(),
		Spool: c.Queue.Spool, Deadline: c.Queue.Deadline.Std(),
	}
	if o.DiskBytes == 0 {
		o.Dir = ""
	}
	return queue.Open(o, log)
}

// configured are the settings that MQTT can change, as the file has them.
func configured(c *configs.Config) control.Settings {
	polygons := func(in []configs.Polygon) (out []control.Polygon) {
		for _, p := range in {
			out = append(out, control.Polygon(p))
		}
		return out
	}
	return control.Settings{
		Armed: c.Motion.Armed, Trigger: c.Motion.Trigger, Cooldown: c.Motion.Cooldown.Std().Round(time.Second),
		Sensitivity: c.Motion.Sensitivity,
		Masks: control.Masks{
			Ignore: polygons(c.Masks.Ignore), Watch: polygons(c.Masks.Watch), Privacy: polygons(c.Masks.Privacy),
		},
	}
}

// openSettings reads what was set over MQTT. A file that makes no sense is told
// and does not keep the camera from watching.
func openSettings(c *configs.Config, log *slog.Logger) (*control.Store, error) {
	store, err := control.Open(filepath.Join(c.State(), "settings.json"), configured(c))
	if err != nil {
		log.Warn("settings", "error", err)
	}
	return store, nil
}

func (d *daemon) newPublisher() error {
	c := d.config
	limits, err := publish.BrokerLimits(c.Broker.Profile)
	if err != nil {
		return err
	}
	if c.Broker.MaxPacket > 0 {
		limits.Packet = int(c.Broker.MaxPacket)
	}
	envelope, err := envelopeOf(c)
	if err != nil {
		return err
	}
	o := publish.Options{
		Base: c.Topics.Base, Camera: c.CameraName(), ClientID: d.link.ClientID,
		Wire: publish.Wire(c.Wire.Profile), ChunkSize: c.Wire.ChunkSize, Envelope: envelope,
		Base64: c.Wire.Base64, DataURI: c.Wire.DataURI,
		Limits: limits, Window: c.Pace.Window, PiecesPerSec: c.Pace.PiecesPerSecond, PieceBurst: c.Pace.Burst,
		BytesPerSecond: int(c.Pace.BytesPerSecond), RecentBytes: max(int(c.Queue.Recent), 1),
		Backoff: publish.Backoff{
			First: c.Backoff.First.Std(), Longest: c.Backoff.Longest.Std(), Factor: c.Backoff.Factor,
			Stable: max(c.Backoff.StableAfter.Std(), 1), Refused: c.Backoff.Refused.Std(),
		},
		Clock: bootClock{d.clock}, Shrink: picture.Shrink, LongestEvent: c.Motion.LongestEvent.Std(),
		OnCommand: func(name string, payload []byte, retained bool) { d.loop.Command(name, payload, retained) },
		OnMessage: d.home.messages(),
		OnChange: func() {
			if d.health != nil {
				d.health.Changed()
			}
		},
	}
	if d.album != nil {
		camera := o.Camera
		o.Lookup = func(picID string) ([]byte, time.Time, bool) {
			jpeg, taken, err := d.album.Find(camera, picID)
			return jpeg, taken, err == nil
		}
		o.Archived = func(from, to time.Time, most int) []publish.ArchivedEvent {
			events, err := d.album.Events(camera, from, to, most)
			if err != nil {
				d.log.Debug("not read from the archive", "error", err)
			}
			return archived(events)
		}
		o.OnSummary = func(eventID string, started time.Time, summary []byte) {
			if err := d.album.SaveSummary(camera, started, eventID, summary); err != nil {
				d.log.Debug("not archived", "event_id", eventID, "error", err)
			}
		}
	}
	dial := publish.Broker(d.link)
	if d.link.URL == "" {
		dial = func(ctx context.Context, _ mqtt.Will, _ func(mqtt.Message)) (publish.Link, error) {
			<-ctx.Done() // the owner was told at the start what to do
			return nil, ctx.Err()
		}
	}
	d.publisher = publish.New(o, d.queue, dial, d.log)
	return nil
}

// archived are the archive's events as the publisher wants them.
func archived(events []archive.Event) (out []publish.ArchivedEvent) {
	for _, e := range events {
		a := publish.ArchivedEvent{ID: e.ID, StartedAt: e.StartedAt, Summary: e.Summary}
		for _, p := range e.Pictures {
			a.PicIDs = append(a.PicIDs, p.ID)
		}
		out = append(out, a)
	}
	return out
}

var errNoBroker = errors.New("no broker is configured: set [broker] url in the configuration, or run \"pirwatch setup\"")

// bootClock is the machine's clock as the publisher wants it.
type bootClock struct{ *status.Clock }

func (c bootClock) SinceBoot() time.Duration { return c.Now().Since }

func (d *daemon) newLoop(settings *control.Store) error {
	c := d.config
	o, err := loopOptions(c)
	if err != nil {
		return err
	}
	parts := watch.Parts{
		Outbox: d.publisher, Settings: settings,
		NewDetector: func(sensitivity int, masks control.Masks) (watch.Detector, error) {
			return newDetector(c, sensitivity, masks)
		},
		NewDeveloper: func(masks control.Masks, night bool) (watch.Developer, error) {
			return newDeveloper(c, o.Zone, masks, night)
		},
		NewEventID: func(at time.Time) string {
			return ulid.MustNew(ulid.Timestamp(at), rand.Reader).String()
		},
	}
	// A nil pointer in an interface would not be nil: hence one by one.
	if d.camera != nil {
		parts.Camera = d.camera
	}
	if d.sensor != nil {
		parts.Sensor = d.sensor
	}
	if d.album != nil {
		parts.Album = d.album
	}
	if d.lamp != nil {
		parts.Lamp = d.lamp
	}
	if turning, ok := d.source.(*dayNight); ok {
		parts.OnNight = turning.Turn
	}
	if still, ok := d.source.(*stillCamera); ok {
		parts.OnEvent = still.Shoot
	}
	d.loop, err = watch.New(o, parts, d.log)
	return err
}

func (d *daemon) newPage(page *view.Options) error {
	c := d.config
	var o view.Options
	switch {
	case page != nil:
		o = *page
	case c.View.Listen == "":
		return nil
	default:
		password, err := c.ViewPassword()
		if err != nil {
			return err
		}
		o = view.Options{Listen: c.View.Listen, Token: password, CertFile: c.View.CertFile, KeyFile: c.View.KeyFile}
	}
	o.Base, o.Version = c.Topics.Base, versionText()
	link := d.link
	if link.TLS != nil {
		// Whoever uses the page logs in to the broker by himself: with the camera's
		// certificate he might pass for the camera.
		link.TLS = link.TLS.Clone()
		link.TLS.Certificates = nil
	}
	o.Dial = func(ctx context.Context) (net.Conn, error) { return mqtt.Open(ctx, link) }
	if d.album != nil {
		o.Archive = d.album
	}
	var err error
	if d.page, err = view.New(o, d.log); err != nil && page == nil {
		// The page is not what the camera hangs there for.
		d.log.Error("the page is not served", "error", err)
		d.page, err = nil, nil
	}
	return err
}

// Run runs all parts until ctx ends or one of them fails. They end in the order
// of the data: first the loop, so that nothing new comes; then the publisher,
// which delivers for a few seconds; then the queue, which keeps what is left.
func (d *daemon) Run(ctx context.Context) error {
	defer d.close()
	owner := ctx
	ctx, fail := context.WithCancelCause(owner)
	defer fail(nil)
	downstream := context.WithoutCancel(ctx)
	queueCtx, stopQueue := context.WithCancel(downstream)
	sendCtx, stopSending := context.WithCancel(downstream)
	sideCtx, stopSide := context.WithCancel(downstream)
	defer stopQueue()
	defer stopSending()
	defer stopSide()

	var queueing, sending, side sync.WaitGroup
	run := func(group *sync.WaitGroup, ctx context.Context, name string, part func(context.Context) error) {
		group.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	run(&queueing, queueCtx, "queue", d.queue.Run)
	run(&sending, sendCtx, "publisher", d.publisher.Run)
	// Without the following the camera does its work all the same.
	beside := func(name string, part func(context.Context) error) {
		side.Go(func() {
			if err := part(sideCtx); err != nil && sideCtx.Err() == nil {
				d.log.Error("the camera goes on without its "+name, "error", err)
			}
		})
	}
	if d.album != nil {
		beside("archive's upkeep", d.album.Run)
	}
	if d.page != nil {
		beside("page", d.page.Run)
	}
	beside("health", d.health.Run)
	beside("news for Home Assistant", d.home.Run)
	beside("metrics", d.numbers.Run)

	err := d.loop.Run(ctx)
	stopSending()
	sending.Wait()
	stopQueue()
	queueing.Wait()
	stopSide()
	side.Wait()
	if err == nil && owner.Err() == nil {
		err = context.Cause(ctx)
	}
	return err
}

// close gives back what newDaemon opened.
func (d *daemon) close() {
	if d.album != nil {
		d.album.Close()
	}
	if d.lamp != nil {
		d.lamp.Close()
	}
	if d.queue != nil {
		d.queue.Close()
	}
}
