package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"pirwatch/cmd/internal/control"
	"pirwatch/motion"
	"pirwatch/motion/frames"
)

const (
	tuneFor    = 10 * time.Minute       // how long `score` is told after `tune` got ON
	scoreEvery = 500 * time.Millisecond // between two scores
	// maxCommand is more than any command has, in bytes; control refuses it.
	maxCommand = 64 << 10
	// refusalLines is how many refusals a minute get a line in the log.
	refusalLines = 20
	planEvery    = 10 * time.Second // between two looks at the schedule: the wall clock may jump
)

// command is a message on one of the topics that the camera listens to.
type command struct {
	name     string
	payload  []byte
	retained bool
}

// Command hands in a message from the broker, by the topic's name below the
// camera's: "armed/set", "capture". It never waits: what comes faster than the
// loop can look at is refused, counted and told.
func (l *Loop) Command(name string, payload []byte, retained bool) {
	if len(payload) > maxCommand {
		payload = payload[:maxCommand+1] // enough for the refusal to be the same
	}
	select {
	case l.commands <- func() { l.command(command{name, payload, retained}) }:
	default:
		if n := l.stats.rejected.Add(1); n&(n-1) == 0 {
			l.log.Warn("commands come faster than they can be carried out", "topic", name, "refused", n)
		}
	}
}

// command carries one out.
func (l *Loop) command(c command) {
	if err := l.carryOut(c); err != nil {
		n := l.stats.rejected.Add(1)
		// A line for each, but not for each of a flood: the journal is the owner's.
		now := l.clock()
		if now.Sub(l.refusals.since) >= time.Minute {
			l.refusals.since, l.refusals.lines = now, 0
		}
		if l.refusals.lines++; l.refusals.lines <= refusalLines {
			l.log.Warn("command refused", "topic", c.name, "error", err, "refused", n)
		}
	}
}

func (l *Loop) carryOut(c command) error {
	if setting, ok := strings.CutSuffix(c.name, "/set"); ok {
		return l.set(setting, c)
	}
	if c.retained {
		return control.ErrRetained
	}
	now := l.clock()
	switch c.name {
	case "capture":
		if string(c.payload) != "PRESS" {
			return errors.New("want PRESS")
		}
		l.press(now)
	case "tune":
		on, err := control.ParseOnOff(c.payload)
		if err != nil {
			return err
		}
		l.tuneUntil = time.Time{}
		if on {
			l.tuneUntil = now.Add(tuneFor)
		}
	default:
		return errors.New("no such command")
	}
	return nil
}

// press takes a burst now. During an event pictures are taken already: then it
// is only told.
func (l *Loop) press(now time.Time) {
	if l.machine.Open() {
		l.dark.tell("manual", l.event.Event, now)
		return
	}
	length := time.Duration(l.o.Burst.Frames) * l.o.Burst.Interval
	l.apply(l.machine.Press(l.moment(now), length))
}

// set changes a setting and echoes what is in force, also after a refusal: who
// asked sees at once that it was not done.
func (l *Loop) set(name string, c command) error {
	var until time.Time
	if !l.o.Schedule.Empty() {
		_, until = l.o.Schedule.At(l.clock().In(l.o.Zone))
	}
	before, now := l.settings, l.settings
	err := error(nil)
	if name == "trigger" && !c.retained {
		err = l.unable(motion.Mode(c.payload))
	}
	if err == nil {
		now, err = l.p.Settings.Command(name, c.payload, c.retained, until)
	}
	if err == nil || errors.Is(err, control.ErrNotKept) {
		l.use(now)
		l.log.Info("setting changed over MQTT", "setting", name, "value", string(now.State(name)), "was", string(before.State(name)))
	}
	if state := l.state(name); state != nil {
		l.p.Outbox.State(name, state)
	}
	return err
}

// use puts settings in force.
func (l *Loop) use(now control.Settings) {
	before := l.settings
	l.settings = now
	if now.Trigger != before.Trigger {
		l.machine.SetMode(motion.Mode(now.Trigger))
	}
	if now.Cooldown != before.Cooldown {
		l.machine.SetCooldown(l.moment(l.clock()), now.Cooldown)
	}
	masks := string(now.State("masks")) != string(before.State("masks"))
	if masks || l.sensitivity() != l.tuned {
		l.renewDetector()
	}
	if masks {
		l.renewDeveloper()
	}
	l.apply(l.machine.Arm(l.moment(l.clock()), now.Armed))
}

// unable says why a trigger mode cannot work with the parts that there are.
func (l *Loop) unable(mode motion.Mode) error {
	sensor, eye := l.p.Sensor != nil, l.p.Camera != nil && l.p.OnEvent == nil
	switch {
	case !sensor && (mode == motion.PIROnly || mode == motion.Both):
		return fmt.Errorf("mode %s needs the sensor, and sensor.driver is off; want frames", mode)
	case !eye && (mode == motion.FramesOnly || mode == motion.Both):
		return fmt.Errorf("mode %s needs a camera that always runs; want pir", mode)
	}
	return nil
}

// sensitivity is the detector's: as set over MQTT, else the profile's, else the
// configuration's.
func (l *Loop) sensitivity() int {
	if by := l.o.Daylight.sensitivity(l.day.night); by > 0 && !l.p.Settings.Overridden("sensitivity") {
		return by
	}
	return l.settings.Sensitivity
}

// state is what a setting's topic carries: what is in force.
func (l *Loop) state(name string) []byte {
	now := l.settings
	now.Sensitivity = l.sensitivity()
	return now.State(name)
}

func (l *Loop) renewDetector() {
	sensitivity := l.sensitivity()
	detector, err := l.p.NewDetector(sensitivity, l.settings.Masks)
	if err != nil {
		l.log.Warn("the detector stays as it was", "error", err)
		return
	}
	l.detector, l.tuned = detector, sensitivity
}

func (l *Loop) renewDeveloper() {
	dev, err := l.p.NewDeveloper(l.settings.Masks, l.day.night)
	if err != nil {
		l.log.Warn("pictures stay as they were", "error", err)
		return
	}
	l.dark.use(dev)
}

// Reconfigure takes over settings of a configuration that was read again. What
// was set over MQTT stays.
func (l *Loop) Reconfigure(ctx context.Context, configured control.Settings) {
	send(ctx, l.commands, func() {
		l.p.Settings.Reconfigure(configured)
		l.use(l.scheduled())
		l.tellSettings()
	})
}

func (l *Loop) tellSettings() {
	for _, name := range control.Names() {
		l.p.Outbox.State(name, l.state(name))
	}
}

// applySchedule arms and disarms by time.
func (l *Loop) applySchedule() {
	if l.o.Schedule.Empty() || l.clock().Sub(l.planned) < planEvery {
		return
	}
	settings := l.scheduled()
	if settings.Armed != l.settings.Armed {
		l.log.Info("by schedule", "armed", settings.Armed)
		l.use(settings)
		l.p.Outbox.State("armed", settings.State("armed"))
	}
}

// scheduled returns the settings as they are with what the schedule says now.
func (l *Loop) scheduled() control.Settings {
	if l.o.Schedule.Empty() {
		return l.p.Settings.Settings()
	}
	now := l.clock()
	l.planned = now
	armed, _ := l.o.Schedule.At(now.In(l.o.Zone))
	settings, err := l.p.Settings.Schedule(now, armed)
	if err != nil {
		l.log.Warn("schedule", "error", err)
	}
	return settings
}

// score tells how much changed, to who is tuning.
func (l *Loop) score(at time.Time, d frames.Decision) {
	if !l.clock().Before(l.tuneUntil) || !l.scores.due(at, scoreEvery) {
		return
	}
	message := struct {
		At        string      `json:"at"`
		Score     float64     `json:"score"`
		Threshold float64     `json:"threshold"`
		Box       *[4]float64 `json:"box"`
	}{At: at.UTC().Format("2006-01-02T15:04:05.000Z07:00"), Score: d.Score, Threshold: d.Threshold}
	if d.Box[2] > 0 {
		message.Box = &d.Box
	}
	text, err := json.Marshal(message)
	if err != nil {
		l.log.Warn("score", "error", err)
		return
	}
	l.p.Outbox.Send("score", text)
}
