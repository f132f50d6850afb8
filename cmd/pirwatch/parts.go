package main

import (
	"fmt"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/picture"
	"pirwatch/cmd/internal/control"
	"pirwatch/cmd/internal/schedule"
	"pirwatch/cmd/internal/setup"
	"pirwatch/cmd/internal/watch"
	"pirwatch/configs"
	"pirwatch/motion"
	"pirwatch/motion/frames"
	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
)

// loopOptions translates the configuration for the loop.
func loopOptions(c *configs.Config) (watch.Options, error) {
	zone, err := zoneOf(c)
	if err != nil {
		return watch.Options{}, err
	}
	sun := schedule.Sun{Latitude: c.Place.Latitude, Longitude: c.Place.Longitude}
	return watch.Options{
		Camera: c.CameraName(),
		Motion: motion.Options{
			Mode: motion.Mode(c.Motion.Trigger), HoldOff: c.Motion.HoldOff.Std(), BothWindow: c.Motion.BothWindow.Std(),
			Longest: c.Motion.LongestEvent.Std(), Cooldown: c.Motion.Cooldown.Std(),
			CooldownMax: c.Motion.CooldownMax.Std(), Quiet: c.Motion.Quiet.Std(),
		},
		Burst:       burstOptions(c),
		RingBytes:   int(c.Burst.Ring),
		RingTime:    c.Burst.PreRoll.Std(),
		DetectorFPS: c.Camera.DetectorFPS,
		Live:        c.Live.Interval.Std(),
		Schedule:    scheduleOf(c, sun),
		Zone:        zone,
		Daylight: watch.Daylight{
			By: c.Profiles.By, Sun: sun, Dark: c.Profiles.DarkBelow, Bright: c.Profiles.BrightAbove, Hold: c.Profiles.Hold.Std(),
			NightLamp: c.Lamp.Mode == "night", Day: c.Profiles.Day.Sensitivity, Night: c.Profiles.Night.Sensitivity,
		},
		Lamp: c.Lamp.Mode,
	}, nil
}

// burstOptions: where the file says 0 it means none, which is negative there.
func burstOptions(c *configs.Config) capture.BurstOptions {
	b := c.Burst
	o := capture.BurstOptions{
		Frames: b.Frames, Interval: none(b.Interval.Std()), Every: none(b.Every.Std()),
		PreRoll: none(b.PreRoll.Std()), PreFrames: none(b.PreRollFrames), PostRoll: b.PostRoll.Std(),
		MaxFrames: b.MostPictures, Longest: c.Motion.LongestEvent.Std() + time.Minute, // the motion machine turns events
	}
	if b.Every == 0 {
		o.Every = 24 * time.Hour
	}
	return o
}

// none is what 0 in the file becomes where 0 means a default.
func none[T int | int64 | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

func zoneOf(c *configs.Config) (*time.Location, error) {
	if c.Place.TimeZone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(c.Place.TimeZone)
	if err != nil {
		return nil, configs.Problem{At: c.Where("place.time_zone"), Key: "place.time_zone",
			Text: fmt.Sprintf("%q is not known on this machine: %v; write a name such as \"Europe/Berlin\", and install tzdata", c.Place.TimeZone, err)}
	}
	return zone, nil
}

func scheduleOf(c *configs.Config, sun schedule.Sun) schedule.Schedule {
	s := schedule.Schedule{Sun: sun}
	for _, span := range c.Schedule.Armed {
		s.Spans = append(s.Spans, schedule.Span{
			Days: span.Days,
			From: schedule.Moment{Sun: span.From.Sun, Offset: span.From.Offset},
			To:   schedule.Moment{Sun: span.To.Sun, Offset: span.To.Offset},
		})
	}
	return s
}

// newDetector makes the frame detector.
func newDetector(c *configs.Config, sensitivity int, masks control.Masks) (*frames.Detector, error) {
	return frames.New(detectorOptions(c, sensitivity, masks))
}

func detectorOptions(c *configs.Config, sensitivity int, masks control.Masks) frames.Options {
	o := frames.Defaults()
	o.Sensitivity = sensitivity
	o.Watch, o.Ignore = polygons(masks.Watch), polygons(masks.Ignore)
	if c.Motion.MinSize > 0 {
		o.MinSize = c.Motion.MinSize
	}
	d, fine := c.Detector, &o.Fine
	for _, v := range []struct {
		set configs.Duration
		to  *time.Duration
	}{{d.Learn, &fine.Learn}, {d.Background, &fine.Background}, {d.Still, &fine.Still}, {d.Hold, &fine.Hold}} {
		if v.set > 0 { // 0 leaves the detector its own
			*v.to = v.set.Std()
		}
	}
	for _, v := range []struct {
		set float64
		to  *float64
	}{
		{d.Floor, &fine.Floor}, {d.Noise, &fine.Noise}, {d.Shake, &fine.Shake}, {d.Trust, &fine.Trust},
		{d.Evidence, &fine.Evidence}, {d.Caution, &fine.Caution}, {d.Travel, &fine.Travel}, {d.Clutter, &fine.Clutter},
		{d.Crowd, &fine.Crowd}, {d.Flat, &fine.Flat}, {d.Outline, &fine.Outline}, {d.Scene, &fine.Scene}, {d.Switch, &fine.Switch},
	} {
		if v.set > 0 {
			*v.to = v.set
		}
	}
	return o
}

func polygons(in []control.Polygon) [][][2]float64 {
	out := make([][][2]float64, len(in))
	for i, p := range in {
		out[i] = p
	}
	return out
}

// newDeveloper makes what turns frames into the pictures that leave.
func newDeveloper(c *configs.Config, zone *time.Location, masks control.Masks, night bool) (*picture.Processor, error) {
	p := c.Picture
	o := picture.Options{
		Width: p.Resize.Width, Height: p.Resize.Height, Quality: p.Quality, MaxBytes: int(p.MaxBytes),
		Privacy: polygons(masks.Privacy), Camera: c.CameraName(), EXIF: p.EXIF, Location: zone,
	}
	profile := c.Profiles.Day
	if night {
		profile = c.Profiles.Night
	}
	if c.Profiles.By != "off" && profile.Quality > 0 {
		o.Quality = profile.Quality
	}
	if p.Overlay.Text != "" {
		o.Overlay = &picture.Overlay{Template: p.Overlay.Text, Location: zone, Position: p.Overlay.Position}
	}
	if p.GPS {
		o.GPS = &picture.GPS{Latitude: c.Place.Latitude, Longitude: c.Place.Longitude}
	}
	return picture.New(o)
}

// envelopeOf: "auto" is what belongs to the wire profile.
func envelopeOf(c *configs.Config) (chunk.Envelope, error) {
	switch {
	case c.Wire.Envelope != "auto":
		return chunk.ParseEnvelope(c.Wire.Envelope)
	case c.Wire.Profile != "standard":
		return chunk.String, nil
	}
	return chunk.Bare, nil
}

// linkOptions says how to reach the broker. Secrets are read now, so that a
// missing file is told at the start.
func linkOptions(c *configs.Config) (mqtt.Options, error) {
	b := c.Broker
	o := mqtt.Options{
		URL: b.URL, ClientID: b.ClientID, Username: b.Username,
		Dial: new(setup.Dialer).DialContext, KeepAlive: b.KeepAlive.Std(), WriteTimeout: b.WriteTimeout.Std(), ConnectTimeout: b.ConnectTimeout.Std(),
	}
	if o.ClientID == "" {
		o.ClientID = "pirwatch-" + c.CameraName()
	}
	var err error
	if o.Password, err = c.BrokerPassword(); err != nil {
		return o, err
	}
	if c.Wire.Profile == "watson" {
		device, err := c.WatsonDevice()
		if err != nil {
			return o, err
		}
		token, err := c.WatsonToken()
		if err != nil {
			return o, err
		}
		o.ClientID = fmt.Sprintf("d:%s:%s:%s", device.Org, device.Type, device.ID)
		o.Username, o.Password = "use-token-auth", token
	}
	if o.TLS, err = mqtt.TLSConfig(b.CAFile, b.CertFile, b.KeyFile); err != nil {
		return o, configs.Problem{At: c.Where("broker.ca_file"), Key: "broker", Text: err.Error()}
	}
	o.TLS.ServerName = b.ServerName
	if b.ALPN != "" {
		o.TLS.NextProtos = []string{b.ALPN}
	}
	return o, nil
}
