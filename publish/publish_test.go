package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// wait lets virtual time pass until everything has settled.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestOrderOfAnEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		r := start(t, b, nil, nil)
		r.State("motion", []byte("OFF"))
		wait(time.Second)
		if got := b.topics(0); got != "status motion" {
			t.Fatalf("at the start: %s", got)
		}
		n := b.count()
		began := time.Now()
		r.State("motion", []byte("ON"))
		r.Cover(evID, began, []byte("provisional"))
		r.EventMessage("motion_start", evID, began, "pir", nil)
		r.Open(Event{ID: evID, StartedAt: began, Trigger: "pir"})
		r.shoot(evID, 0, 3, 500)
		wait(5 * time.Second)
		r.State("motion", []byte("OFF"))
		r.EventMessage("motion_end", evID, time.Now(), "pir", nil)
		r.Cover(evID, began.Add(time.Second), []byte("best"))
		score := 0.0312345
		r.Close(Event{ID: evID, StartedAt: began, EndedAt: time.Now(), Trigger: "pir", Score: &score, Suppressed: 2, Cover: picID(evID, 1)})
		wait(time.Second)
		if got, want := b.topics(n), "motion image event last_event chunk motion event image last_event history"; got != want {
			t.Errorf("order\n%s, want\n%s", got, want)
		}
		ids, pics := b.pictures()
		if fmt.Sprint(ids) != fmt.Sprint([]string{picID(evID, 0), picID(evID, 1), picID(evID, 2)}) {
			t.Errorf("pictures %v", ids)
		}
		for i, id := range ids {
			if string(pics[id].JPEG) != string(jpegOf(evID, i, 500)) || pics[id].EventID != evID || pics[id].Seq != i {
				t.Errorf("picture %s came as %+v", id, pics[id])
			}
		}
		s := last[summary](b, "last_event")
		want := summary{Phase: "closed", EventID: evID, StartedAt: wireTime(began), EndedAt: s.EndedAt, DurationS: 5, Trigger: "pir", Score: s.Score,
			Frames: 3, Published: 3, Suppressed: 2, Cover: picID(evID, 1), PicIDs: ids, Clock: "synced"}
		if fmt.Sprintf("%+v", s) != fmt.Sprintf("%+v", want) || *s.Score != 0.0312 {
			t.Errorf("last_event %+v, want %+v", s, want)
		}
		if h := b.on("history"); len(h) != 1 || h[0] != b.on("last_event")[len(b.on("last_event"))-1] {
			t.Errorf("history %v", h)
		}
		var e map[string]any
		json.Unmarshal([]byte(b.on("event")[0]), &e)
		if len(e) != 5 || e["event_type"] != "motion_start" || e["event_id"] != evID || e["trigger"] != "pir" || e["score"] != nil {
			t.Errorf("event %v", e)
		}
		for _, m := range b.got {
			retained := !strings.HasSuffix(m.topic, "/chunk") && !strings.HasSuffix(m.topic, "/event") && !strings.HasSuffix(m.topic, "/history")
			if m.retain != retained || m.qos != 1 {
				t.Errorf("%s: retained %v, QoS %d", m.topic, m.retain, m.qos)
			}
		}
	})
}

// After an outage only what is true now is told; pictures and history come late.
func TestAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("no route")
		r := start(t, b, nil, nil)
		r.State("motion", []byte("ON"))
		r.Cover(eventID(1), time.Now(), []byte("old"))
		r.EventMessage("motion_start", eventID(1), time.Now(), "pir", nil)
		r.whole(eventID(1), 2, 500)
		time.Sleep(10 * time.Minute)
		r.State("motion", []byte("OFF"))
		r.Open(Event{ID: eventID(2), StartedAt: time.Now()})
		r.Cover(eventID(2), time.Now(), []byte("new"))
		r.Cover(eventID(1), time.Now(), []byte("late cover of the older event"))
		r.EventMessage("motion_start", eventID(2), time.Now(), "pir", nil)
		r.shoot(eventID(2), 0, 2, 500)
		r.Send("live", []byte("stale"))
		b.set(func() { b.refuse = nil })
		r.o.Backoff.Longest = time.Second
		wait(5 * time.Minute)
		if got := b.on("motion"); fmt.Sprint(got) != "[OFF]" {
			t.Errorf("motion %v", got)
		}
		if got := b.on("image"); fmt.Sprint(got) != "[new]" {
			t.Errorf("image %v", got)
		}
		for _, e := range b.on("event") {
			if strings.Contains(e, eventID(1)) {
				t.Errorf("late event message %s", e)
			}
		}
		if len(b.on("live")) != 0 {
			t.Error("a stale live picture was sent")
		}
		ids, _ := b.pictures()
		want := []string{picID(eventID(2), 0), picID(eventID(2), 1), picID(eventID(1), 0), picID(eventID(1), 1)}
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("pictures %v, want %v", ids, want)
		}
		if h := last[summary](b, "history"); h.EventID != eventID(1) || h.Frames != 2 {
			t.Errorf("history %+v", h)
		}
		if !strings.HasPrefix(b.topics(0), "status ") {
			t.Errorf("first came %s", b.topics(0))
		}
		if h := r.Health(); h.Broker != "ok" || h.Pictures != 0 {
			t.Errorf("health %+v", h)
		}
	})
}

// States are published again after a reconnect, with online first.
func TestReconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		r := start(t, b, nil, nil)
		r.State("armed", []byte("ON"))
		r.Retain("homeassistant/device/x/config", []byte("{}"))
		r.State("health", []byte("{}"))
		wait(time.Second)
		n := b.count()
		b.cut(mqtt.ErrClosedByBroker)
		wait(2 * time.Second)
		if got := b.topics(n); got != "status armed homeassistant/device/x/config health" {
			t.Errorf("after the reconnect: %s", got)
		}
		if w := b.wills[1]; w.Topic != "pirwatch/cam/status" || string(w.Payload) != "offline" || !w.Retain || w.QoS != 1 {
			t.Errorf("will %+v", w)
		}
		for _, want := range []string{"pirwatch/cam/+/set", "pirwatch/cam/capture", "pirwatch/cam/tune", "pirwatch/cam/resend"} {
			if _, ok := b.subs[want]; !ok {
				t.Errorf("not subscribed to %s: %v", want, b.subs)
			}
		}
	})
}

// A link that drops again and again still finishes a large picture: what was
// acknowledged is not sent again, but for piece 0.
func TestGoesOnAfterACut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		pieces := 0
		b.kill = func(topic string, _ []byte) bool {
			if !strings.HasSuffix(topic, "chunk") {
				return false
			}
			pieces++
			return pieces%40 == 0
		}
		r := start(t, b, nil, func(o *Options) { o.Backoff.Longest = time.Second })
		r.whole(evID, 1, 75_000) // 1000 pieces
		wait(10 * time.Minute)
		ids, _ := b.pictures()
		if len(ids) != 1 {
			t.Fatalf("%d pictures", len(ids))
		}
		seen := map[string]int{}
		for _, p := range b.on("chunk") {
			seen[p]++
		}
		twice := 0
		for p, n := range seen {
			if n > 1 && !strings.Contains(p, `"pos":0,`) {
				twice++
			}
		}
		for p, n := range seen {
			if strings.Contains(p, `"pos":0,`) && n < len(b.links)/2 {
				t.Errorf("piece 0 came %d times over %d links", n, len(b.links))
			}
		}
		if len(seen) != 1000 || twice != 0 {
			t.Errorf("%d different pieces, %d sent again although acknowledged", len(seen), twice)
		}
		if n := len(b.links); n < 10 || r.Health().Quarantined != 0 {
			t.Errorf("%d links, %+v", n, r.Health())
		}
		if b.maxOpen > 32 {
			t.Errorf("%d unacknowledged pieces", b.maxOpen)
		}
	})
}

// The recipe's pages count: a picture that was cut short goes whole again,
// under a fresh id, and no piece comes twice.
func TestRecipeGoesWholeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		pieces := 0
		b.kill = func(topic string, _ []byte) bool {
			if !strings.HasSuffix(topic, "chunk") {
				return false
			}
			pieces++
			return pieces == 5
		}
		r := start(t, b, nil, func(o *Options) { o.Wire = Recipe })
		r.whole(evID, 1, 750)
		wait(time.Minute)
		byID := map[string]int{}
		for _, p := range b.on("chunk") {
			var m struct {
				PicID string `json:"pic_id"`
			}
			json.Unmarshal([]byte(p), &m)
			byID[m.PicID]++
		}
		if len(byID) != 2 || byID[picID(evID, 0)] != 4 {
			t.Fatalf("pieces by id: %v", byID)
		}
		delete(byID, picID(evID, 0))
		for id, n := range byID {
			if n != 10 || !strings.HasPrefix(id, picID(evID, 0)) {
				t.Errorf("the second time: %s, %d pieces", id, n)
			}
		}
	})
}

func TestWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.delay = time.Second
		r := start(t, b, nil, func(o *Options) { o.Window = 7 })
		r.whole(evID, 3, 7500)
		r.State("armed", []byte("ON"))
		wait(1500 * time.Millisecond)
		if len(b.on("armed")) != 1 {
			t.Error("a state waited behind pieces")
		}
		wait(5 * time.Minute)
		if ids, _ := b.pictures(); len(ids) != 3 || b.maxOpen != 7 {
			t.Errorf("%d pictures, %d unacknowledged pieces", len(ids), b.maxOpen)
		}
	})
}

func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		r := start(t, b, nil, func(o *Options) { o.PiecesPerSec, o.PieceBurst = 10, 20 })
		wait(time.Second)
		from := time.Now()
		r.whole(evID, 1, 75*120) // 120 pieces: 20 at once, 100 in 10 s
		wait(5 * time.Second)
		r.State("armed", []byte("ON"))
		wait(100 * time.Millisecond)
		if len(b.on("armed")) != 1 {
			t.Error("a state waited for the pace of pieces")
		}
		wait(time.Minute)
		var end time.Time
		for _, m := range b.got {
			if strings.HasSuffix(m.topic, "chunk") {
				end = m.at
			}
		}
		if took := end.Sub(from).Seconds(); took < 9.9 || took > 10.3 {
			t.Errorf("120 pieces took %.2f s", took)
		}
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		r := start(t, b, nil, func(o *Options) { o.BytesPerSecond, o.ChunkSize = 3000, 3000 })
		r.whole(evID, 1, 22500) // 10 pieces of 3000 characters
		wait(5 * time.Second)
		if ids, _ := b.pictures(); len(ids) != 0 {
			t.Error("faster than the bytes a second")
		}
		wait(20 * time.Second)
		if ids, _ := b.pictures(); len(ids) != 1 {
			t.Error("slower than the bytes a second")
		}
	})
}

// Every change of the newest event's counts is told, the last with queued 0.
func TestLastEventFollows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("down")
		q := openQueue(t, queue.Options{RAMBytes: 4000})
		r := start(t, b, q, func(o *Options) { o.Backoff.Longest = time.Second })
		r.whole(evID, 8, 1000)
		b.set(func() { b.refuse = nil })
		wait(time.Minute)
		all := b.on("last_event")
		var s summary
		lastQueued := 99
		for _, text := range all {
			json.Unmarshal([]byte(text), &s)
			if s.Published+s.Queued+s.Dropped != s.Frames || s.Queued > lastQueued {
				t.Errorf("counts %+v", s)
			}
			lastQueued = s.Queued
		}
		if s.Queued != 0 || s.Dropped == 0 || s.Frames != 8 || s.Phase != "closed" {
			t.Errorf("at the end %+v", s)
		}
		if h := r.Health(); h.Dropped != uint64(s.Dropped) {
			t.Errorf("health %+v", h)
		}
		r.dropped(evID, 1) // as the queue tells it
		wait(time.Second)
		if now := last[summary](b, "last_event"); now.Dropped != s.Dropped+1 {
			t.Errorf("after another drop %+v", now)
		}
	})
}

// The newest event's first picture does not wait for an old, large burst.
func TestNewestEventFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.delay = 100 * time.Millisecond
		r := start(t, b, nil, nil)
		r.whole(eventID(1), 3, 75_000)
		wait(time.Second)
		r.Open(Event{ID: eventID(2), StartedAt: time.Now()})
		r.shoot(eventID(2), 0, 2, 500)
		wait(2 * time.Second)
		ids, _ := b.pictures()
		if fmt.Sprint(ids) != fmt.Sprint([]string{picID(eventID(2), 0), picID(eventID(2), 1)}) {
			t.Errorf("first came %v", ids)
		}
		wait(5 * time.Minute)
		if ids, _ := b.pictures(); len(ids) != 5 {
			t.Errorf("in the end %v", ids)
		}
	})
}

func TestSuppressedIsThrottled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		r := start(t, b, nil, nil)
		for range 300 {
			r.EventMessage("suppressed", evID, time.Now(), "pir", nil)
			wait(time.Second)
		}
		if n := len(b.on("event")); n != 5 {
			t.Errorf("%d suppressed events in five minutes", n)
		}
	})
}

func TestGracefulStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		r := start(t, b, nil, nil)
		wait(time.Second)
		r.whole(evID, 2, 1500)
		r.State("motion", []byte("OFF"))
		from := time.Now()
		r.stop()
		if took := time.Since(from); took > time.Second {
			t.Errorf("stopping took %v with little to do", took)
		}
		all := b.topics(0)
		if ids, _ := b.pictures(); len(ids) != 2 || !strings.HasSuffix(all, "status") || last2(b.on("status")) != "offline" || last2(b.on("motion")) != "OFF" {
			t.Errorf("%v %s %v", ids, all, b.on("status"))
		}
	})
	bubble(t, func(t *testing.T) { // a broker that does not answer: kept
		b := newBroker(t)
		r := start(t, b, nil, nil)
		wait(time.Second)
		b.set(func() { b.mute = true })
		r.whole(evID, 2, 1500)
		wait(time.Second)
		from := time.Now()
		r.stop()
		if took := time.Since(from); took > 8*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if s := r.q.Stats(); s.Pictures != 2 || s.Summaries != 1 {
			t.Errorf("kept %+v", s)
		}
		if _, ok := r.q.Next(); !ok {
			t.Error("what is kept is still leased")
		}
	})
	bubble(t, func(t *testing.T) { // no link
		b := newBroker(t)
		b.refuse = errors.New("down")
		r := start(t, b, nil, nil)
		wait(time.Hour)
		from := time.Now()
		r.stop()
		if time.Since(from) != 0 {
			t.Errorf("stopping took %v", time.Since(from))
		}
	})
}

func last2(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}
