package pir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// chip is a fake GPIO chip with one line.
type chip struct {
	mu        sync.Mutex
	high      bool
	edge      func(Level)
	debounced bool
	openErr   error
	readErr   error
	opens     int
	closed    int
}

func (c *chip) open(o Options, edge func(Level)) (line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opens++
	if c.openErr != nil {
		return nil, c.openErr
	}
	c.edge = edge
	return c, nil
}

func (c *chip) High() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.high, c.readErr
}
func (c *chip) Debounced() bool { return c.debounced }
func (c *chip) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	c.edge = nil
	return nil
}

// drive moves the line; told says whether the edge is reported or lost.
func (c *chip) drive(high, told bool) {
	c.mu.Lock()
	c.high = high
	edge := c.edge
	c.mu.Unlock()
	if told && edge != nil {
		edge(Level{At: time.Now(), High: high})
	}
}

// rig runs a sensor on a fake chip; levels are written as "+1.5s high".
type rig struct {
	*chip
	*Sensor
	t     *testing.T
	start time.Time
	stop  func()

	gotMu sync.Mutex
	got   []string
}

func newRig(t *testing.T, c *chip, up time.Duration, change func(*Options)) *rig {
	o := Defaults()
	if change != nil {
		change(&o)
	}
	r := &rig{chip: c, Sensor: New(o, nil), t: t, start: time.Now()}
	r.Sensor.open = c.open
	began := time.Now()
	r.uptime = func() time.Duration { return up + time.Since(began) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- r.Run(ctx, func(l Level) {
			s := map[bool]string{true: "high", false: "low"}[l.High]
			r.gotMu.Lock()
			defer r.gotMu.Unlock()
			r.got = append(r.got, fmt.Sprintf("%s %s", l.At.Sub(r.start), s))
		})
	}()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := r.Health().State; s != Off {
			t.Errorf("state after Run: %s, want off", s)
		}
		if c.openErr == nil && c.opens != c.closed {
			t.Errorf("opened %d times, closed %d times", c.opens, c.closed)
		}
	}
	synctest.Wait()
	return r
}

// after waits until d after the start.
func (r *rig) after(d time.Duration) {
	time.Sleep(time.Until(r.start.Add(d)))
	synctest.Wait()
}

func (r *rig) want(levels ...string) {
	r.t.Helper()
	synctest.Wait()
	r.gotMu.Lock()
	defer r.gotMu.Unlock()
	if !slices.Equal(r.got, levels) {
		r.t.Errorf("levels\n got %q\nwant %q", r.got, levels)
	}
}

func (r *rig) state(want string) {
	r.t.Helper()
	synctest.Wait()
	h := r.Health()
	if h.State != want {
		r.t.Errorf("after %s: state %s (%s), want %s", time.Since(r.start), h.State, h.Err, want)
	}
	if quiet := want == OK || want == Warming; quiet != (h.Err == "") {
		r.t.Errorf("state %s with reason %q", h.State, h.Err)
	}
}

const day = 24 * time.Hour

func TestEdgesBecomeLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true}, day, nil)
		r.after(3 * time.Second)
		r.drive(true, true)
		r.drive(true, true) // the kernel reads the level late: the same edge twice
		r.after(5500 * time.Millisecond)
		r.drive(false, true)
		r.want("0s low", "3s high", "5.5s low")
		r.state(OK)
		if e := r.Health().Edges; e != 2 {
			t.Errorf("%d edges, want 2", e)
		}
		r.stop()
	})
}

func TestHighAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true, high: true}, day, nil)
		r.want("0s high")
		r.stop()
	})
}

func TestLostEdgeIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true}, day, nil)
		r.after(2500 * time.Millisecond)
		r.drive(true, false)
		r.after(4 * time.Second)
		r.want("0s low", "4s high")
		r.stop()
	})
}

func TestStaleEdgeIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true}, day, nil)
		r.after(3 * time.Second) // the level was read at 2 s
		r.chip.edge(Level{At: r.start.Add(1900 * time.Millisecond), High: true})
		r.want("0s low")
		r.stop()
	})
}

func TestSoftwareDebounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{}, day, nil)
		r.after(time.Second)
		for i := range 8 { // bounces every 10 ms, ends high
			r.drive(i%2 == 1, true)
			time.Sleep(10 * time.Millisecond)
		}
		r.after(1100 * time.Millisecond)
		r.want("0s low")
		r.after(1200 * time.Millisecond)
		r.want("0s low", "1.07s high")
		r.after(3 * time.Second)
		r.drive(false, true) // a spike down
		time.Sleep(20 * time.Millisecond)
		r.drive(true, true)
		r.after(5 * time.Second)
		r.want("0s low", "1.07s high")
		if e := r.Health().Edges; e != 1 {
			t.Errorf("%d edges, want 1", e)
		}
		r.stop()
	})
}

// A level read for another reason must not slip past the debounce.
func TestResyncWaitsForBounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{}, day, func(o *Options) { o.Debounce = 300 * time.Millisecond })
		r.after(1900 * time.Millisecond)
		r.drive(true, true)
		r.after(2100 * time.Millisecond)
		r.drive(false, true)
		r.after(5 * time.Second)
		r.want("0s low")
		r.stop()
	})
}

func TestWarmUpCountsFromBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true}, 40*time.Second, nil)
		r.after(5 * time.Second)
		r.drive(true, true)
		r.after(8 * time.Second)
		r.drive(false, true)
		r.state(Warming)
		r.after(18 * time.Second)
		r.drive(true, true) // a pulse from the warm-up that outlasts it
		r.after(25 * time.Second)
		r.state(OK)
		r.drive(false, true)
		r.after(30 * time.Second)
		r.drive(true, true)
		r.want("0s low", "30s high")
		r.stop()
	})
}

func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true}, day, nil)
		r.after(time.Second)
		r.drive(true, true)
		r.after(14 * time.Minute)
		r.state(OK)
		r.want("0s low", "1s high")
		r.after(16 * time.Minute)
		r.state(Stuck)
		r.want("0s low", "1s high", "15m2s low")
		r.after(20 * time.Minute)
		r.drive(false, true)
		r.after(20*time.Minute + 5*time.Second)
		r.drive(true, true) // rested too short to be believed
		r.after(20*time.Minute + 6*time.Second)
		r.state(Stuck)
		r.drive(false, true)
		r.after(20*time.Minute + 30*time.Second)
		r.state(OK)
		r.drive(true, true)
		r.want("0s low", "1s high", "15m2s low", "20m30s high")
		r.stop()
	})
}

func TestChatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &chip{debounced: true}, day, nil)
		for i := range 29 {
			r.after(time.Duration(i+1) * time.Second)
			r.drive(true, true)
			r.drive(false, true)
		}
		r.state(OK)
		r.after(30 * time.Second)
		r.drive(true, true)
		r.drive(false, true)
		r.state(Chattering)
		r.after(74 * time.Second) // pulses 15 to 30 are younger than a minute
		r.state(Chattering)
		r.after(76 * time.Second)
		r.state(OK)
		if n := len(r.got); n != 61 {
			t.Errorf("%d levels: chattering pulses are motion still, want 61", n)
		}
		r.stop()
	})
}

func TestChipGoesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &chip{debounced: true}
		r := newRig(t, c, day, nil)
		r.after(time.Second)
		r.drive(true, true)
		c.mu.Lock()
		c.readErr, c.openErr = errors.New("no such device"), errors.New("chip is not there")
		c.mu.Unlock()
		r.after(90 * time.Second)
		r.want("0s low", "1s high", "2s low")
		r.state(Missing)
		if e := r.Health().Err; e != "chip is not there" {
			t.Errorf("reason %q", e)
		}
		if c.opens < 6 || c.opens > 8 { // 1, 2, 4, 8, 16, 32 s and up to a quarter more
			t.Errorf("opened %d times in 90 s", c.opens)
		}
		c.mu.Lock()
		c.readErr, c.openErr = nil, nil
		c.opens, c.closed, c.high = 0, 0, false
		c.mu.Unlock()
		r.after(200 * time.Second)
		r.state(OK)
		r.drive(true, true)
		r.want("0s low", "1s high", "2s low", "3m20s high")
		r.stop()
	})
}

func TestFloodIsCountedAndHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &chip{debounced: true}
		r := newRig(t, c, day, func(o *Options) { o.ChatterPerMinute = 0 })
		block := make(chan struct{})
		r.stop()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		n := 0
		go func() { done <- r.Run(ctx, func(Level) { n++; <-block }) }()
		synctest.Wait()
		for i := range 101 {
			r.drive(i%2 == 0, true)
		}
		close(block)
		r.after(10 * time.Second)
		h := r.Health()
		if h.Lost != 101-64 {
			t.Errorf("lost %d edges, want %d", h.Lost, 101-64)
		}
		if n != 66 { // the first level, 64 edges, and the level as it is
			t.Errorf("%d levels, want 66", n)
		}
		cancel()
		<-done
	})
}

func TestJudgeSurvivesTimeGoingBack(t *testing.T) {
	j := newJudge(Defaults(), time.Time{})
	now := time.Now()
	j.level(Level{now, false})
	j.level(Level{now.Add(-time.Hour), true})
	j.level(Level{now.Add(time.Second), false})
	if s, _ := j.state(); s == Chattering {
		t.Error("chattering")
	}
	if j.edges != 2 {
		t.Errorf("%d edges, want 2", j.edges)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Pull = "sideways" }, `pull "sideways": want up, down or off`},
		{func(o *Options) { o.Line = -1 }, "line -1"},
	} {
		o := Defaults()
		c.change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	if err := Defaults().check(); err != nil {
		t.Error(err)
	}
}
