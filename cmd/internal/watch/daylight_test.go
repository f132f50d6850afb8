package watch

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/control"
	"pirwatch/cmd/internal/schedule"
)

// The profile's sensitivity is in force from the start, and told; one that is
// set over MQTT wins, and stays.
func TestSensitivityByDayAndNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // midnight UTC on the first of January
		var made []int
		nights := []bool{}
		quality := []bool{}
		b := setUp(t, nil, nil, func(o *Options, p *Parts) {
			p.Camera = nil
			o.Daylight = Daylight{By: "sun", Sun: schedule.Sun{Latitude: 52.5, Longitude: 13.4}, Day: 40, Night: 70}
			p.OnNight = func(night bool) { nights = append(nights, night) }
			old, dev := p.NewDetector, p.NewDeveloper
			p.NewDetector = func(s int, m control.Masks) (Detector, error) { made = append(made, s); return old(s, m) }
			p.NewDeveloper = func(m control.Masks, night bool) (Developer, error) {
				quality = append(quality, night)
				return dev(m, night)
			}
		})
		b.run(time.Second)
		if !b.rec.has("sensitivity 70") || !b.Stats().Night {
			t.Errorf("night at the start: told %v", b.rec.got())
		}
		b.run(12 * time.Hour)
		if !b.rec.has("sensitivity 40") || b.Stats().Night {
			t.Errorf("by day: told %v", b.rec.got())
		}
		b.Command("sensitivity/set", []byte("50"), false) // as configured, and still a change
		b.run(12 * time.Hour)
		if !b.rec.has("sensitivity 50") {
			t.Errorf("set by hand: told %v", b.rec.got())
		}
		b.stop()
		if !slices.Equal(quality, []bool{true, false, true}) {
			t.Errorf("developed by night %v", quality)
		}
		if !slices.Equal(made, []int{70, 40, 50}) || !slices.Equal(nights, []bool{true, false, true}) {
			t.Errorf("detectors of %v, camera told %v", made, nights)
		}
	})
}

// dark is a camera in a dark place.
type dark struct{}

func (dark) Run(ctx context.Context, deliver func(capture.Frame)) error {
	for ctx.Err() == nil {
		deliver(capture.Frame{At: time.Now(), Width: 160, Height: 120, Format: capture.YUYV, Data: make([]byte, 160*120*2)})
		time.Sleep(frameEvery)
	}
	return nil
}

// Night falls by the brightness also where only the sensor triggers, and frames
// are not compared.
func TestNightByBrightnessInModePIR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{}, nil, func(o *Options, p *Parts) {
			p.Camera = dark{}
			o.Daylight = Daylight{By: "brightness", Dark: 0.15, Bright: 0.25, Hold: time.Minute}
		})
		b.Command("trigger/set", []byte("pir"), false)
		b.run(2 * time.Minute)
		if !b.Stats().Night {
			t.Error("night did not fall")
		}
		b.stop()
	})
}

// A configuration that is read again does not arm against the schedule.
func TestReconfigureKeepsToTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, nil, func(o *Options, p *Parts) {
			p.Camera = nil
			o.Schedule = schedule.Schedule{Spans: []schedule.Span{{From: schedule.Moment{Offset: time.Hour}, To: schedule.Moment{Offset: 2 * time.Hour}}}}
		})
		b.run(time.Second)
		before := len(b.rec.got())
		b.Reconfigure(t.Context(), control.Settings{Armed: true, Trigger: "frames", Cooldown: 5 * time.Second, Sensitivity: 60})
		b.run(time.Second)
		want(t, b.rec.got("masks")[before-1:], "armed OFF", "trigger frames", "cooldown 5", "sensitivity 60")
		b.stop()
	})
}

// A trigger mode that could never trigger is refused.
func TestTriggerNeedsItsParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			change  func(*Options, *Parts)
			refused int
		}{
			{nil, 0},
			{func(_ *Options, p *Parts) { p.Camera = nil }, 2},
			{func(_ *Options, p *Parts) { p.OnEvent = func() {} }, 2},
			{func(_ *Options, p *Parts) { p.Sensor = nil }, 2},
		} {
			b := setUp(t, script{}, nil, c.change)
			for _, mode := range []string{"pir", "frames", "both", "either"} {
				b.Command("trigger/set", []byte(mode), false)
			}
			b.run(time.Second)
			if got := b.Stats().Rejected; got != uint64(c.refused) {
				t.Errorf("%d refused, want %d", got, c.refused)
			}
			b.stop()
		}
	})
}
