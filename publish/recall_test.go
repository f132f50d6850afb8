package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// album is an archive of events, newest first, one a minute.
type album struct {
	events []ArchivedEvent
	reads  atomic.Int32
}

// add keeps an event with pictures; closed says that it has a summary.
func (a *album) add(event string, at time.Time, pictures int, closed bool) {
	e := ArchivedEvent{ID: event, StartedAt: at}
	for seq := range pictures {
		e.PicIDs = append(e.PicIDs, picID(event, seq))
	}
	if closed {
		e.Summary, _ = json.Marshal(summary{Phase: "closed", EventID: event, StartedAt: wireTime(at), Trigger: "pir", Frames: pictures, Queued: pictures,
			Cover: picID(event, 1), PicIDs: e.PicIDs, Clock: "synced"})
	}
	a.events = append([]ArchivedEvent{e}, a.events...)
}

func (a *album) list(from, to time.Time, most int) (out []ArchivedEvent) {
	a.reads.Add(1)
	for _, e := range a.events {
		if len(out) < most && !e.StartedAt.Before(from) && e.StartedAt.Before(to) {
			out = append(out, e)
		}
	}
	return out
}

func (a *album) look(id string) ([]byte, time.Time, bool) {
	event, seq := splitID(id)
	for _, e := range a.events {
		if e.ID == event && seq < len(e.PicIDs) {
			return jpegOf(event, seq, 500), e.StartedAt, true
		}
	}
	return nil, time.Time{}, false
}

func (a *album) options(o *Options) { o.Archived, o.Lookup = a.list, a.look }

// ask sends a recall and returns the answer.
func (r *rig) ask(c recallCommand) (got recallResult, events []summary) {
	r.b.t.Helper()
	text, _ := json.Marshal(c)
	n := len(r.b.on("recall/result"))
	r.b.deliver("pirwatch/cam/recall", string(text), false)
	wait(time.Second)
	all := r.b.on("recall/result")
	if len(all) != n+1 {
		r.b.t.Fatalf("%d answers to %s", len(all)-n, text)
	}
	json.Unmarshal([]byte(all[n]), &got)
	if len(all[n]) > pageBytes+200 {
		r.b.t.Errorf("a page of %d bytes", len(all[n]))
	}
	for _, text := range got.Events {
		var s summary
		if err := json.Unmarshal(text, &s); err != nil {
			r.b.t.Error(err)
		}
		events = append(events, s)
	}
	return got, events
}

// Events of this run and of earlier ones are told again to who asks, newest
// first and a page at a time, and nobody else is told.
func TestRecall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		a := &album{}
		for i := range 200 {
			a.add(eventID(i), time.Now().Add(time.Duration(i)*time.Minute), 8, i%10 != 5)
		}
		time.Sleep(200 * time.Minute)
		r := start(t, b, nil, a.options)
		wait(time.Minute)
		r.whole(eventID(200), 2, 500) // in this run's memory only
		wait(time.Minute)
		r.Open(Event{ID: eventID(201), StartedAt: time.Now(), Trigger: "pir"})
		r.shoot(eventID(201), 0, 1, 500)
		a.add(eventID(201), time.Now(), 1, false) // open: not told
		wait(time.Second)
		history := len(b.on("history"))

		next, told, pages := "", []string{}, 0
		for {
			page, events := r.ask(recallCommand{LastS: 100 * 3600, Next: next, ID: "x"})
			if !page.OK || page.ID != "x" || len(events) > pageEvents {
				t.Fatalf("page %+v", page)
			}
			for _, s := range events {
				told = append(told, s.EventID)
				if s.Phase != "closed" || s.Queued != 0 || s.Frames != s.Published || s.Frames != len(s.PicIDs) || s.Frames < 2 {
					t.Errorf("told %+v", s)
				}
			}
			pages++
			if next = page.Next; next == "" {
				break
			}
		}
		if len(told) != 201 || pages < 5 {
			t.Fatalf("%d events on %d pages", len(told), pages)
		}
		for i, id := range told {
			if id != eventID(200-i) {
				t.Fatalf("event %d is %s", i, id)
			}
		}
		if _, events := r.ask(recallCommand{LastS: 3600}); len(events) == 0 || len(events) > 60 {
			t.Errorf("%d events of the last hour", len(events))
		}
		if n := len(b.on("history")); n != history {
			t.Errorf("%d more on history", n-history)
		}
	})
}

// Events of one moment are all told, although a page ends among them.
func TestRecallOfOneMoment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := &album{}
		now := time.Now()
		for i := range pageEvents {
			a.add(eventID(i), now, 1, true)
		}
		r := start(t, newBroker(t), nil, func(o *Options) { a.options(o); o.Limits = Limits{Packet: 4096} })
		wait(time.Minute)
		told := map[string]bool{}
		next := ""
		for range 40 {
			page, events := r.ask(recallCommand{LastS: 3600, Next: next})
			for _, s := range events {
				if told[s.EventID] {
					t.Errorf("%s twice", s.EventID)
				}
				told[s.EventID] = true
			}
			if next = page.Next; next == "" {
				break
			}
		}
		if len(told) != pageEvents || next != "" {
			t.Errorf("%d events told, next %q", len(told), next)
		}
	})
}

// Whoever asks too often is told so, and the archive is read twice a second at most.
func TestRecallIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		a := &album{}
		a.add(eventID(1), time.Now(), 1, true)
		r := start(t, b, nil, a.options)
		wait(time.Minute)
		reads := a.reads.Load()
		for range 100 {
			b.deliver("pirwatch/cam/recall", `{"last_s":60,"id":"y"}`, false)
		}
		wait(10 * time.Second)
		busy := 0
		for _, text := range b.on("recall/result") {
			if strings.Contains(text, `"ok":false,"reason":"busy"`) && strings.Contains(text, `"id":"y"`) {
				busy++
			}
		}
		if n := int(a.reads.Load() - reads); n > maxRecalls+1 || busy != 100-n {
			t.Errorf("read %d times, %d busy", n, busy)
		}
		reads = a.reads.Load()
		for range 20 { // for two seconds
			b.deliver("pirwatch/cam/recall", `{"last_s":60}`, false)
			wait(100 * time.Millisecond)
		}
		if n := int(a.reads.Load() - reads); n < 3 || n > 5 {
			t.Errorf("read %d times in two seconds", n)
		}
		wait(10 * time.Second)
		n := len(b.on("recall/result"))
		for _, text := range []string{"", "x", "{}", `{"last_s":-1}`, `{"last_s":"1"}`, `{"last_s":60,"id":"` + strings.Repeat("x", 129) + `"}`, strings.Repeat(" ", 2000) + `{"last_s":60}`} {
			b.deliver("pirwatch/cam/recall", text, false)
		}
		b.deliver("pirwatch/cam/recall", `{"last_s":60}`, true)
		wait(10 * time.Second)
		if len(b.on("recall/result")) != n {
			t.Error("nonsense, or a retained command, was answered")
		}
		r.stop()
	})
}

// Where pictures that are sent again have other names nobody may ask.
func TestNoRecallInTheRecipeProfile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		a := &album{}
		a.add(eventID(1), time.Now(), 1, true)
		start(t, b, nil, func(o *Options) { a.options(o); o.Wire = Recipe })
		wait(time.Minute)
		if _, ok := b.subs["pirwatch/cam/recall"]; ok {
			t.Error("subscribed")
		}
		b.deliver("pirwatch/cam/recall", `{"last_s":3600}`, false)
		wait(time.Minute)
		if len(b.on("recall/result")) != 0 {
			t.Error("answered")
		}
	})
}

// A broker that has lost what it retained gets the newest event back, cover
// included; one that has it, or has a newer one, is left alone.
func TestRestore(t *testing.T) {
	old := `{"phase":"closed","event_id":"%s","started_at":"2026-11-22T12:00:00.000Z","trigger":"pir","clock":"synced"}`
	for _, c := range []struct {
		name     string
		retained string // event; "": none
		noRetain bool
		began    bool // an event begins first
		image    int  // covers published
		event    string
		empty    bool // the newest event has no pictures
	}{
		{"nothing", "", false, false, 1, eventID(7), false},
		{"an older event", eventID(3), false, false, 1, eventID(7), false},
		{"this event", eventID(7), false, false, 0, eventID(7), false},
		{"a newer event", eventID(8), false, false, 0, "", false},
		{"a broker without retained messages", "", true, false, 0, "", false},
		{"a new event", "", false, true, 0, eventID(9), false},
		{"nothing, and the newest event has no pictures", "", false, false, 1, eventID(7) + "a", true},
	} {
		bubble(t, func(t *testing.T) {
			b := newBroker(t)
			a := &album{}
			for i := 3; i <= 7; i++ {
				a.add(eventID(i), time.Now().Add(time.Duration(i)*time.Minute), 4, true)
			}
			if c.empty {
				a.add(eventID(7)+"a", time.Now().Add(8*time.Minute), 0, true)
			}
			a.add(eventID(7)+"x", time.Now().Add(8*time.Minute), 1, false) // cut short: not this one
			time.Sleep(time.Hour)
			r := start(t, b, nil, func(o *Options) {
				a.options(o)
				if c.noRetain {
					o.Limits = Limits{Packet: 65_536}
				}
			})
			wait(time.Second)
			if c.retained != "" {
				b.deliver("pirwatch/cam/last_event", fmt.Sprintf(old, c.retained), true)
			}
			if c.began {
				r.Open(Event{ID: eventID(9), StartedAt: time.Now(), Trigger: "pir"})
			}
			wait(time.Minute)
			image := b.on("image")
			if len(image) != c.image || c.image > 0 && image[0] != string(jpegOf(eventID(7), 1, 500)) {
				t.Errorf("%s: %d covers published", c.name, len(image))
			}
			if c.event == "" {
				if n := len(b.on("last_event")); n != 0 {
					t.Errorf("%s: %d times last_event", c.name, n)
				}
			} else if s := last[summary](b, "last_event"); s.EventID != c.event {
				t.Errorf("%s: last_event %+v", c.name, s)
			}
			if len(b.on("history")) != 0 {
				t.Errorf("%s: history %v", c.name, b.on("history"))
			}
			// A later loss in the same run is made good from memory.
			reads := a.reads.Load()
			b.cut(errors.New("cut"))
			wait(time.Minute)
			want := c.image
			if strings.HasPrefix(c.event, eventID(7)) {
				want++
			}
			if n := len(b.on("image")); n != want || a.reads.Load() != reads {
				t.Errorf("%s: %d covers after a reconnect, want %d", c.name, n, want)
			}
		})
	}
}

// What the broker has retained is not asked for by a run that has an event of
// its own, nor for ever: a link may die of the answer.
func TestRetainedIsNotAskedForForEver(t *testing.T) {
	for _, began := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			b := newBroker(t)
			r := start(t, b, nil, func(o *Options) { (&album{}).options(o) })
			asked, links := 0, 0
			for range 30 {
				for n := links; n == links; wait(time.Second) {
					b.set(func() { links = len(b.links) })
				}
				b.set(func() {
					if _, ok := b.subs["pirwatch/cam/last_event"]; ok {
						asked++
					}
					clear(b.subs)
				})
				b.cut(io.ErrUnexpectedEOF)
				if began {
					r.Open(Event{ID: eventID(9), StartedAt: time.Now(), Trigger: "pir"})
					began = false
				}
			}
			if most := map[bool]int{false: maxAsked, true: 1}[r.began]; asked == 0 || asked > most {
				t.Errorf("asked on %d links, want 1 to %d", asked, most)
			}
		})
	}
}

// What is restored goes on counting where pictures are still queued.
func TestRestoredEventIsFollowed(t *testing.T) {
	dir := t.TempDir()
	a := &album{}
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuse = errors.New("down")
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, nil)
		r.whole(eventID(1), 3, 1000)
		a.add(eventID(1), time.Now(), 3, true)
		r.stop()
		closeQueue()
	})
	bubble(t, func(t *testing.T) {
		b := newBroker(t)
		q, closeQueue := spool(t, dir)
		r := start(t, b, q, func(o *Options) { a.options(o); o.PiecesPerSec, o.PieceBurst = 1, 1 })
		wait(20 * time.Second)
		if s := last[summary](b, "last_event"); s.EventID != eventID(1) || s.Queued == 0 {
			t.Errorf("last_event %+v", s)
		}
		wait(10 * time.Minute)
		if s := last[summary](b, "last_event"); s.Queued != 0 || s.Published != 3 || s.Frames != 3 {
			t.Errorf("last_event %+v", s)
		}
		if n := len(b.on("history")); n != 1 {
			t.Errorf("%d times on history", n)
		}
		if s := q.Stats(); s.Pictures+s.Summaries != 0 {
			t.Errorf("left in the queue: %+v", s)
		}
		r.stop()
		closeQueue()
	})
}

// A delivery that the restored counts have in them already counts once.
func TestDeliveredOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, newBroker(t), nil, nil)
		wait(time.Second)
		rec := &record{id: evID, closed: true, frames: 2, dropped: 1, published: 1}
		r.mu.Lock()
		r.book.add(rec)
		r.mu.Unlock()
		r.delivered(&transfer{event: evID})
		if rec.published != 1 {
			t.Errorf("published %d of %d, %d dropped", rec.published, rec.frames, rec.dropped)
		}
	})
}
