package capture

import (
	"reflect"
	"testing"
	"time"
)

const ms = time.Millisecond

// shot runs a burst over frames taken every step (plus the jitter of each),
// from start to end after the trigger, motion ending at the given time, and
// returns the milliseconds after the trigger of those sent.
func shot(o BurstOptions, start, step, end, motion time.Duration, jitter ...time.Duration) (sent []int, over time.Duration) {
	b := NewBurst(o, t0)
	over = -1
	for d, i := start, 0; d <= end; d, i = d+step, i+1 {
		at := d
		if len(jitter) > 0 {
			at += jitter[i%len(jitter)]
		}
		if at >= motion {
			b.End(t0.Add(motion))
		}
		if b.Offer(t0.Add(at)) {
			sent = append(sent, int(at/ms))
		}
		if over < 0 && b.Done(t0.Add(at)) {
			over = at
		}
	}
	return sent, over
}

func TestBurst(t *testing.T) {
	for _, test := range []struct {
		name                     string
		o                        BurstOptions
		start, step, end, motion time.Duration
		jitter                   []time.Duration
		want                     []int
		over                     time.Duration
	}{
		{"ten frames a second, motion of 4.2 s", BurstOptions{}, 0, 100 * ms, 10 * time.Second, 4200 * ms, nil,
			[]int{0, 500, 1000, 1500, 2000, 3000, 4000}, 4200 * ms},
		{"motion shorter than the burst", BurstOptions{}, 0, 100 * ms, 10 * time.Second, 300 * ms, nil,
			[]int{0, 500, 1000, 1500, 2000}, 2000 * ms},
		{"post-roll", BurstOptions{PostRoll: 2 * time.Second}, 0, 100 * ms, 10 * time.Second, 2500 * ms, nil,
			[]int{0, 500, 1000, 1500, 2000, 3000, 4000}, 4500 * ms},
		{"jitter makes no drift", BurstOptions{}, 40 * ms, 100 * ms, 6 * time.Second, 5200 * ms, []time.Duration{0, 15 * ms, -20 * ms},
			[]int{40, 455, 940, 1540, 1955, 3040, 3940, 4955}, 5255 * ms},
		{"one frame a second", BurstOptions{}, 300 * ms, time.Second, 20 * time.Second, time.Second, nil,
			[]int{300, 1300, 2300, 3300, 4300}, 4300 * ms},
		{"30 frames a second", BurstOptions{Frames: 3, Interval: 100 * ms, Every: -1}, 0, 33 * ms, time.Second, 500 * ms, nil,
			[]int{0, 99, 198, 231, 264, 297, 330, 363, 396, 429, 462, 495}, 528 * ms},
		{"a limit of pictures", BurstOptions{MaxFrames: 6}, 0, 100 * ms, 20 * time.Second, time.Hour, nil,
			[]int{0, 500, 1000, 1500, 2000, 3000}, 3000 * ms},
		{"a limit of time", BurstOptions{Longest: 3 * time.Second}, 0, 100 * ms, 20 * time.Second, time.Hour, nil,
			[]int{0, 500, 1000, 1500, 2000}, 3000 * ms},
		{"a manual burst", BurstOptions{}, 0, 100 * ms, 20 * time.Second, 0, nil,
			[]int{0, 500, 1000, 1500, 2000}, 2000 * ms},
		{"a camera that pauses", BurstOptions{Frames: 3}, 0, 2300 * ms, 10 * time.Second, 5 * time.Second, nil,
			[]int{0, 2300, 4600}, 6900 * ms},
	} {
		sent, over := shot(test.o, test.start, test.step, test.end, test.motion, test.jitter...)
		if !reflect.DeepEqual(sent, test.want) || over != test.over {
			t.Errorf("%s: sent at %v, over at %v;\nwant %v, %v", test.name, sent, over, test.want, test.over)
		}
	}
}

// After a pause the schedule goes on from there; what was missed is not caught
// up with frames close together.
func TestBurstAfterAPause(t *testing.T) {
	b := NewBurst(BurstOptions{}, t0)
	var sent []int
	for _, d := range []time.Duration{0, 3000, 3100, 3200, 3300, 3400, 3500, 3600} {
		if b.Offer(t0.Add(d * ms)) {
			sent = append(sent, int(d))
		}
	}
	if want := []int{0, 3000, 3500}; !reflect.DeepEqual(sent, want) {
		t.Errorf("sent at %v, want %v", sent, want)
	}
}

// A camera that died does not hold the event open for ever.
func TestBurstEndsWithoutFrames(t *testing.T) {
	b := NewBurst(BurstOptions{}, t0)
	b.End(t0.Add(time.Second))
	if b.Done(t0.Add(7 * time.Second)) {
		t.Error("done while the camera may still deliver")
	}
	if !b.Done(t0.Add(8 * time.Second)) {
		t.Error("not done though no frame came")
	}
}

func TestBurstMotionGoesOnAfterAll(t *testing.T) {
	b := NewBurst(BurstOptions{Frames: 1}, t0)
	b.Offer(t0)
	b.End(t0.Add(time.Second))
	b.End(time.Time{})
	if b.Done(t0.Add(10*time.Second)) || !b.Offer(t0.Add(10*time.Second)) {
		t.Error("an end that was taken back still ends the burst")
	}
}

func TestBurstPre(t *testing.T) {
	every := func(step, from, to time.Duration) (frames []Frame) {
		for d := from; d <= to; d += step {
			frames = append(frames, at(d, 1))
		}
		return frames
	}
	for _, test := range []struct {
		name   string
		o      BurstOptions
		frames []Frame
		want   []int
	}{
		{"ten a second", BurstOptions{}, every(100*ms, -3*time.Second, 0), []int{-2000, -1300, -700}},
		{"one a second", BurstOptions{}, every(time.Second, -2500*ms, 0), []int{-1500, -500}},
		{"only just started", BurstOptions{}, every(100*ms, -200*ms, 0), []int{-200, -100}},
		{"none", BurstOptions{}, nil, nil},
		{"not wanted", BurstOptions{PreFrames: -1}, every(100*ms, -3*time.Second, 0), nil},
		{"more than there are", BurstOptions{PreFrames: 10}, every(500*ms, -3*time.Second, 0), []int{-2000, -1500, -1000, -500}},
		{"a limit of pictures", BurstOptions{MaxFrames: 2}, every(100*ms, -3*time.Second, 0), []int{-2000, -1300}},
	} {
		b := NewBurst(test.o, t0)
		var got []int
		for _, f := range b.Pre(test.frames) {
			got = append(got, int(f.At.Sub(t0)/ms))
		}
		if !reflect.DeepEqual(got, test.want) || b.Sent() != len(test.want) {
			t.Errorf("%s: %v (%d counted), want %v", test.name, got, b.Sent(), test.want)
		}
	}
}
