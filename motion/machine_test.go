package motion

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func options(mode Mode) Options {
	return Options{
		Mode: mode, HoldOff: 10 * time.Second, BothWindow: 5 * time.Second,
		Longest: time.Minute, Cooldown: 10 * time.Second, CooldownMax: 5 * time.Minute, Quiet: 10 * time.Minute,
	}
}

var kinds = map[Kind]string{Moving: "ON", Still: "OFF", Started: "start", Ended: "end", Suppressed: "suppressed"}

func (c Change) text(zero time.Time) string {
	s := fmt.Sprintf("%v %s", c.At.Sub(zero).Seconds(), kinds[c.Kind])
	if c.Kind != Moving && c.Kind != Still {
		s += " " + c.By.String()
	}
	if c.Suppressed > 0 {
		s += fmt.Sprintf(" after %d", c.Suppressed)
	}
	if c.Continued {
		s += " continued"
	}
	return s
}

// play runs a script of "seconds what" steps; between steps it lets the
// machine tick when it asks for it, as the loop does.
func play(t *testing.T, m *Machine, script string) []string {
	t.Helper()
	zero := time.Now()
	var got []string
	note := func(cs []Change) {
		for _, c := range cs {
			got = append(got, c.text(zero))
		}
	}
	for _, step := range strings.Split(script, ",") {
		var sec float64
		var what string
		if _, err := fmt.Sscan(step, &sec, &what); err != nil {
			t.Fatalf("step %q: %v", step, err)
		}
		at := zero.Add(time.Duration(sec * float64(time.Second)))
		for next, ok := m.Next(); ok && next.Before(at); next, ok = m.Next() {
			note(m.Tick(next))
		}
		switch what {
		case "arm":
			note(m.Arm(at, true))
		case "disarm":
			note(m.Arm(at, false))
		case "pir+", "pir-":
			note(m.PIR(at, what == "pir+"))
		case "frames+", "frames-":
			note(m.Frames(at, what == "frames+"))
		case "press":
			note(m.Press(at, 3*time.Second))
		case "full":
			note(m.Full(at))
		case "stop":
			note(m.Stop(at))
		case "cooldown3":
			m.SetCooldown(at, 3*time.Second)
		case "either", "pir", "frames", "both":
			m.SetMode(Mode(what))
		case "wait":
			note(m.Tick(at))
		default:
			t.Fatalf("no step %q", what)
		}
	}
	return got
}

func TestMachine(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   Mode
		script string
		want   string
	}{
		{"a pulse is an event, over after the hold-off", Either, "0 arm,1 pir+,4 pir-,60 wait",
			"1 ON|1 start pir|14 OFF|14 end pir"},
		{"frames hold motion up", Either, "0 arm,1 frames+,5 frames+,8 frames-,60 wait",
			"1 ON|1 start frames|15 OFF|15 end frames"},
		{"who joins is named at the end", Either, "0 arm,1 pir+,2 frames+,3 pir-,60 wait",
			"1 ON|1 start pir|13 OFF|13 end pir+frames"},
		{"pir mode is deaf to frames", PIROnly, "0 arm,1 frames+,20 pir+,21 pir-,60 wait",
			"20 ON|20 start pir|31 OFF|31 end pir"},
		{"frames mode is deaf to the sensor", FramesOnly, "0 arm,1 pir+,30 wait", ""},
		{"both wants both: sensor first", Both, "0 arm,1 pir+,3 pir-,5 frames+,60 wait",
			"5 ON|5 start pir+frames|15 OFF|15 end pir+frames"},
		{"both wants both: frames first", Both, "0 arm,1 frames+,2 frames-,4 pir+,5 pir-,60 wait",
			"4 ON|4 start pir+frames|15 OFF|15 end pir+frames"},
		{"both: a sensor that stays high counts as long as it does", Both, "0 arm,1 pir+,20 frames+,21 frames-,22 pir-,60 wait",
			"20 ON|20 start pir+frames|32 OFF|32 end pir+frames"},
		{"frames mode: the sensor does not hold motion up", FramesOnly, "0 arm,1 frames+,2 frames-,5 pir+,8 pir-,60 wait",
			"1 ON|1 start frames|11 OFF|11 end frames"},
		{"a press begins no cool-down", Either, "0 arm,1 press,6 pir+,7 pir-,60 wait",
			"1 start manual|4 end manual|6 ON|6 start pir|17 OFF|17 end pir"},
		{"a full press has no next event", Either, "0 arm,1 pir+,2 pir-,15 pir+,16 press,17 full,18 pir-,60 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|15 ON|15 suppressed pir|16 start manual after 1|17 end manual|28 OFF"},
		{"both: too far apart", Both, "0 arm,1 pir+,2 pir-,8 frames+,9 frames-,60 wait", ""},
		{"both: motion that outlasts the cool-down was seen by both", Both, "0 arm,1 pir+,1.5 frames+,2 pir-,3 frames-,18 pir+,18.5 frames+,19 pir-,22 frames+,23 frames+,24 frames-,60 wait",
			"1.5 ON|1.5 start pir+frames|12 OFF|12 end pir+frames|18.5 ON|18.5 suppressed pir+frames|22 start pir+frames after 1|33 OFF|33 end pir+frames"},
		{"a trigger in the cool-down is motion, and counted", Either, "0 arm,1 pir+,2 pir-,15 pir+,16 pir-,40 pir+,41 pir-,60 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|15 ON|15 suppressed pir|26 OFF|40 ON|40 start pir after 1|51 OFF|51 end pir"},
		{"a swallowed trigger doubles the next cool-down", Either, "0 arm,1 pir+,2 pir-,15 pir+,16 pir-,30 pir+,31 pir-,60 pir+,62 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|15 ON|15 suppressed pir|26 OFF|30 ON|30 start pir after 1|41 OFF|41 end pir|60 ON|60 suppressed pir|61 start pir after 1"},
		{"quiet brings the cool-down back", Either, "0 arm,1 pir+,2 pir-,15 pir+,16 pir-,30 pir+,31 pir-,700 pir+,701 pir-,722 pir+,723 pir-,740 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|15 ON|15 suppressed pir|26 OFF|30 ON|30 start pir after 1|41 OFF|41 end pir|700 ON|700 start pir|711 OFF|711 end pir|722 ON|722 start pir|733 OFF|733 end pir"},
		{"who stays through the cool-down becomes an event", Either, "0 arm,1 pir+,2 pir-,15 pir+,40 pir-,80 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|15 ON|15 suppressed pir|22 start pir after 1|50 OFF|50 end pir"},
		{"a long event turns into the next", Either, "0 arm,1 pir+,70 pir-,100 wait",
			"1 ON|1 start pir|61 end pir|61 start pir continued|80 OFF|80 end pir"},
		{"a full event turns into the next", Either, "0 arm,1 pir+,30 full,31 pir-,100 wait",
			"1 ON|1 start pir|30 end pir|30 start pir continued|41 OFF|41 end pir"},
		{"a press needs no arming and no motion", Either, "1 press,10 wait", "1 start manual|4 end manual"},
		{"a press during an event adds none", Either, "0 arm,1 pir+,2 press,3 pir-,60 wait",
			"1 ON|1 start pir|13 OFF|13 end pir"},
		{"motion takes over from a press", Either, "0 arm,1 press,2 pir+,3 pir-,60 wait",
			"1 start manual|2 ON|2 end manual|2 start pir|13 OFF|13 end pir"},
		{"a press is exempt from the cool-down", Either, "0 arm,1 pir+,2 pir-,13 press,60 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|13 start manual|16 end manual"},
		{"disarmed is silent", Either, "1 pir+,2 frames+,9 wait", ""},
		{"disarming ends all at once", Either, "0 arm,1 pir+,2 disarm,3 pir-,4 pir+,30 wait",
			"1 ON|1 start pir|2 OFF|2 end pir"},
		{"armed while the sensor is high", Either, "0 pir+,5 arm,6 pir-,60 wait",
			"5 ON|5 start pir|16 OFF|16 end pir"},
		{"stopping tells OFF", Either, "0 arm,1 frames+,2 stop", "1 ON|1 start frames|2 OFF|2 end frames"},
		{"a shorter cool-down counts at once", Either, "0 arm,1 pir+,2 pir-,13 cooldown3,16 pir+,17 pir-,40 wait",
			"1 ON|1 start pir|12 OFF|12 end pir|16 ON|16 start pir|27 OFF|27 end pir"},
		{"frames that go on after a change of mode count", PIROnly, "0 arm,1 frames+,2 frames+,2.5 either,3 frames+,4 frames-,40 wait",
			"3 ON|3 start frames|13 OFF|13 end frames"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(play(t, New(options(c.mode)), c.script), "|")
			if got != c.want {
				t.Errorf("script %s\n got %s\nwant %s", c.script, got, c.want)
			}
		})
	}
}

// The cool-down doubles up to its limit, and the longest event is none of a
// press's: its length is its own.
func TestLimits(t *testing.T) {
	o := options(Either)
	o.CooldownMax, o.Longest = 15*time.Second, 2*time.Second
	got := strings.Join(play(t, New(o), "1 press,3.5 wait,10 wait"), "|")
	if want := "1 start manual|4 end manual"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	o.Longest = time.Minute
	got = strings.Join(play(t, New(o), "0 arm,1 pir+,2 pir-,15 pir+,16 pir-,30 pir+,31 pir-,50 pir+,80 stop"), "|")
	if want := "1 ON|1 start pir|12 OFF|12 end pir|15 ON|15 suppressed pir|26 OFF|30 ON|30 start pir after 1|41 OFF|41 end pir|" +
		"50 ON|50 suppressed pir|56 start pir after 1|80 OFF|80 end pir"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Whatever comes in whatever order: motion and events alternate, an event that
// began ends, and Next never points at a moment that Tick does nothing about.
func TestMachineAlternates(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := New(options(Modes()[r.IntN(4)]))
		at := time.Now()
		on, open := false, false
		check := func(cs []Change) {
			for _, c := range cs {
				switch c.Kind {
				case Moving, Still:
					if on == (c.Kind == Moving) {
						t.Fatalf("seed %d: motion told twice as %v", seed, !on)
					}
					on = !on
				case Started, Ended:
					if open == (c.Kind == Started) {
						t.Fatalf("seed %d: event open %v, then again", seed, open)
					}
					open = !open
				}
			}
		}
		for range 400 {
			if next, ok := m.Next(); ok && r.IntN(3) > 0 {
				if next.After(at) {
					at = next
				}
				check(m.Tick(at))
				if again, ok := m.Next(); ok && !again.After(at) {
					t.Fatalf("seed %d: nothing was done about %v", seed, at)
				}
				continue
			}
			at = at.Add(time.Duration(r.IntN(8000)) * time.Millisecond)
			switch r.IntN(8) {
			case 0:
				check(m.Arm(at, r.IntN(4) > 0))
			case 1, 2:
				check(m.PIR(at, r.IntN(2) == 0))
			case 3, 4, 5:
				check(m.Frames(at, r.IntN(2) == 0))
			case 6:
				check(m.Press(at, 3*time.Second))
			case 7:
				check(m.Full(at))
			}
		}
		check(m.Stop(at))
		if on || open {
			t.Fatalf("seed %d: stopped with motion %v, event %v", seed, on, open)
		}
	}
}
