//go:build peers

package peers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pirwatch/capture/scene"
	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/receive/archive"
)

// pretend is a camera of the test's own hand: it says on the wire what a
// daemon says, when the test wants it, and echoes commands.
type pretend struct {
	t     testing.TB
	name  string
	addr  string
	link  *mqtt.Link
	mu    sync.Mutex
	got   []string // commands as "name payload"
	shots int
	tuned context.CancelFunc // ends the score; nil: none is told
	store *archive.Archive   // where the daemon's archive would be; may be nil
}

const pageBase = "pirwatch"

func pretendCamera(t testing.TB, addr, name string, store *archive.Archive) *pretend {
	t.Helper()
	c := &pretend{t: t, name: name, addr: addr, store: store}
	c.connect()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		c.link.Close(ctx)
	})
	return c
}

// connect says all that is retained.
func (c *pretend) connect() {
	c.t.Helper()
	commands := make(chan mqtt.Message, 64)
	link, err := mqtt.Connect(c.t.Context(), mqtt.Options{
		URL: "mqtt://" + c.addr, ClientID: "pretend-" + fmt.Sprintf("%x", c.name), CleanSession: true,
		Will: &mqtt.Will{Topic: c.topic("status"), Payload: []byte("offline"), QoS: 1, Retain: true},
	}, func(m mqtt.Message) {
		select {
		case commands <- m:
		default:
		}
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.link = link
	if !strings.ContainsAny(c.name, "+#") {
		if err := link.Subscribe(c.t.Context(), map[string]byte{c.topic("+/set"): 1, c.topic("capture"): 1, c.topic("tune"): 1, c.topic("resend"): 1}); err != nil {
			c.t.Fatal(err)
		}
	}
	for name, payload := range map[string]string{
		"status": "online", "motion": "OFF", "armed": "ON", "trigger": "either", "cooldown": "10", "sensitivity": "50",
		"masks":  `{"ignore":[[[0.7,0.1],[0.98,0.1],[0.98,0.6],[0.7,0.6]]],"watch":[],"privacy":[]}`,
		"health": `{"camera":"ok","camera_error":"","fps":9.8,"sensor":"ok","broker":"ok","queue_pictures":0,"queue_bytes":0,"oldest_s":0,"dropped":0,"suppressed":2,"incomplete_resends":0,"disk":"ok","cpu_c":48.3,"clock":"synced","uptime_s":86400,"version":"1.0.0"}`,
	} {
		c.say(name, payload, true)
	}
	go func() {
		for {
			select {
			case m := <-commands:
				c.obey(strings.TrimPrefix(m.Topic, c.topic("")), string(m.Payload))
			case <-link.Lost():
				return
			}
		}
	}()
}

func (c *pretend) topic(name string) string { return pageBase + "/" + c.name + "/" + name }

func (c *pretend) say(name, payload string, retain bool) {
	c.link.Publish(c.topic(name), []byte(payload), 1, retain)
}

// obey does what the daemon does with a command.
func (c *pretend) obey(name, payload string) {
	c.mu.Lock()
	c.got = append(c.got, name+" "+payload)
	c.mu.Unlock()
	setting, set := strings.CutSuffix(name, "/set")
	switch {
	case set && setting == "cooldown" && payload == "13": // what a daemon does with a bad value: nothing
	case set:
		c.say(setting, payload, true)
	case name == "capture":
		c.burst(burst{trigger: "manual", pictures: 2})
	case name == "tune":
		if c.tuned != nil {
			c.tuned()
		}
		if c.tuned = nil; payload == "ON" {
			var ctx context.Context
			ctx, c.tuned = context.WithCancel(c.t.Context())
			go c.tune(ctx, c.link)
		}
	}
}

func (c *pretend) commands() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// tune says scores until it is ended or the link is lost.
func (c *pretend) tune(ctx context.Context, link *mqtt.Link) {
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-link.Lost():
			return
		case <-time.After(500 * time.Millisecond):
		}
		score := 0.004 + 0.003*float64(i%7) + 0.02*float64(i%11/8)
		c.say("score", fmt.Sprintf(`{"at":%q,"score":%.4f,"threshold":0.012,"box":[0.4,0.3,0.12,0.4]}`, stamp(time.Now()), score), false)
		c.live()
	}
}

func stamp(t time.Time) string { return t.UTC().Format(chunk.TimeLayout) }

// pageScene draws a picture, and tells where somebody is in it.
var pageScene = sync.OnceValue(func() func(int) ([]byte, *[4]float64) {
	s := scene.New(scene.Options{Width: 640, Height: 360, Light: 0.9, First: time.Second, Every: 20 * time.Second, PersonHeight: 0.42})
	var mu sync.Mutex
	return func(i int) ([]byte, *[4]float64) {
		mu.Lock()
		defer mu.Unlock()
		jpeg, truth := s.Frame(i)
		if !truth.Person {
			return jpeg, nil
		}
		return jpeg, &truth.Box
	}
})

func (c *pretend) live() {
	c.shots++
	jpeg, _ := pageScene()(c.shots % 200)
	c.link.Publish(c.topic("live"), jpeg, 0, false)
}

// burst is an event to play.
type burst struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	trigger  string
	pictures int
	Skip     int  `json:"skip"` // the last picture lacks this many pieces
	Open     bool `json:"open"` // motion does not end
}

// played is what the camera sent.
type played struct {
	ID       string            `json:"id"`
	Pictures map[string]string `json:"pictures"` // pic_id: sha256 of the JPEG
}

// burst plays an event in the protocol's order.
func (c *pretend) burst(b burst) played {
	if b.At.IsZero() {
		b.At = time.Now()
	}
	if b.ID == "" {
		b.ID = fmt.Sprintf("01K%023X", b.At.UnixMilli())
	}
	out := played{ID: b.ID, Pictures: map[string]string{}}
	manual := b.trigger == "manual"
	if !manual {
		c.say("motion", "ON", true)
	}
	kind := "motion_start"
	if manual {
		kind = "manual"
	}
	first := 8 + c.shots*3%80
	cover, _ := pageScene()(first)
	c.link.Publish(c.topic("image"), cover, 1, true)
	c.say("event", fmt.Sprintf(`{"event_type":%q,"event_id":%q,"at":%q,"trigger":%q,"score":0.021}`, kind, b.ID, stamp(b.At), b.trigger), false)
	summary := func(phase string) string {
		ids := []string{}
		for i := range b.pictures {
			ids = append(ids, fmt.Sprintf("%s-%02d", b.ID, i))
		}
		text, _ := json.Marshal(map[string]any{
			"phase": phase, "event_id": b.ID, "started_at": stamp(b.At), "ended_at": stamp(b.At.Add(6200 * time.Millisecond)), "duration_s": 6.2,
			"trigger": b.trigger, "score": 0.031, "frames": b.pictures, "published": b.pictures, "queued": 0, "dropped": 0, "suppressed": 1,
			"cover": fmt.Sprintf("%s-%02d", b.ID, b.pictures/2), "cover_scaled": false, "pic_ids": ids, "clock": "synced",
		})
		return string(text)
	}
	c.say("last_event", summary("open"), true)
	for i := range b.pictures {
		jpeg, box := pageScene()(first + i*5)
		sum := sha256.Sum256(jpeg)
		p := chunk.Picture{PicID: fmt.Sprintf("%s-%02d", b.ID, i), EventID: b.ID, Seq: i, Taken: b.At.Add(time.Duration(i) * 500 * time.Millisecond), JPEG: jpeg, Box: box}
		s := chunk.Format{}.Split(p)
		n := s.Pieces()
		if i == b.pictures-1 && b.Skip > 0 {
			n -= b.Skip
		} else {
			out.Pictures[p.PicID] = hex.EncodeToString(sum[:])
			if c.store != nil {
				c.store.SavePicture(c.name, p.Taken, p.PicID, jpeg)
				if p.Box != nil {
					c.store.SaveBox(c.name, p.PicID, *p.Box)
				}
			}
		}
		for pos := range n {
			token := c.link.Publish(c.topic("chunk"), s.Append(nil, pos), 1, false)
			if pos%16 == 15 {
				<-token.Done()
			}
		}
	}
	c.shots++
	if b.Open {
		return out
	}
	if !manual {
		c.say("motion", "OFF", true)
	}
	best, _ := pageScene()(first + b.pictures/2*5)
	c.link.Publish(c.topic("image"), best, 1, true)
	if c.store != nil {
		c.store.SaveSummary(c.name, b.At, b.ID, []byte(summary("closed")))
	}
	c.say("last_event", summary("closed"), true)
	c.say("history", summary("closed"), false)
	return out
}
