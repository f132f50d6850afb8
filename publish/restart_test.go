package publish

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pirwatch/publish/mqtt"
	"pirwatch/publish/queue"
)

// spool opens a queue on disk and runs it; close ends it as the daemon does.
func spool(t *testing.T, dir string) (q *queue.Queue, close func()) {
	t.Helper()
	q = openQueue(t, queue.Options{Dir: dir, Spool: queue.Always})
	return q, func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What an earlier run left is delivered, and its history with it, once.
func TestHistorySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("down")
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		r.whole(eventID(1), 3, 1000)
		r.whole(eventID(2), 2, 1000)
		wait(time.Minute)
		r.stop()
		closeQueue()
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		wait(time.Minute)
		ids, _ := b.pictures()
		if len(ids) != 5 {
			t.Errorf("pictures %v", ids)
		}
		h := b.on("history")
		if len(h) != 2 || !strings.Contains(h[0], eventID(1)) || !strings.Contains(h[1], eventID(2)) {
			t.Fatalf("history %v", h)
		}
		if s := last[summary](b, "history"); s.Frames != 2 || s.Dropped != 0 || s.Published+s.Queued != 2 || fmt.Sprint(s.PicIDs) != fmt.Sprint([]string{picID(eventID(2), 0), picID(eventID(2), 1)}) {
			t.Errorf("history %+v", s)
		}
		if st := q.Stats(); st.Pictures+st.Summaries != 0 {
			t.Errorf("left in the queue: %+v", st)
		}
		r.stop()
		closeQueue()
	})
}

// An event that a crash cut short is closed later, with the pictures that were left.
func TestCutShortEventIsClosed(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("down")
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		r.Open(Event{ID: eventID(1), StartedAt: time.Now(), Trigger: "pir"})
		r.shoot(eventID(1), 0, 3, 1000)
		r.stop() // no Close: as a crash leaves it
		closeQueue()
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		wait(time.Minute)
		if s := last[summary](b, "history"); len(b.on("history")) != 1 || s.EventID != eventID(1) || s.Frames != 3 || s.Published != 3 || s.Trigger != "pir" || len(s.PicIDs) != 3 {
			t.Errorf("history %+v", s)
		}
		r.stop()
		closeQueue()
	})
}

// History goes out once although the restart comes while the event's pictures
// are still on their way.
func TestHistoryOnceOverARestart(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("down")
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, func(o *Options) { o.Backoff.Longest = time.Second })
		r.whole(eventID(1), 3, 1000)
		r.whole(eventID(2), 1, 1000)
		wait(time.Minute)
		b.set(func() { // history passes, the older event's pictures do not
			b.refuse = nil
			b.kill = func(topic string, payload []byte) bool {
				return strings.Contains(string(payload), eventID(1)+"-") && strings.HasSuffix(topic, "chunk")
			}
		})
		wait(1500 * time.Millisecond)
		if len(b.on("history")) != 2 {
			t.Fatalf("history %v", b.on("history"))
		}
		r.stop()
		closeQueue()
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		wait(time.Minute)
		if h := b.on("history"); len(h) != 0 {
			t.Errorf("history again: %v", h)
		}
		if ids, _ := b.pictures(); len(ids) != 3 {
			t.Errorf("pictures %v", ids)
		}
		if s := q.Stats(); s.Pictures+s.Summaries != 0 {
			t.Errorf("left in the queue: %+v", s)
		}
		r.stop()
		closeQueue()
	})
}

// last_event of an earlier run is brought to its end, if the broker still has it.
func TestLastEventIsTakenUp(t *testing.T) {
	dir := t.TempDir()
	var retained string
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		wait(time.Second)
		b.set(func() { b.kill = func(topic string, _ []byte) bool { return strings.HasSuffix(topic, "chunk") } })
		r.whole(eventID(1), 3, 1000)
		wait(100 * time.Millisecond)
		retained = last2(b.on("last_event"))
		r.stop()
		closeQueue()
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		wait(0)
		b.deliver("pirwatch/cam/last_event", retained, true)
		wait(time.Minute)
		if s := last[summary](b, "last_event"); s.EventID != eventID(1) || s.Published != 3 || s.Queued != 0 || s.Phase != "closed" {
			t.Errorf("last_event %+v, was %s", s, retained)
		}
		r.stop()
		closeQueue()
	})
	bubble(t, func(t *testing.T) { // open, and nothing left of it
		b := newBroker(t)
		start(t, b, nil, nil)
		wait(0)
		b.deliver("pirwatch/cam/last_event", `{"phase":"open","event_id":"`+eventID(3)+`","started_at":"2026-11-22T12:00:00.000Z","trigger":"pir","clock":"synced"}`, true)
		wait(2 * time.Minute)
		if s := last[summary](b, "last_event"); s.EventID != eventID(3) || s.Phase != "closed" || s.StartedAt != "2026-11-22T12:00:00.000Z" {
			t.Errorf("last_event %+v", s)
		}
		if len(b.on("history")) != 1 {
			t.Errorf("history %v", b.on("history"))
		}
	})
}

// Recipe pages: a picture that an earlier run may have begun has a fresh id.
func TestRecipeAfterARestart(t *testing.T) {
	dir := t.TempDir()
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("down")
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, func(o *Options) { o.Wire = Recipe })
		r.whole(evID, 1, 1000)
		r.stop()
		closeQueue()
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, func(o *Options) { o.Wire = Recipe })
		wait(time.Minute)
		if ids, _ := b.pictures(); len(ids) != 1 || ids[0] == picID(evID, 0) {
			t.Errorf("pictures %v", ids)
		}
		r.stop()
		closeQueue()
	})
}

// bootClock is a Pi without a clock: wrong until told the time.
type bootClock struct {
	boot   string
	booted time.Time
	synced *bool
}

func (c bootClock) Synced() bool             { return *c.synced }
func (c bootClock) BootID() string           { return c.boot }
func (c bootClock) SinceBoot() time.Duration { return time.Since(c.booted) }

func TestUnsyncedClock(t *testing.T) {
	for _, c := range []struct {
		boot, clock string
		learns      bool
	}{{"a", "synced", true}, {"a", "unsynced", false}, {"b", "unsynced", true}} {
		dir := t.TempDir()
		bubble(t, func(t *testing.T) {
			synced := false
			booted := time.Now()
			b := newBroker(t)
			b.refuse = errors.New("down")
			q, closeQueue := spool(t, dir)
			r := start(t, b, q, func(o *Options) { o.Clock = bootClock{"a", booted, &synced} })
			wait(time.Minute)
			r.whole(evID, 1, 1000)
			r.stop()
			closeQueue()

			// Another run; the bubble's clock plays the corrected one, which gives the
			// same moment a date that the old stamp's wall time does not.
			b = newBroker(t)
			q, closeQueue = spool(t, dir)
			synced = c.learns
			r = start(t, b, q, func(o *Options) { o.Clock = bootClock{c.boot, booted.Add(-time.Hour), &synced} })
			wait(time.Minute)
			want := booted.Add(time.Minute)
			if c.clock == "synced" {
				want = want.Add(-time.Hour) // by the second run's boot time
			}
			if s := last[summary](b, "history"); s.Clock != c.clock || s.StartedAt != wireTime(want) {
				t.Errorf("%+v: history %s %s, want %s", c, s.Clock, s.StartedAt, wireTime(want))
			}
			_, pics := b.pictures()
			if p := pics[picID(evID, 0)]; p == nil || wireTime(p.Taken) != wireTime(want) {
				t.Errorf("%+v: picture %+v", c, p)
			}
			r.stop()
			closeQueue()
		})
	}
}

func TestResend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		archived := eventID(9) + "-01"
		r := start(t, b, nil, func(o *Options) {
			o.RecentBytes = 2500
			o.Lookup = func(id string) ([]byte, time.Time, bool) {
				return jpegOf("archived", 1, 500), time.UnixMilli(1700000000000), id == archived
			}
		})
		r.whole(eventID(1), 4, 1000)
		wait(time.Second)
		answer := func(command string) (result string, pieces int) {
			t.Helper()
			n, c := len(b.on("resend/result")), len(b.on("chunk"))
			b.deliver("pirwatch/cam/resend", command, false)
			wait(time.Second)
			if all := b.on("resend/result"); len(all) > n {
				result = all[len(all)-1]
			}
			return result, len(b.on("chunk")) - c
		}
		id := picID(eventID(1), 3)
		for _, c := range []struct {
			command, result string
			pieces          int
		}{
			{`{"pic_id":"` + id + `","pos":[3,4,99]}`, `{"pic_id":"` + id + `","ok":true,"reason":"queued"}`, 2},
			{`{"pic_id":"` + id + `"}`, `{"pic_id":"` + id + `","ok":true,"reason":"queued"}`, 14},
			{`{"pic_id":"` + archived + `"}`, `{"pic_id":"` + archived + `","ok":true,"reason":"queued"}`, 7},
			{`{"pic_id":"` + id + `","pos":[99]}`, `{"pic_id":"` + id + `","ok":false,"reason":"unknown"}`, 0},
			{`{"pic_id":"` + picID(eventID(1), 0) + `"}`, `{"pic_id":"` + picID(eventID(1), 0) + `","ok":false,"reason":"expired"}`, 0},
			{`{"pic_id":"` + picID(eventID(1), 7) + `"}`, `{"pic_id":"` + picID(eventID(1), 7) + `","ok":false,"reason":"unknown"}`, 0},
			{`{"pic_id":"stranger"}`, `{"pic_id":"stranger","ok":false,"reason":"unknown"}`, 0},
			{`{"pic_id":""}`, "", 0}, {`nonsense`, "", 0},
		} {
			if result, pieces := answer(c.command); result != c.result || pieces != c.pieces {
				t.Errorf("%s: %s and %d pieces, want %s and %d", c.command, result, pieces, c.result, c.pieces)
			}
		}
		// What is in the queue comes anyway, and comes once.
		b.set(func() { b.delay = 100 * time.Millisecond })
		before := len(b.on("chunk"))
		r.whole(eventID(2), 4, 1000)
		if result, _ := answer(`{"pic_id":"` + picID(eventID(2), 3) + `"}`); !strings.Contains(result, `"ok":true,"reason":"queued"`) {
			t.Errorf("a queued picture: %s", result)
		}
		wait(time.Minute)
		if pieces := len(b.on("chunk")) - before; pieces != 4*14 {
			t.Errorf("%d pieces of 4 pictures of 14 each", pieces)
		}
		b.set(func() { b.delay = time.Millisecond })
		id = picID(eventID(2), 3)
		n := len(b.on("chunk"))
		b.deliver("pirwatch/cam/resend", `{"pic_id":"`+id+`"}`, true)
		wait(time.Second)
		if len(b.on("chunk")) != n {
			t.Error("a retained resend command was obeyed")
		}
		b.set(func() { b.mute = true })
		for range 5 * maxJobs {
			b.deliver("pirwatch/cam/resend", fmt.Sprintf(`{"pic_id":"%s","pos":[1]}`, id), false)
		}
		wait(time.Second)
		b.set(func() { b.mute = false })
		b.cut(mqtt.ErrSilent)
		wait(time.Minute)
		if all := strings.Join(b.on("resend/result"), " "); !strings.Contains(all, "busy") {
			t.Errorf("never busy: %s", all)
		}
		if h := r.Health(); h.Resends < 300 {
			t.Errorf("health %+v", h)
		}
	})
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		wire                 Wire
		topic, payload, want string
	}{
		{Standard, "pirwatch/cam/armed/set", "ON", "armed/set ON true"},
		{Standard, "pirwatch/cam/capture", "PRESS", "capture PRESS true"},
		{Standard, "homeassistant/status", "online", "ha online true"},
		{Standard, "elsewhere/armed/set", "ON", ""},
		{Watson, "iot-2/cmd/armed/fmt/json", `{"d":{"armed":"ON"}}`, "armed/set ON true"},
		{Watson, "iot-2/cmd/cooldown/fmt/json", `{"d":{"cooldown":30}}`, "cooldown/set 30 true"},
		{Watson, "iot-2/cmd/capture/fmt/json", `PRESS`, "capture PRESS true"},
		{Watson, "iot-2/cmd/masks/fmt/json", `{"d":{"ignore":[]}}`, `masks/set {"ignore":[]} true`},
	} {
		got := ""
		p := New(Options{Wire: c.wire, Base: "pirwatch", Camera: "cam",
			OnCommand: func(name string, payload []byte, retained bool) {
				got = fmt.Sprintf("%s %s %v", name, payload, retained)
			},
			OnMessage: map[string]func([]byte, bool){"homeassistant/status": func(payload []byte, retained bool) { got = fmt.Sprintf("ha %s %v", payload, retained) }},
		}, openQueue(t, queue.Options{}), nil, nil)
		p.incoming(mqtt.Message{Topic: c.topic, Payload: []byte(c.payload), Retained: true})
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.topic, c.payload, got, c.want)
		}
	}
}

func TestWatson(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		limits, err := BrokerLimits("watson")
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, b, nil, func(o *Options) { o.Wire, o.Envelope, o.Limits = Watson, 2, limits })
		r.State("motion", []byte("ON"))
		r.Cover(evID, time.Now(), []byte("image"))
		r.Send("live", []byte("image"))
		r.State("health", []byte(`{"camera":"ok"}`))
		r.whole(evID, 1, 300)
		wait(time.Minute)
		topics := map[string]string{}
		for _, m := range b.got {
			if m.retain {
				t.Errorf("%s retained", m.topic)
			}
			topics[m.topic] = m.payload
		}
		for topic, want := range map[string]string{
			"iot-2/evt/status/fmt/json": `{"d":{"status":"online"}}`, "iot-2/evt/motion/fmt/json": `{"d":{"motion":"ON"}}`,
			"iot-2/evt/health/fmt/json": `{"d":{"camera":"ok"}}`,
		} {
			if topics[topic] != want {
				t.Errorf("%s: %s, want %s", topic, topics[topic], want)
			}
		}
		for _, topic := range []string{"iot-2/evt/picture/fmt/json", "iot-2/evt/last_event/fmt/json", "iot-2/evt/history/fmt/json"} {
			if !strings.HasPrefix(topics[topic], `{"d":`) {
				t.Errorf("%s: %s", topic, topics[topic])
			}
		}
		if len(topics) != 6 {
			t.Errorf("topics %v", topics)
		}
		if w := b.wills[0]; w.Topic != "iot-2/evt/status/fmt/json" || string(w.Payload) != `{"d":{"status":"offline"}}` || w.Retain {
			t.Errorf("will %+v", w)
		}
		if _, ok := b.subs["iot-2/cmd/+/fmt/json"]; !ok || len(b.subs) != 1 {
			t.Errorf("subscribed to %v", b.subs)
		}
	})
}

func TestCovers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		asked := 0
		r := start(t, b, nil, func(o *Options) {
			o.Base64, o.DataURI = true, true
			o.Limits = Limits{Packet: 10_000, Retain: true}
			o.Shrink = func(jpeg []byte, most int) ([]byte, error) {
				asked = most
				if jpeg[0] == 'x' {
					return nil, errors.New("cannot")
				}
				return jpeg[:most], nil
			}
		})
		r.Open(Event{ID: evID, StartedAt: time.Now()})
		r.Cover(evID, time.Now(), append([]byte("abc"), make([]byte, 20_000)...))
		r.Close(Event{ID: evID, StartedAt: time.Now(), EndedAt: time.Now()})
		wait(time.Second)
		if len(b.on("image")) != 1 || len(b.on("image")[0]) != asked || !strings.HasPrefix(b.on("image/base64")[0], "YWJj") ||
			!strings.HasPrefix(b.on("image/datauri")[0], "data:image/jpeg;base64,YWJj") || len(b.on("image/datauri")[0]) > 9_990 {
			t.Errorf("image of %d bytes, asked for %d", len(b.on("image")[0]), asked)
		}
		if s := last[summary](b, "last_event"); !s.CoverScaled {
			t.Errorf("last_event %+v", s)
		}
		r.Cover(evID, time.Now(), append([]byte("x"), make([]byte, 20_000)...))
		wait(time.Second)
		if len(b.on("image")) != 1 {
			t.Error("a cover too large was published")
		}
	})
}

func TestBrokerLimits(t *testing.T) {
	for _, name := range []string{"mosquitto", "watson", "aws", "azure", "thingsboard", "emqx", "hivemq"} {
		l, err := BrokerLimits(name)
		if err != nil || l.Packet == 0 {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if _, err := BrokerLimits("other"); err == nil || !strings.Contains(err.Error(), "thingsboard") {
		t.Errorf("other: %v", err)
	}
	o := Options{ChunkSize: 180_000, Limits: Limits{Packet: 65_536, PiecesPerSec: 5, Window: 4}}
	o.setDefaults()
	if o.ChunkSize > 65_536-pieceOverhead || o.PiecesPerSec != 5 || o.Window != 4 || o.PieceBurst > 5 {
		t.Errorf("options %+v", o)
	}
}
