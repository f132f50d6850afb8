package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/status"
	"pirwatch/motion/pir"
)

// changed makes a new state of the camera known at once.
func (d *daemon) changed(capture.Health) {
	if d.health != nil {
		d.health.Changed()
	}
}

// collect puts the health message together.
func (d *daemon) collect() status.Health {
	h := d.standing()
	h.CPUC, h.Clock, h.Version = status.CPUTemperature(), status.Word(d.clock.Synced()), versionText()
	return h
}

// standing is the health message but for what has to be read from the system.
func (d *daemon) standing() status.Health {
	p, w := d.publisher.Health(), d.loop.Stats()
	h := status.Health{
		Camera: capture.StateOff, Sensor: pir.Off, Broker: p.Broker,
		QueuePictures: p.Pictures, QueueBytes: p.Bytes, OldestS: int64(p.Oldest / time.Second),
		Dropped: p.Dropped + w.Skipped, Suppressed: w.Suppressed, IncompleteResends: p.Resends,
		Disk: p.Disk, UptimeS: int64(time.Since(d.began) / time.Second),
	}
	if d.link.URL == "" {
		h.Broker = "off"
	}
	if !p.NextTry.IsZero() {
		h.NextTry = p.NextTry.UTC().Format(time.RFC3339)
	}
	if d.camera != nil {
		c := d.camera.Health()
		h.Camera, h.CameraError, h.FPS = c.State, c.Err, c.FPS
		if c.State == capture.StateIdle { // closed until a trigger, as it should be: no word of the protocol's
			h.Camera = capture.StateOK
		}
	}
	if d.pir != nil {
		h.Sensor = d.pir.Health().State
	} else if d.sensor != nil {
		h.Sensor = pir.OK
	}
	if d.album != nil && h.Disk == "ok" {
		h.Disk = d.album.Stats().Disk
	}
	return h
}

// line is what `systemctl status` shows.
func (d *daemon) line() string {
	h, w := d.standing(), d.loop.Stats()
	say := []string{"watching"}
	if w.Motion {
		say[0] = "motion"
	}
	say = append(say, fmt.Sprintf("%d events", w.Events))
	if h.QueuePictures > 0 {
		say = append(say, fmt.Sprintf("%d pictures queued", h.QueuePictures))
	}
	switch h.Camera {
	case capture.StateOK, capture.StateOff:
	default:
		say = append(say, "camera "+h.Camera)
		if h.CameraError != "" {
			say[len(say)-1] += ": " + h.CameraError
		}
	}
	if d.pir != nil && h.Sensor != pir.OK {
		say = append(say, "sensor "+h.Sensor)
		if err := d.pir.Health().Err; err != "" {
			say[len(say)-1] += ": " + err
		}
	}
	if d.link.URL != "" && h.Broker != "ok" {
		say = append(say, "broker "+h.Broker)
		if err := d.publisher.Health().Err; err != "" {
			say[len(say)-1] += ": " + err
		}
	}
	return strings.Join(say, "; ")
}

// metrics serves numbers, /healthz and /readyz, where configured.
func (d *daemon) metrics() *status.Server {
	return &status.Server{
		Listen: d.config.Metrics.Listen, PProf: d.config.Metrics.PProf, Log: d.log,
		Metrics: func() []status.Metric { return append(d.collect().Metrics(), status.ProcessMetrics()...) },
		Alive: func() error {
			if !d.loop.Moving() {
				return errors.New("the loop does not turn")
			}
			return nil
		},
		Ready: func() []string {
			var missing []string
			h := d.collect()
			if h.Broker != "ok" {
				missing = append(missing, "broker: "+h.Broker)
			}
			if d.camera != nil && h.Camera != capture.StateOK {
				missing = append(missing, "camera: "+h.Camera+" "+h.CameraError)
			}
			if h.Disk != "ok" {
				missing = append(missing, "disk: "+h.Disk)
			}
			return missing
		},
	}
}
