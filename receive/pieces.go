package receive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/receive/archive"
)

const (
	tooFarAhead     = 24 * time.Hour // a stranger's time later than this is not believed
	maxName         = 120            // bytes of a camera's name; the archive takes no longer one
	maxUnsaved      = 256
	maxUnsavedBytes = 32 << 20
	retryEvery      = 5 * time.Second
)

// work takes the messages one by one and looks after what is missing. It alone
// touches the unfinished pictures.
func (r *Receiver) work(ctx context.Context) {
	r.began = time.Now()
	r.review(r.began)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for name, c := range r.cameras {
				if open, held := c.pieces.Held(); open > 0 {
					r.log.Warn("receive: stopped with unfinished pictures; they are asked for at the next start where their event is known", "camera", name, "pictures", open, "bytes", held)
				}
			}
			return
		case m := <-r.messages:
			r.take(m)
		case now := <-tick.C:
			r.expire(now)
			r.retry(now)
			r.probe(now)
			r.ask(now)
			r.askEvents(now)
		}
	}
}

// take sorts one message.
func (r *Receiver) take(m mqtt.Message) {
	if r.o.Topic != "" {
		r.piece(r.nameOf(m.Topic), m.Payload, false)
		return
	}
	rest, ok := strings.CutPrefix(m.Topic, r.o.Base+"/")
	if !ok {
		return
	}
	name, kind, _ := strings.Cut(rest, "/")
	if len(name) > maxName {
		r.count(func(s *Stats) { s.Refused++ })
		return
	}
	r.seen(name, time.Now())
	switch kind {
	case "chunk":
		r.piece(name, m.Payload, true)
	case "history":
		r.summary(name, m.Payload, true)
	case "last_event":
		r.summary(name, m.Payload, false)
	case "resend/result":
		r.answer(name, m.Payload)
	case "recall/result":
		r.recalled(name, m.Payload, time.Now())
	case "status":
		if string(m.Payload) == "online" {
			r.hurry(name, time.Now())
			if c := r.recalls[name]; c != nil {
				c.soon(time.Now())
			}
		}
	}
}

// nameOf is the camera's name for a topic of a stranger's.
func (r *Receiver) nameOf(topic string) string {
	if r.o.Camera != "+" {
		return r.o.Camera
	}
	if levels := strings.Split(topic, "/"); len(levels) > 5 && levels[0] == "iot-2" && levels[1] == "type" && levels[3] == "id" {
		return levels[4]
	}
	return strings.ReplaceAll(strings.Trim(topic, "/"), "/", ".")
}

// assembler returns a camera's, or nil where there are too many cameras.
func (r *Receiver) assembler(name string, now time.Time) *camera {
	c := r.cameras[name]
	if c == nil {
		if len(r.cameras) >= maxCameras {
			return nil
		}
		c = &camera{pieces: chunk.NewAssembler(r.o.Limits)}
		r.cameras[name] = c
	}
	c.used = now
	return c
}

// piece takes one piece of a picture; askable says that its sender answers resend.
func (r *Receiver) piece(name string, payload []byte, askable bool) {
	now := time.Now()
	c := r.assembler(name, now)
	held := 0
	for _, other := range r.cameras {
		_, n := other.pieces.Held()
		held += n
	}
	if c == nil || held+len(payload) > maxHeld {
		r.count(func(s *Stats) { s.Refused++ })
		r.warn("full", "receive: a piece was refused: too many cameras or unfinished pictures", "camera", name, "cameras", len(r.cameras), "bytes", held)
		return
	}
	res, err := c.pieces.Add(now, payload)
	key := wantKey{name, res.PicID}
	if err != nil {
		r.count(func(s *Stats) { s.Refused++ })
		r.warn("piece "+name, "receive: a piece was refused", "camera", name, "err", err)
		if askable && res.PicID != "" && !errors.Is(err, chunk.ErrLimit) {
			r.wantNow(key, now)
		}
		return
	}
	if res.Duplicate {
		r.count(func(s *Stats) { s.Duplicates++ })
		return
	}
	if res.Done == nil {
		if askable {
			// The recipe's pieces have no event: such a picture comes again under another name.
			r.progress(key, now, res.Pos != 0 || bytes.Contains(payload, []byte(`"event_id"`)))
		}
		return
	}
	p := res.Done
	r.drop(key)
	if askable {
		r.came(name, p.EventID, p.PicID, p.Seq, now)
	}
	r.keep(kept{camera: name, id: p.PicID, at: believe(p.Taken, now), data: p.JPEG, box: p.Box})
}

// kept is a picture, or an event's summary, on its way to the archive.
type kept struct {
	camera, id string
	at         time.Time
	data       []byte
	box        *[4]float64
	summary    bool
	failed     bool // the disk did not take it at first
}

// keep saves a picture or a summary. What the disk does not take waits in
// memory, within limits, for the disk to heal.
func (r *Receiver) keep(k kept) {
	if len(r.unsaved) > 0 && !k.failed {
		r.wait(k)
		return
	}
	err := r.save(k)
	switch {
	case err == nil:
	case archive.IsRefusal(err):
		r.count(func(s *Stats) { s.Refused++ })
		r.warn("refusal "+k.camera, "receive: not kept", "camera", k.camera, "id", k.id, "err", err)
	default:
		r.warn("disk", "receive: the disk does not take it; it waits in memory", "camera", k.camera, "id", k.id, "err", err)
		r.wait(k)
	}
}

func (r *Receiver) save(k kept) error {
	if k.summary {
		if err := r.store.SaveSummary(k.camera, k.at, k.id, k.data); err != nil {
			return err
		}
		r.count(func(s *Stats) { s.Summaries++ })
		r.log.Info("receive: event", "camera", k.camera, "event_id", k.id)
		return nil
	}
	if err := r.store.SavePicture(k.camera, k.at, k.id, k.data); err != nil {
		return err
	}
	if k.box != nil {
		r.store.SaveBox(k.camera, k.id, *k.box)
	}
	r.count(func(s *Stats) { s.Pictures++ })
	r.log.Info("receive: picture", "camera", k.camera, "pic_id", k.id, "bytes", len(k.data), "taken", k.at.UTC().Format(chunk.TimeLayout))
	return nil
}

// wait keeps something for later, or gives up the oldest that waits.
func (r *Receiver) wait(k kept) {
	k.failed = true
	r.unsaved = append(r.unsaved, k)
	r.unsavedBytes += len(k.data)
	for len(r.unsaved) > maxUnsaved || r.unsavedBytes > maxUnsavedBytes {
		old := r.unsaved[0]
		r.unsaved = r.unsaved[1:]
		r.unsavedBytes -= len(old.data)
		r.count(func(s *Stats) { s.Failed++ })
		r.log.Error("receive: lost, since the disk takes nothing and memory is bounded", "camera", old.camera, "id", old.id)
	}
}

// retry saves what waits, in order, until one fails.
func (r *Receiver) retry(now time.Time) {
	if len(r.unsaved) == 0 || now.Before(r.nextRetry) {
		return
	}
	r.nextRetry = now.Add(retryEvery)
	for len(r.unsaved) > 0 {
		if err := r.save(r.unsaved[0]); err != nil && !archive.IsRefusal(err) {
			return
		}
		r.unsavedBytes -= len(r.unsaved[0].data)
		r.unsaved = r.unsaved[1:]
	}
}

// waits tells whether a picture waits for the disk.
func (r *Receiver) waits(key wantKey) bool {
	return slices.ContainsFunc(r.unsaved, func(k kept) bool { return k.camera == key.camera && k.id == key.pic })
}

// believe replaces a time that is missing or far in the future.
func believe(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now.Add(tooFarAhead)) {
		return now
	}
	return t
}

// event is what is read of a summary.
type event struct {
	Phase   string    `json:"phase"`
	ID      string    `json:"event_id"`
	Started time.Time `json:"started_at"`
	PicIDs  []string  `json:"pic_ids"`
	Queued  int       `json:"queued"`
	Cover   string    `json:"cover"` // none where the camera was killed during the event
}

// summary takes an event's summary: the one that history tells once is kept;
// either shows what is missing.
func (r *Receiver) summary(name string, payload []byte, keep bool) {
	now := time.Now()
	var e event
	if len(payload) > archive.MaxSummary || json.Unmarshal(payload, &e) != nil || e.ID == "" {
		r.count(func(s *Stats) { s.Refused++ })
		r.warn("summary "+name, "receive: an event's summary was refused: want a JSON object with event_id", "camera", name, "bytes", len(payload))
		return
	}
	if e.Phase != "closed" {
		return
	}
	if keep {
		r.keep(kept{camera: name, id: e.ID, at: believe(e.Started, now), data: payload, summary: true})
	}
	if len(e.PicIDs) == 0 || e.Cover == "" {
		r.nameless(name, e, now)
	} else {
		r.close(name, e.ID)
	}
	r.compare(name, e, now)
}

// expire gives up unfinished pictures, by name, and forgets cameras that fell silent.
func (r *Receiver) expire(now time.Time) {
	for name, c := range r.cameras {
		for _, in := range c.pieces.Expire(now) {
			r.count(func(s *Stats) { s.Incomplete++ })
			r.log.Warn("receive: picture incomplete", "camera", name, "pic_id", in.PicID, "event_id", in.EventID, "pieces", in.Have, "of", in.Size)
		}
		if open, _ := c.pieces.Held(); open == 0 && now.Sub(c.used) > idleAssembler {
			delete(r.cameras, name)
		}
	}
}
