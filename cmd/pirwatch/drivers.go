package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/clip"
	"pirwatch/capture/lamp"
	"pirwatch/capture/netcam"
	"pirwatch/capture/rpicam"
	"pirwatch/capture/scene"
	"pirwatch/capture/v4l2"
	"pirwatch/configs"
	"pirwatch/motion/pir"
)

// newSource returns the configured camera, or nil where there is none.
func newSource(c *configs.Config, log *slog.Logger) (capture.Source, error) {
	if c.Camera.Driver == "off" {
		return nil, nil
	}
	if c.Camera.Driver == "rpicam" && c.Camera.RPiCam.Mode == "still" {
		return newStillCamera(c, log), nil
	}
	day, err := newDriver(c, c.Profiles.Day.CameraArgs, log)
	if err != nil {
		return nil, err
	}
	if c.Profiles.By == "off" || len(c.Profiles.Day.CameraArgs)+len(c.Profiles.Night.CameraArgs) == 0 {
		return day, nil
	}
	night, err := newDriver(c, c.Profiles.Night.CameraArgs, log)
	if err != nil {
		return nil, err
	}
	return &dayNight{day: day, night: night, turn: make(chan struct{}, 1)}, nil
}

// newDriver returns the driver by its name. args are the profile's further
// arguments for the Pi camera's program.
func newDriver(c *configs.Config, args []string, log *slog.Logger) (capture.Source, error) {
	switch c.Camera.Driver {
	case "rpicam":
		return rpicam.New(rpicamOptions(c, args), log), nil
	case "v4l2":
		return v4l2.New(v4l2Options(c), log), nil
	case "netcam":
		o, err := netcamOptions(c)
		if err != nil {
			return nil, err
		}
		return netcam.New(o, log)
	case "clip":
		return clip.New(c.Camera.Clip.Path, clip.Options{FPS: c.Camera.Clip.FPS, Loop: c.Camera.Clip.Loop}), nil
	case "scene":
		return scene.New(sceneOptions(c)), nil
	case "auto":
		return &autoCamera{
			pi: rpicam.New(rpicamOptions(c, args), log), piOptions: rpicamOptions(c, args),
			usb: v4l2.New(v4l2Options(c), log), log: log,
		}, nil
	}
	return nil, fmt.Errorf("camera.driver %q is unknown", c.Camera.Driver)
}

func rpicamOptions(c *configs.Config, args []string) rpicam.Options {
	r := c.Camera.RPiCam
	o := rpicam.Options{
		Program: r.Program, Camera: r.Index, Width: c.Camera.Width, Height: c.Camera.Height, FPS: c.Camera.FPS,
		Quality: r.Quality, Rotation: r.Rotation, HFlip: r.HFlip, VFlip: r.VFlip,
		Exposure: r.Exposure, Metering: r.Metering, EV: r.EV, Gain: r.Gain, Shutter: r.Shutter.Std(),
		AWB: r.AWB, Denoise: r.Denoise, TuningFile: r.TuningFile, Settle: r.Settle.Std(),
		Extra: append(append([]string(nil), r.ExtraArgs...), args...),
	}
	if r.Autofocus != "default" {
		o.Autofocus = r.Autofocus
	}
	o.FocusRange, o.LensPosition, o.HDR = r.FocusRange, r.LensPosition, r.HDR
	if o.Settle == 0 {
		o.Settle = -1 // zero means the driver's own default there
	}
	return o
}

func sceneOptions(c *configs.Config) scene.Options {
	wind := c.Camera.Scene.Wind
	if wind == 0 {
		wind = -1 // zero means the scene's own default there
	}
	return scene.Options{
		Width: c.Camera.Width, Height: c.Camera.Height, FPS: c.Camera.FPS,
		Seed: uint64(c.Camera.Scene.Seed), Day: c.Camera.Scene.DayLength.Std(), Every: c.Camera.Scene.VisitorEvery.Std(), Wind: wind,
	}
}

// autoCamera is whichever camera there is: the Pi's, else the first USB camera.
// It looks anew at each session, so that one plugged in later is found.
type autoCamera struct {
	pi        capture.Source
	piOptions rpicam.Options
	usb       capture.Source
	log       *slog.Logger
	told      string
}

func (a *autoCamera) Run(ctx context.Context, deliver func(capture.Frame)) error {
	look, cancel := context.WithTimeout(ctx, 10*time.Second)
	found, piErr := rpicam.List(look, a.piOptions)
	cancel()
	if piErr == nil && len(found) > 0 {
		a.tell("Pi camera", found[0])
		return a.pi.Run(ctx, deliver)
	}
	if cameras := usbCameras(); len(cameras) > 0 {
		a.tell("USB camera", fmt.Sprint(cameras[0]))
		return a.usb.Run(ctx, deliver)
	}
	return errNoCamera
}

var errNoCamera = errors.New("no camera found: connect a Pi camera (and install rpicam-apps-lite) or a USB camera, or set [camera] driver to netcam, or to off to watch with the sensor alone")

func (a *autoCamera) tell(kind, name string) {
	if a.told != name {
		a.told = name
		a.log.Info("camera found", "kind", kind, "camera", name)
	}
}

// dayNight is one of two sources, by the profile.
type dayNight struct {
	day, night capture.Source
	dark       atomic.Bool
	turn       chan struct{}
}

// Turn changes the profile; the running session ends and the other begins.
func (d *dayNight) Turn(night bool) {
	if d.dark.Swap(night) != night {
		select {
		case d.turn <- struct{}{}:
		default:
		}
	}
}

func (d *dayNight) Run(ctx context.Context, deliver func(capture.Frame)) error {
	for ctx.Err() == nil {
		select {
		case <-d.turn: // what is read now is newer
		default:
		}
		source := d.day
		if d.dark.Load() {
			source = d.night
		}
		turned, err := d.session(ctx, source, deliver)
		if !turned {
			return err
		}
	}
	return ctx.Err()
}

// session runs one source until it ends or the profile changes.
func (d *dayNight) session(ctx context.Context, source capture.Source, deliver func(capture.Frame)) (turned bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	watching := make(chan bool, 1)
	go func() {
		select {
		case <-d.turn:
			cancel()
			watching <- true
		case <-ctx.Done():
			watching <- false
		}
	}()
	err = source.Run(ctx, deliver)
	cancel()
	return <-watching, err
}

// stillCamera opens the Pi camera only while an event lasts, for batteries.
type stillCamera struct {
	still    *rpicam.Still
	frames   int
	interval time.Duration
	log      *slog.Logger
	wanted   chan struct{}
}

func newStillCamera(c *configs.Config, log *slog.Logger) *stillCamera {
	return &stillCamera{
		still: rpicam.NewStill(rpicamOptions(c, nil), log), frames: c.Burst.Frames, interval: c.Burst.Interval.Std(),
		log: log, wanted: make(chan struct{}, 1),
	}
}

// Idle says that its pictures are not waited for: most of the time none is
// wanted, and Shoot has a limit of its own.
func (s *stillCamera) Idle() bool { return true }

// Shoot asks for one event's pictures.
func (s *stillCamera) Shoot() {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

func (s *stillCamera) Run(ctx context.Context, deliver func(capture.Frame)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wanted:
		}
		if err := s.still.Shoot(ctx, s.frames, s.interval, deliver); err != nil {
			return err
		}
	}
}

// newSensor returns the configured sensor, or nil where there is none.
func newSensor(c *configs.Config, log *slog.Logger) *pir.Sensor {
	if c.Sensor.Driver == "off" {
		return nil
	}
	return pir.New(sensorOptions(c), log)
}

func sensorOptions(c *configs.Config) pir.Options {
	o := pir.Defaults()
	s := c.Sensor
	o.Driver, o.Chip, o.Line, o.ActiveLow, o.Pull = s.Driver, s.Chip, s.Line, s.ActiveLow, s.Pull
	o.Debounce, o.WarmUp, o.StuckAfter = s.Debounce.Std(), s.WarmUp.Std(), s.StuckAfter.Std()
	o.ChatterPerMinute = s.Chatter
	return o
}

// newLamp opens the configured output. One that cannot be had now must not keep
// the camera from watching: it is asked for again each time it is to change.
func newLamp(c *configs.Config, log *slog.Logger) *lamp.Lamp {
	if c.Lamp.Mode == "off" {
		return nil
	}
	chip, err := pir.FindChip(c.Lamp.Chip)
	var l *lamp.Lamp
	if err == nil {
		l, err = lamp.Open(lamp.Options{Chip: chip, Line: c.Lamp.Line, ActiveLow: c.Lamp.ActiveLow})
	}
	if err != nil {
		log.Error("the lamp stays dark", "error", err)
	}
	return l
}

// sceneSensor is the scene's simulated PIR, speaking as a real one does.
type sceneSensor struct{ s *scene.Sensor }

func (p sceneSensor) Run(ctx context.Context, deliver func(pir.Level)) error {
	return p.s.Run(ctx, func(at time.Time, high bool) { deliver(pir.Level{At: at, High: high}) })
}
