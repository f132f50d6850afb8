package watch

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
	"pirwatch/motion/frames"
)

// sleeper is a camera that is closed until it is asked for pictures, and then
// takes a while to start.
type sleeper struct{ wanted chan struct{} }

func (c sleeper) Run(ctx context.Context, deliver func(capture.Frame)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wanted:
		}
		time.Sleep(1500 * time.Millisecond)
		for _, name := range []string{"0001", "0002", "0003"} {
			deliver(capture.Frame{At: time.Now(), Width: 2, Height: 2, Format: capture.YUYV, Data: []byte(name + "....")})
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// A camera that opens only for events delivers late: the news does not wait for
// it, the cover follows with its first picture, and all of them are in the event.
func TestCameraThatOpensForTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		camera := sleeper{make(chan struct{}, 1)}
		b := setUp(t, script{{5 * time.Second, true}, {6 * time.Second, false}}, nil, func(_ *Options, p *Parts) {
			p.Camera, p.OnEvent = camera, func() { camera.wanted <- struct{}{} }
		})
		b.Command("trigger/set", []byte("pir"), false)
		b.run(6300 * time.Millisecond)
		want(t, b.rec.got(settingsLines...), "motion OFF", "motion ON", "open E1", "event motion_start E1 pir")
		b.run(500 * time.Millisecond)
		if !b.rec.has("cover E1 #1/0") {
			t.Error("the cover waits for the event's end")
		}
		b.run(20 * time.Second)
		b.stop()
		want(t, b.rec.got(settingsLines...),
			"motion OFF", "motion ON", "open E1", "event motion_start E1 pir",
			"cover E1 #1/0", "picture E1-00 #1/0", "picture E1-01 #2/0", "picture E1-02 #3/0",
			"motion OFF", "event motion_end E1 pir", "close E1 pir cover E1-00 score none")
	})
}

// A frame from the future does not stop the machine's clock.
func TestFrameFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}, {6 * time.Second, false}}, nil, func(_ *Options, p *Parts) { p.Camera = ahead{} })
		b.run(20 * time.Second)
		if !slices.Contains(b.rec.got(), "event motion_end E1 pir") {
			t.Errorf("motion did not end: %v", b.rec.got(settingsLines...))
		}
		b.stop()
	})
}

// ahead is a camera whose clock is an hour fast.
type ahead struct{}

func (ahead) Run(ctx context.Context, deliver func(capture.Frame)) error {
	deliver(capture.Frame{At: time.Now().Add(time.Hour), Width: 2, Height: 2, Format: capture.YUYV, Data: make([]byte, 8)})
	<-ctx.Done()
	return nil
}

// Motion that returns during the post-roll is an event of its own: no picture
// comes after its event is closed.
func TestMotionInThePostRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, func(since time.Duration) frames.Decision {
			again := since%(15*time.Second) < time.Second && since > 4*time.Second
			return frames.Decision{Motion: again, Score: 0.1}
		}, func(o *Options, _ *Parts) {
			o.Burst.PostRoll, o.Burst.Every, o.DetectorFPS = 20*time.Second, 100*time.Millisecond, 0.7
			o.Burst.MaxFrames = 1000
		})
		b.run(time.Minute)
		b.stop()
		closed := map[string]bool{}
		for _, line := range b.rec.got(settingsLines...) {
			word := strings.Fields(line)
			switch word[0] {
			case "close":
				closed[word[1]] = true
			case "picture":
				id, _, _ := strings.Cut(word[1], "-")
				if closed[id] {
					t.Errorf("after its event's end: %s", line)
				}
			}
		}
		if len(closed) < 3 {
			t.Errorf("%d events", len(closed))
		}
	})
}
