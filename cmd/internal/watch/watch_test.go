package watch

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/control"
	"pirwatch/cmd/internal/schedule"
	"pirwatch/motion"
	"pirwatch/motion/frames"
	"pirwatch/motion/pir"
	"pirwatch/publish"
)

// record is the outbox and the album: it writes down what it is given.
type record struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (r *record) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) State(name string, payload []byte) { r.note("%s %s", name, payload) }
func (r *record) Send(name string, payload []byte)  { r.note("send %s %.20s", name, payload) }
func (r *record) EventMessage(kind, id string, at time.Time, trigger string, score *float64) {
	with := ""
	if score != nil && *score > 0 {
		with = fmt.Sprintf(" score %v", *score)
	}
	r.note("event %s %s %s%s", kind, id, trigger, with)
}
func (r *record) Open(e publish.Event) {
	after := ""
	if e.Suppressed > 0 {
		after = fmt.Sprintf(" after %d", e.Suppressed)
	}
	r.note("open %s%s", e.ID, after)
}
func (r *record) Picture(p publish.Picture) {
	box := ""
	if p.Box != nil {
		box = " box"
	}
	r.note("picture %s %s%s", p.PicID, p.JPEG, box)
}
func (r *record) Cover(id string, taken time.Time, jpeg []byte) { r.note("cover %s %s", id, jpeg) }
func (r *record) Close(e publish.Event) {
	score := "none"
	if e.Score != nil {
		score = fmt.Sprint(*e.Score)
	}
	r.note("close %s %s cover %s score %s", e.ID, e.Trigger, e.Cover, score)
	if e.EndedAt.Before(e.StartedAt) {
		r.note("%s has no end", e.ID)
	}
}
func (r *record) SavePicture(camera string, taken time.Time, picID string, jpeg []byte) error {
	r.note("album %s/%s %s", camera, picID, jpeg)
	return nil
}
func (r *record) SaveBox(camera, picID string, box [4]float64) {}

// got returns what was noted, but for what begins with one of the prefixes.
func (r *record) got(without ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.lines), func(line string) bool {
		return slices.ContainsFunc(without, func(p string) bool { return strings.HasPrefix(line, p) })
	})
}

func (r *record) has(line string) bool { return slices.Contains(r.got(), line) }

// ticker is a camera of ten frames a second; each has its number, counted from
// the test's start, in its first bytes. Its memory is a pool's: a picture that is
// kept without a word shows a later one's number.
type ticker struct{ fail error }

const frameEvery = 100 * time.Millisecond

func (c ticker) Run(ctx context.Context, deliver func(capture.Frame)) error {
	var pool capture.Pool
	for i := 0; ; i++ {
		if c.fail != nil && i == 30 {
			return c.fail
		}
		loan := pool.Lend(160 * 120 * 2)
		clear(loan.Bytes)
		copy(loan.Bytes, fmt.Sprintf("%04d", i))
		deliver(capture.Frame{At: time.Now(), Width: 160, Height: 120, Format: capture.YUYV, Data: loan.Bytes, Loan: loan})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(frameEvery):
		}
	}
}

// script is a sensor: levels at moments from the start.
type script []struct {
	at   time.Duration
	high bool
}

func (s script) Run(ctx context.Context, deliver func(pir.Level)) error {
	start := time.Now()
	for _, step := range s {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(start.Add(step.at))):
			deliver(pir.Level{At: time.Now(), High: step.high})
		}
	}
	<-ctx.Done()
	return nil
}

// eye is a detector that sees what it is told to, by the time since it began.
type eye struct {
	start time.Time
	sees  func(since time.Duration) frames.Decision
}

func (e *eye) Observe(at time.Time, _ *image.Gray) frames.Decision {
	d := e.sees(at.Sub(e.start))
	d.Ready = true
	return d
}

// lab develops by writing which frame it was; it takes its time.
type lab struct {
	takes   time.Duration
	privacy int
	fail    bool
}

func (l lab) Process(f capture.Frame, picID string) ([]byte, error) {
	time.Sleep(l.takes)
	if l.fail {
		return nil, errors.New("no ink")
	}
	return []byte(fmt.Sprintf("#%s/%d", strings.TrimLeft(string(f.Data[:3]), "0")+string(f.Data[3:4]), l.privacy)), nil
}

// bench is a loop among fakes.
type bench struct {
	*Loop
	rec   *record
	run   func(for_ time.Duration) // lets time pass
	stop  func() error
	parts Parts
}

func setUp(t *testing.T, sensor sensor, sees func(time.Duration) frames.Decision, change func(*Options, *Parts)) *bench {
	t.Helper()
	store, err := control.Open("", control.Settings{Armed: true, Trigger: "either", Cooldown: 10 * time.Second, Sensitivity: 50})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if sees == nil {
		sees = func(time.Duration) frames.Decision { return frames.Decision{} }
	}
	rec := &record{start: start}
	n := 0
	o := Options{
		Camera: "front",
		Motion: motion.Options{
			Mode: motion.Either, HoldOff: 3 * time.Second, BothWindow: 5 * time.Second, Longest: time.Minute,
			Cooldown: 10 * time.Second, CooldownMax: time.Minute, Quiet: 10 * time.Minute,
		},
		Burst:     capture.BurstOptions{Frames: 3, Interval: 500 * time.Millisecond, Every: time.Second, PreRoll: time.Second, PreFrames: 2, MaxFrames: 20},
		RingBytes: 16 << 20, RingTime: time.Second, DetectorFPS: 5, Zone: time.UTC,
	}
	p := Parts{
		Camera: ticker{}, Sensor: sensor, Outbox: rec, Album: rec, Settings: store,
		NewDetector:  func(int, control.Masks) (Detector, error) { return &eye{start, sees}, nil },
		NewDeveloper: func(m control.Masks, night bool) (Developer, error) { return lab{privacy: len(m.Privacy)}, nil },
		NewEventID:   func(time.Time) string { n++; return fmt.Sprintf("E%d", n) },
	}
	if sensor == nil {
		p.Sensor = nil
	}
	if change != nil {
		change(&o, &p)
	}
	l, err := New(o, p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	synctest.Wait()
	return &bench{Loop: l, rec: rec, parts: p,
		run:  func(d time.Duration) { time.Sleep(d); synctest.Wait() },
		stop: func() error { cancel(); return <-done },
	}
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// settingsLines are what is told at the start.
var settingsLines = []string{"armed", "trigger", "cooldown", "sensitivity", "masks", "album"}

// The order within one event, by the protocol; and which frames are taken: two
// of the second before the trigger, three after it, then one a second.
func TestOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5050 * time.Millisecond, true}, {6050 * time.Millisecond, false}}, nil, nil)
		b.run(20 * time.Second)
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		want(t, b.rec.got(settingsLines...),
			"motion OFF",
			"motion ON",
			"open E1", "cover E1 #51/0", "event motion_start E1 pir",
			"picture E1-00 #41/0", "picture E1-01 #45/0", "picture E1-02 #51/0", "picture E1-03 #55/0", "picture E1-04 #60/0",
			"picture E1-05 #70/0", "picture E1-06 #80/0", "picture E1-07 #90/0",
			"motion OFF", "event motion_end E1 pir",
			"close E1 pir cover E1-02 score 0",
		)
		if got := len(b.rec.got("motion", "open", "cover", "event", "picture", "close", "armed", "trigger", "cooldown", "sensitivity", "masks")); got != 8 {
			t.Errorf("%d pictures in the album, want 8", got)
		}
		album := ""
		for _, line := range b.rec.got(settingsLines[:5]...) { // a picture that is sent can be had from the album
			id, picture := strings.CutPrefix(line, "picture ")
			if picture && !strings.HasPrefix(album, "album ") {
				t.Errorf("%s was sent before it was kept", id)
			}
			album = line
		}
	})
}

// A picture that waits in the darkroom stays what it was, though the ring has
// long dropped it, or never had it, and its camera uses memory again.
func TestPicturesOutliveTheRing(t *testing.T) {
	for _, ring := range []struct {
		bytes int
		age   time.Duration
		pre   []string // of the pre-roll
	}{
		{16 << 20, 300 * time.Millisecond, []string{"48", "49"}},
		{1, time.Second, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setUp(t, script{{5050 * time.Millisecond, true}, {6050 * time.Millisecond, false}}, nil, func(o *Options, p *Parts) {
				o.RingBytes, o.RingTime, o.Live = ring.bytes, ring.age, time.Minute
				p.NewDeveloper = func(control.Masks, bool) (Developer, error) { return lab{takes: 1500 * time.Millisecond}, nil }
			})
			b.run(40 * time.Second)
			b.stop()
			n := 0
			for _, number := range append(ring.pre, "51", "55", "60", "70", "80", "90") {
				line := fmt.Sprintf("picture E1-%02d #%s/0", n, number)
				if n++; !b.rec.has(line) {
					t.Errorf("ring of %d bytes and %v: no %q among %q", ring.bytes, ring.age, line, b.rec.got("album", "armed"))
				}
			}
			if !b.rec.has("send live #0/0") {
				t.Error("the live picture is another one")
			}
		})
	}
}

// What the frames show makes score, box and cover.
func TestFramesMakeTheCover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, func(since time.Duration) frames.Decision {
			if since < 5*time.Second || since > 8*time.Second {
				return frames.Decision{}
			}
			d := frames.Decision{Motion: true, Score: 0.1, Box: [4]float64{0, 0.4, 0.1, 0.2}}
			if since > 5900*time.Millisecond && since < 6200*time.Millisecond {
				d.Score, d.Box = 0.3, [4]float64{0.4, 0.4, 0.2, 0.4}
			}
			if since > 6300*time.Millisecond && since < 6700*time.Millisecond {
				d.Score, d.Box = 0.4, [4]float64{} // in none of the pictures sent
			}
			return d
		}, nil)
		b.run(20 * time.Second)
		b.stop()
		lines := b.rec.got(settingsLines...)
		for _, line := range []string{
			"cover E1 #50/0", "event motion_start E1 frames score 0.1", "picture E1-02 #50/0 box", "cover E1 #60/0",
			"close E1 frames cover E1-04 score 0.4",
		} {
			if !slices.Contains(lines, line) {
				t.Errorf("no %q in\n  %s", line, strings.Join(lines, "\n  "))
			}
		}
		if i, j := slices.Index(lines, "cover E1 #60/0"), slices.Index(lines, "motion OFF"); i < j {
			t.Error("the best cover came before motion was over")
		}
	})
}

func TestWithoutCamera(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}, {6 * time.Second, false}}, nil, func(_ *Options, p *Parts) { p.Camera = nil })
		b.run(5500 * time.Millisecond)
		if !b.rec.has("event motion_start E1 pir") {
			t.Error("the news waits for a picture that cannot come")
		}
		b.run(20 * time.Second)
		b.stop()
		want(t, b.rec.got(settingsLines...),
			"motion OFF", "motion ON", "open E1", "event motion_start E1 pir", "motion OFF", "event motion_end E1 pir",
			"close E1 pir cover  score none")
	})
}

// A developer that is too slow costs pictures, counted, and delays nothing else.
func TestSlowDarkroom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}, {5200 * time.Millisecond, false}}, nil, func(o *Options, p *Parts) {
			o.Burst.Frames, o.Burst.Interval, o.Burst.MaxFrames = 58, frameEvery, 60
			p.NewDeveloper = func(control.Masks, bool) (Developer, error) { return lab{takes: 2 * time.Second}, nil }
		})
		b.run(5 * time.Second)
		if !b.rec.has("motion ON") {
			t.Error("motion ON waits for pictures")
		}
		b.run(6 * time.Second)
		if s := b.Stats(); s.Skipped == 0 {
			t.Error("no picture was given up")
		}
		b.stop()
		if got, skipped := len(b.rec.got(append(settingsLines, "motion", "open", "cover", "event", "close")...)), b.Stats().Skipped; got+int(skipped) != 60 {
			t.Errorf("%d pictures handed over and %d given up, want 60 together", got, skipped)
		}
	})
}

func TestPictureThatCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}, {6 * time.Second, false}}, nil, func(_ *Options, p *Parts) {
			p.NewDeveloper = func(control.Masks, bool) (Developer, error) { return lab{fail: true}, nil }
		})
		b.run(20 * time.Second)
		b.stop()
		want(t, b.rec.got(settingsLines...),
			"motion OFF", "motion ON", "open E1", "event motion_start E1 pir", "motion OFF", "event motion_end E1 pir",
			"close E1 pir cover  score 0")
		if s := b.Stats(); s.Skipped != 7 {
			t.Errorf("%d given up, want 7", s.Skipped)
		}
	})
}

// An event with all the pictures it may have turns into the next.
func TestFullEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}, {20 * time.Second, false}}, nil, func(o *Options, _ *Parts) { o.Burst.MaxFrames = 10 })
		b.run(40 * time.Second)
		b.stop()
		lines := b.rec.got(settingsLines...)
		closed := slices.Index(lines, "close E1 pir cover E1-02 score 0")
		opened := slices.Index(lines, "open E2")
		if closed < 0 || opened < closed {
			t.Errorf("E1 closed at %d, E2 opened at %d in\n  %s", closed, opened, strings.Join(lines, "\n  "))
		}
		if got := len(b.rec.got(append(settingsLines, "open", "cover", "event", "picture", "close")...)); got != 3 {
			t.Errorf("motion was told %d times, want OFF, ON, OFF", got)
		}
	})
}

// A stop in mid-event ends it: nothing taken is lost, and motion is not left ON.
func TestStopInMidEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}}, nil, func(_ *Options, p *Parts) {
			p.NewDeveloper = func(control.Masks, bool) (Developer, error) { return lab{takes: 100 * time.Millisecond}, nil }
		})
		b.run(6100 * time.Millisecond)
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		lines := b.rec.got(settingsLines...)
		off := func(line string) bool { return line == "motion OFF" }
		if on := slices.Index(lines, "motion ON"); !slices.ContainsFunc(lines[max(on, 0):], off) || lines[len(lines)-1] != "close E1 pir cover E1-02 score 0" {
			t.Errorf("ended with\n  %s", strings.Join(lines, "\n  "))
		}
		if !slices.Contains(lines, "picture E1-04 #60/0") {
			t.Error("a picture that was taken is lost")
		}
	})
}

// A stop does not wait for ever for a slow darkroom; the event is closed all the
// same, and what is given up is counted.
func TestStopWithASlowDarkroom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}}, nil, func(o *Options, p *Parts) {
			o.Burst.Frames, o.Burst.Interval, o.Burst.MaxFrames = 58, frameEvery, 60
			p.NewDeveloper = func(control.Masks, bool) (Developer, error) { return lab{takes: 2 * time.Second}, nil }
		})
		b.run(7 * time.Second)
		began := time.Now()
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > developFor+2*time.Second {
			t.Errorf("the stop took %v", took)
		}
		lines := b.rec.got(settingsLines...)
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "close E1") || b.Stats().Skipped == 0 {
			t.Errorf("ended with %q, %d given up", last, b.Stats().Skipped)
		}
	})
}

func TestPress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, nil, nil)
		b.run(5050 * time.Millisecond)
		b.Command("armed/set", []byte("OFF"), false)
		b.Command("capture", []byte("PRESS"), true)
		b.Command("capture", []byte("press"), false)
		b.run(time.Second)
		if b.Stats().Events != 0 || b.Stats().Rejected != 2 {
			t.Errorf("%d events, %d rejected", b.Stats().Events, b.Stats().Rejected)
		}
		b.Command("capture", []byte("PRESS"), false)
		b.run(10 * time.Second)
		b.stop()
		want(t, b.rec.got(append(settingsLines, "picture")...),
			"motion OFF", "open E1", "cover E1 #61/0", "event manual E1 manual", "close E1 manual cover E1-02 score 0")
		if got := len(b.rec.got(append(settingsLines, "motion", "open", "cover", "event", "close")...)); got != 5 {
			t.Errorf("%d pictures, want 5", got)
		}
	})
}

func TestSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sensitivity := 0
		b := setUp(t, script{{5 * time.Second, true}, {6 * time.Second, false}}, nil, func(_ *Options, p *Parts) {
			old := p.NewDetector
			p.NewDetector = func(s int, m control.Masks) (Detector, error) { sensitivity = s; return old(s, m) }
		})
		b.run(time.Second)
		before := len(b.rec.got())
		b.Command("sensitivity/set", []byte("70"), false)
		b.Command("sensitivity/set", []byte("seven"), false)
		b.Command("masks/set", []byte(`{"privacy":[[[0,0],[1,0],[0,1]]]}`), false)
		b.Command("armed/set", []byte("OFF"), true)
		b.Command("volume/set", []byte("11"), false)
		b.run(time.Second)
		want(t, b.rec.got()[before:],
			"sensitivity 70", "sensitivity 70", `masks {"ignore":[],"watch":[],"privacy":[[[0,0],[1,0],[0,1]]]}`, "armed ON")
		if sensitivity != 70 || b.Stats().Rejected != 3 {
			t.Errorf("the detector's sensitivity is %d, %d rejected", sensitivity, b.Stats().Rejected)
		}
		b.run(20 * time.Second)
		b.stop()
		// Every picture, wherever it goes, was developed with the mask.
		for _, line := range b.rec.got("motion", "event", "open", "close", "armed", "trigger", "cooldown", "sensitivity", "masks") {
			if !strings.Contains(line, "/1") {
				t.Errorf("without its privacy mask: %s", line)
			}
		}
	})
}

func TestDisarmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, script{{5 * time.Second, true}}, nil, nil)
		b.run(6 * time.Second)
		b.Command("armed/set", []byte("OFF"), false)
		b.run(time.Second)
		got := b.rec.got(append(settingsLines, "picture", "open", "cover", "event", "close")...)
		want(t, got, "motion OFF", "motion ON", "motion OFF")
		if b.Stats().Motion {
			t.Error("motion stays ON after disarming")
		}
		b.stop()
	})
}

func TestTuneTellsTheScoreForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, nil, func(o *Options, _ *Parts) { o.Motion.Mode = motion.PIROnly })
		b.Command("tune", []byte("ON"), false)
		b.run(10 * time.Second)
		scores := func() int {
			return len(b.rec.got(append(settingsLines, "motion")...))
		}
		if n := scores(); n < 18 || n > 21 {
			t.Errorf("%d scores in ten seconds, want two a second", n)
		}
		b.run(11 * time.Minute)
		if n := scores(); n < 1000 || n > 1201 {
			t.Errorf("%d scores, want those of ten minutes", n)
		}
		b.stop()
	})
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, nil, func(o *Options, _ *Parts) { o.Live = 2 * time.Second })
		b.run(20 * time.Second)
		b.stop()
		if n := len(b.rec.got(append(settingsLines, "motion")...)); n < 9 || n > 11 {
			t.Errorf("%d live pictures in 20 s, want one every 2 s", n)
		}
	})
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble's clock starts at midnight UTC
		b := setUp(t, nil, nil, func(o *Options, p *Parts) {
			p.Camera = nil
			o.Schedule = schedule.Schedule{Spans: []schedule.Span{{From: schedule.Moment{Offset: time.Hour}, To: schedule.Moment{Offset: 2 * time.Hour}}}}
		})
		armed := func(when time.Duration, want string) {
			t.Helper()
			b.run(when)
			got := b.rec.got("motion", "trigger", "cooldown", "sensitivity", "masks")
			if last := got[len(got)-1]; last != "armed "+want {
				t.Errorf("%s, want %s", last, want)
			}
		}
		armed(time.Minute, "OFF")
		armed(time.Hour, "ON")
		b.Command("armed/set", []byte("OFF"), false)
		armed(30*time.Minute, "OFF")
		armed(time.Hour, "OFF")
		armed(23*time.Hour, "ON")
		b.stop()
	})
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, nil, nil, nil)
		var logged strings.Builder
		b.log = slog.New(slog.NewTextHandler(&logged, nil))
		for range 10000 {
			b.Command("sensitivity/set", []byte(strings.Repeat("9", 1<<10)), false)
		}
		b.run(time.Second)
		if s := b.Stats(); s.Rejected != 10000 {
			t.Errorf("%d rejected, want all", s.Rejected)
		}
		for range 200 {
			b.Command("capture", []byte(strings.Repeat("x", 1<<20)), false)
			b.run(10 * time.Millisecond)
		}
		if n := strings.Count(logged.String(), "command refused"); n == 0 || n > 2*refusalLines {
			t.Errorf("%d lines in the log, want at most %d a minute", n, refusalLines)
		}
		b.Command("sensitivity/set", []byte("60"), false)
		b.run(time.Second)
		if !b.rec.has("sensitivity 60") {
			t.Error("deaf after the flood")
		}
		b.stop()
	})
}

func TestCameraThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		b := setUp(t, nil, nil, func(_ *Options, p *Parts) { p.Camera = ticker{fail: broken} })
		b.run(10 * time.Second)
		if err := b.stop(); !errors.Is(err, broken) {
			t.Errorf("error %v, want the camera's", err)
		}
	})
}

func TestNightfall(t *testing.T) {
	d := daylight{o: Daylight{By: "brightness", Dark: 0.15, Bright: 0.25, Hold: time.Minute, NightLamp: true}}
	at := time.Now()
	feed := func(brightness float64, seconds int) (turned bool) {
		for range seconds {
			at = at.Add(time.Second)
			turned = d.byBrightness(at, brightness) || turned
		}
		return turned
	}
	if feed(0.5, 100) || feed(0.1, 30) || feed(0.3, 10) || feed(0.1, 60) {
		t.Error("night fell too soon")
	}
	if !feed(0.1, 1) || !d.night {
		t.Error("night did not fall")
	}
	if feed(0.4, 200) {
		t.Error("the lamp's own light passed for the day's")
	}
	if !feed(0.6, 100) || d.night {
		t.Error("day did not break")
	}
}
