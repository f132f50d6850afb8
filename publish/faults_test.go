package publish

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pirwatch/publish/mqtt"
)

func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("no route to host")
		r := start(t, b, nil, func(o *Options) { o.Backoff = Backoff{First: time.Second, Factor: 2, Longest: time.Minute} })
		wait(time.Hour)
		bound, total := time.Second, time.Duration(0)
		for i := 1; i < len(b.dials); i++ {
			pause := b.dials[i].Sub(b.dials[i-1])
			if pause > bound {
				t.Errorf("pause %d is %v, at most %v", i, pause, bound)
			}
			bound = min(time.Minute, 2*bound)
			if i > 20 {
				total += pause
			}
		}
		if n := len(b.dials); n < 60 || n > 300 {
			t.Errorf("%d tries in an hour", n)
		}
		if mean := total / time.Duration(len(b.dials)-21); mean < 20*time.Second || mean > 40*time.Second {
			t.Errorf("mean pause %v, want about half a minute", mean)
		}
		h := r.Health()
		if h.Broker != "waiting" || !strings.Contains(h.Err, "no route") || time.Until(h.NextTry) <= 0 || time.Until(h.NextTry) > time.Minute {
			t.Errorf("health %+v", h)
		}
		if n := strings.Count(r.log.String(), "no link"); n < 2 || n > 12 {
			t.Errorf("%d lines in the log for %d tries", n, len(b.dials))
		}
	})
}

// A broker that accepts and then drops gets longer and longer pauses; a stable
// link resets them.
func TestBackoffAfterLinks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.kill = func(string, []byte) bool { return true }
		r := start(t, b, nil, nil)
		wait(time.Hour)
		if n := len(b.dials); n > 60 {
			t.Errorf("%d links in an hour", n)
		}
		if n := strings.Count(r.log.String(), "two cameras of one name"); n != 1 {
			t.Errorf("told %d times of two cameras of one name", n)
		}
		b.set(func() { b.kill = nil })
		wait(20 * time.Minute)
		n := len(b.dials)
		b.cut(errors.New("reset by peer"))
		wait(time.Second)
		if len(b.dials) != n+1 {
			t.Error("after a stable link the pause was longer than a second")
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, refusal := range []error{mqtt.ErrCredentials, mqtt.ErrClientID, mqtt.ErrProtocol} {
		bubble(t, func(t *testing.T) {
			b := newBroker(t)
			b.refuse = fmt.Errorf("connect: %w", refusal)
			r := start(t, b, nil, nil)
			wait(time.Hour)
			if n := len(b.dials); n < 11 || n > 15 {
				t.Errorf("%v: %d tries in an hour", refusal, n)
			}
			if h := r.Health(); h.Broker != "refused" || h.Err == "" || h.NextTry.IsZero() {
				t.Errorf("health %+v", h)
			}
			if !strings.Contains(r.log.String(), refusal.Error()) {
				t.Errorf("log: %s", r.log)
			}
		})
	}
}

// A piece that kills the link is put aside, and the rest goes on.
func TestPoisonIsQuarantined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		poison := fmt.Sprintf(`"pic_id":"%s","pos":7,`, picID(evID, 2))
		b.kill = func(topic string, payload []byte) bool { return strings.Contains(string(payload), poison) }
		r := start(t, b, nil, nil)
		r.whole(evID, 6, 1500)
		wait(30 * time.Minute)
		ids, _ := b.pictures()
		if len(ids) != 5 || slices.Contains(ids, picID(evID, 2)) {
			t.Errorf("pictures %v", ids)
		}
		if h := r.Health(); h.Quarantined != 1 || h.Dropped != 1 || h.Pictures != 0 {
			t.Errorf("health %+v", h)
		}
		if s := last[summary](b, "last_event"); s.Published != 5 || s.Dropped != 1 || s.Queued != 0 {
			t.Errorf("last_event %+v", s)
		}
		deaths := 0
		for _, m := range b.seen {
			if strings.Contains(m.payload, poison) {
				deaths++
			}
		}
		if deaths < 2 || deaths > 3 {
			t.Errorf("the poison was sent %d times", deaths)
		}
	})
}

// A broker that restarts, at whatever moment and however often, never causes a
// quarantine.
func TestRestartsNeverQuarantine(t *testing.T) {
	for seed := range uint64(30) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			b := newBroker(t)
			b.delay = time.Duration(1+rng.IntN(200)) * time.Millisecond
			r := start(t, b, nil, func(o *Options) { o.Backoff.Longest = 2 * time.Second })
			r.whole(evID, 5, 4000)
			for range 100 {
				wait(time.Duration(rng.IntN(3000)) * time.Millisecond)
				err := error(mqtt.ErrClosedByBroker)
				if rng.IntN(3) == 0 {
					err = mqtt.ErrSilent
				}
				b.set(func() { b.refuse = errors.New("connection refused") })
				if len(b.links) > 0 {
					b.cut(err)
				}
				wait(time.Duration(rng.IntN(5000)) * time.Millisecond)
				b.set(func() { b.refuse = nil })
			}
			wait(10 * time.Minute)
			if h := r.Health(); h.Quarantined != 0 || h.Pictures != 0 {
				t.Errorf("seed %d: %+v", seed, h)
			}
			if ids, _ := b.pictures(); len(ids) != 5 {
				t.Errorf("seed %d: %v", seed, ids)
			}
		})
	}
}

// A state that the broker does not take is given up, and does not keep
// everything else from being delivered.
func TestRefusedImageIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.kill = func(topic string, payload []byte) bool { return len(payload) > 100_000 }
		r := start(t, b, nil, nil)
		r.Cover(evID, time.Now(), make([]byte, 200_000))
		r.whole(evID, 3, 1500)
		r.State("armed", []byte("ON"))
		wait(30 * time.Minute)
		if ids, _ := b.pictures(); len(ids) != 3 || len(b.on("armed")) == 0 || r.Health().Quarantined != 0 {
			t.Errorf("pictures %v, armed %v, %+v", ids, b.on("armed"), r.Health())
		}
		if !strings.Contains(r.log.String(), "max_packet") {
			t.Errorf("log: %s", r.log)
		}
		r.Cover(evID, time.Now(), []byte("small"))
		wait(time.Minute)
		if fmt.Sprint(b.on("image")) != "[small]" {
			t.Errorf("image %q", b.on("image"))
		}
	})
}
