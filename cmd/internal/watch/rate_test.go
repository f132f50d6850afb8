package watch

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/control"
	"pirwatch/motion"
	"pirwatch/motion/frames"
)

// pulses are one second of the sensor each.
func pulses(at ...time.Duration) (s script) {
	for _, t := range at {
		s = append(s, script{{t, true}, {t + time.Second, false}}...)
	}
	return s
}

// A trigger in the cool-down is told with the event before it, counted, and
// named by the next event.
func TestSuppressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, pulses(5*time.Second, 12*time.Second, 30*time.Second), nil, nil)
		b.run(40 * time.Second)
		b.stop()
		want(t, b.rec.got(append(settingsLines, "picture", "cover", "close")...),
			"motion OFF", "motion ON", "open E1", "event motion_start E1 pir", "motion OFF", "event motion_end E1 pir",
			"motion ON", "event suppressed E1 pir", "motion OFF",
			"motion ON", "open E2 after 1", "event motion_start E2 pir", "motion OFF", "event motion_end E2 pir")
		if n := b.Stats().Suppressed; n != 1 {
			t.Errorf("%d suppressed", n)
		}
	})
}

func TestCooldownAndTriggerOverMQTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, pulses(5*time.Second, 12*time.Second, 30*time.Second, 50*time.Second), nil, nil)
		b.Command("cooldown/set", []byte("0"), false)
		b.run(25 * time.Second)
		if n := b.Stats().Events; n != 2 {
			t.Errorf("%d events without a cool-down, want 2", n)
		}
		b.Command("trigger/set", []byte("frames"), false)
		b.run(20 * time.Second)
		if n := b.Stats().Events; n != 2 {
			t.Errorf("%d events, want 2: the sensor does not count in mode frames", n)
		}
		b.Command("trigger/set", []byte("either"), false)
		b.run(20 * time.Second)
		if n := b.Stats().Events; n != 3 {
			t.Errorf("%d events, want 3", n)
		}
		b.stop()
	})
}

// What was set over MQTT before the start is in force from the start.
func TestSettingsOfTheRunBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, pulses(5*time.Second, 12*time.Second), func(since time.Duration) frames.Decision {
			return frames.Decision{Motion: since > 25*time.Second && since < 26*time.Second}
		}, func(o *Options, p *Parts) {
			o.Motion.Mode = motion.PIROnly
			store, err := control.Open("", control.Settings{Armed: true, Trigger: "frames", Sensitivity: 50})
			if err != nil {
				t.Fatal(err)
			}
			p.Settings = store
		})
		b.run(40 * time.Second)
		b.stop()
		if got := b.rec.got(append(settingsLines, "picture", "cover", "motion", "open", "close")...); !slices.Equal(got, []string{"event motion_start E1 frames", "event motion_end E1 frames"}) {
			t.Errorf("told %v", got)
		}
	})
}

// blind is a camera that gives nothing.
type blind struct{}

func (blind) Run(ctx context.Context, _ func(capture.Frame)) error {
	<-ctx.Done()
	return nil
}

// An event that ends before any frame came is begun before it is ended.
func TestShortEventWithoutFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, pulses(5*time.Second), nil, func(_ *Options, p *Parts) { p.Camera = blind{} })
		b.run(5200 * time.Millisecond)
		b.Command("armed/set", []byte("OFF"), false)
		b.run(20 * time.Second)
		b.stop()
		want(t, b.rec.got(settingsLines...),
			"motion OFF", "motion ON", "motion OFF", "open E1", "event motion_start E1 pir", "event motion_end E1 pir",
			"close E1 pir cover  score none")
	})
}

// led is a lamp that remembers.
type led struct{ was []bool }

func (l *led) Set(on bool) error {
	if len(l.was) == 0 || l.was[len(l.was)-1] != on {
		l.was = append(l.was, on)
	}
	return nil
}

func TestLamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for mode, shows := range map[string][]bool{"event": {false, true, false}, "status": {true}, "night": {false}} {
			lamp := new(led)
			b := setUp(t, pulses(5*time.Second), nil, func(o *Options, p *Parts) { o.Lamp, p.Lamp = mode, lamp })
			b.run(20 * time.Second)
			b.stop()
			if !slices.Equal(lamp.was, shows) {
				t.Errorf("%s: the lamp showed %v, want %v", mode, lamp.was, shows)
			}
		}
	})
}
