//go:build peers

package peers

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pirwatch/publish/queue"
)

// crash is the daemon, killed again and again, with all that surrounds it.
type crash struct {
	t        *testing.T
	rng      *rand.Rand
	dir      string
	program  string
	webcam   *webcam
	broker   *broker
	tap      *tap
	received string // the receiver's folder
	log      *os.File

	cmd       *exec.Cmd // nil: not running
	spooled   map[string][32]byte
	archived  map[string][32]byte // pictures in the daemon's archive
	summaries map[string]bool     // events whose summary is there
	frames    map[string]uint64   // of pictures in the queue and the archive
	stopped   bool                // the broker, by a signal
	counts    struct{ kills, stops, restarts, robbed, bare int }
}

// crashKills is how many times the daemon is killed: PIRWATCH_KILLS, or 200.
func crashKills(t *testing.T) int {
	text := os.Getenv("PIRWATCH_KILLS")
	switch {
	case text != "":
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("PIRWATCH_KILLS=%q: want a number", text)
		}
		return n
	case os.Getenv("PIRWATCH_LONG") != "":
		return 2000
	}
	return 200
}

// The daemon is killed at random moments while the broker is paused, restarted
// and robbed of its store. Whatever was safe, acknowledged by the broker or
// written to disk, and whatever else the daemon's archive has, reaches a
// receiver that outlives it all, and nothing comes under two names.
func TestNothingSafeIsLostInCrashes(t *testing.T) {
	kills := crashKills(t)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("PIRWATCH_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("PIRWATCH_SEED=%d", seed)
	c := &crash{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), received: t.TempDir(), program: built(t),
		spooled: map[string][32]byte{}, archived: map[string][32]byte{}, summaries: map[string]bool{}, frames: map[string]uint64{},
	}
	c.webcam = newWebcam(t, footage(t), 15)
	c.broker = mosquitto(t, "persistence true", "persistence_location "+t.TempDir()+"/", "autosave_interval 1")
	c.tap = newTap(t, c.broker.addr)
	var err error
	if c.log, err = os.Create(filepath.Join(c.dir, "log")); err != nil {
		t.Fatal(err)
	}
	defer c.log.Close()
	receiver := start(t, c.program, "receive", "--broker", "mqtt://"+c.tap.Addr().String(), "--out", c.received)
	await(t, "the receiver's subscription", time.Minute, func() bool {
		c.tap.mu.Lock()
		defer c.tap.mu.Unlock()
		return !c.tap.heard.IsZero()
	})
	t.Cleanup(func() { c.end(); c.resume() })

	began := time.Now()
	trouble := began.Add(c.random(time.Second, 5*time.Second))
	for c.counts.kills < kills {
		c.start("frames")
		death := time.Now().Add(c.lifetime())
		for time.Now().Before(death) {
			press := time.Now().Add(c.random(50*time.Millisecond, 400*time.Millisecond))
			switch next := slices.MinFunc([]time.Time{death, trouble, press}, time.Time.Compare); next {
			case trouble:
				time.Sleep(time.Until(next))
				trouble = time.Now().Add(c.trouble())
			case press:
				time.Sleep(time.Until(next))
				c.tap.press("pirwatch/front/capture")
			default:
				time.Sleep(time.Until(next))
			}
		}
		c.kill()
	}
	c.resume()
	c.rob() // at last it has nothing but what comes now
	c.broker.start(t)
	t.Logf("killed %d times in %v; broker: %d pauses, %d restarts with its store, %d with an old one, %d without",
		c.counts.kills, time.Since(began).Round(time.Second), c.counts.stops, c.counts.restarts, c.counts.bare, c.counts.robbed)
	c.start("off")
	quiet := time.Now()
	patience := 4*time.Minute + time.Duration(kills)*300*time.Millisecond
	for missing := c.missing(); len(missing) > 0; missing = c.missing() {
		select {
		case <-receiver.done:
			t.Fatal("the receiver ended")
		case <-time.After(500 * time.Millisecond):
		}
		if time.Since(quiet) > patience {
			c.tell(missing)
			break
		}
	}
	t.Logf("the last of it came %v after the last start", time.Since(quiet).Round(time.Second))
	c.retained()
	c.end()
	c.readArchive()
	c.judge()
}

// retained looks at what the broker has retained: it lost all before a run that
// had no event of its own.
func (c *crash) retained() {
	s := subscribe(c.t, c.broker.addr, "pirwatch/front/last_event", "pirwatch/front/image")
	var last summary
	await(c.t, "last_event and the cover to be restored", 2*time.Minute, func() bool {
		events, images := s.on("pirwatch/front/last_event"), s.on("pirwatch/front/image")
		return len(events) > 0 && len(images) > 0 && json.Unmarshal(events[len(events)-1].payload, &last) == nil
	})
	c.readArchive()
	if !c.summaries[last.EventID] || last.Phase != "closed" {
		c.t.Errorf("last_event is %+v, which the archive does not have", last)
	}
	if _, err := c.webcam.number(s.on("pirwatch/front/image")[0].payload); err != nil {
		c.t.Errorf("the cover: %v", err)
	}
}

// rob kills the broker and takes its store away.
func (c *crash) rob() {
	c.counts.robbed++
	c.broker.proc.kill()
	c.forget()
	stores, _ := filepath.Glob(filepath.Join(c.store(), "*"))
	for _, s := range stores {
		os.Remove(s)
	}
}

// start starts the daemon; trigger "off" has no camera, so nothing new comes.
func (c *crash) start(trigger string) {
	config := fmt.Sprintf(`name = "front"
state_dir = %q
[broker]
url = "mqtt://%s"
keep_alive = "5s"
connect_timeout = "2s"
write_timeout = "2s"
[backoff]
first = "100ms"
longest = "1s"
[camera]
driver = "netcam"
fps = 15.0
detector_fps = 15.0
retry_first = "100ms"
[camera.netcam]
url = %q
[sensor]
driver = "off"
[motion]
trigger = "frames"
hold_off = "1s"
longest_event = "5s"
cooldown = "0s"
cooldown_max = "0s"
armed = %t
[detector]
learn = "200ms"
[burst]
frames = 8
interval = "100ms"
every = "200ms"
pre_roll_frames = 0
[queue]
deadline = "300ms"
spool = %q
[archive]
max_bytes = "4GB"
min_free = "0B"
[home_assistant]
discovery = false
[health]
interval = "5s"
[log]
level = "debug"
`, c.dir, c.tap.Addr(), c.webcam.URL, trigger != "off", []string{"on_failure", "always"}[c.rng.IntN(2)])
	path := filepath.Join(c.dir, "pirwatch.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.cmd = exec.Command(c.program, "run", "--config", path)
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	fmt.Fprintf(c.log, "-- start %d\n", c.counts.kills)
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crash) end() {
	if c.cmd != nil {
		c.cmd.Process.Kill()
		c.cmd.Wait()
		c.cmd = nil
	}
}

// kill ends the daemon as a crash would, and looks at what its queue had on disk.
func (c *crash) kill() {
	if c.cmd.ProcessState != nil {
		c.t.Fatal("the daemon ended by itself")
	}
	c.end()
	c.counts.kills++
	c.readQueue()
	c.readArchive()
}

// readArchive notes what is new in the daemon's archive. An event whose summary
// is there is whole, but for one that a crash cut short, whose summary has no
// cover: it is made of what was left in the queue.
func (c *crash) readArchive() {
	for path := range c.files() {
		name := filepath.Base(path)
		id := strings.TrimSuffix(strings.TrimSuffix(name, ".jpg"), ".json")
		if _, known := c.archived[id]; known || c.summaries[id] {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			c.t.Fatal(err)
		}
		if filepath.Ext(name) == ".json" {
			c.summaries[id] = true
			var s summary
			if err := json.Unmarshal(data, &s); err != nil || s.EventID != id {
				c.t.Errorf("summary %s in the archive after kill %d: %v: %s", id, c.counts.kills, err, data)
			}
			for _, pic := range s.PicIDs {
				if _, err := os.Stat(filepath.Join(filepath.Dir(path), pic+".jpg")); err != nil && s.Cover != "" {
					c.t.Errorf("after kill %d the archive has the summary of %s, but not its picture %s", c.counts.kills, id, pic)
				}
			}
			continue
		}
		n, err := c.webcam.number(data)
		if err != nil {
			c.t.Errorf("picture %s in the archive after kill %d: %v", id, c.counts.kills, err)
		}
		c.archived[id], c.frames[id] = sha256.Sum256(data), n
	}
}

// files yields the paths of the daemon's archive, pictures before summaries.
func (c *crash) files() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, pattern := range []string{"*.jpg", "*.json"} {
			found, _ := filepath.Glob(filepath.Join(c.dir, "archive", "front", "*", pattern))
			for _, path := range found {
				if !strings.HasPrefix(filepath.Base(path), ".") && !yield(path) { // what a kill interrupted is put away at the next start
					return
				}
			}
		}
	}
}

// readQueue notes all pictures in a copy of the queue's folder.
func (c *crash) readQueue() {
	from := filepath.Join(c.dir, "queue")
	if _, err := os.Stat(from); err != nil {
		return
	}
	copied := filepath.Join(c.dir, "queue.copy")
	defer os.RemoveAll(copied)
	if err := os.CopyFS(copied, os.DirFS(from)); err != nil {
		c.t.Fatal(err)
	}
	q, err := queue.Open(queue.Options{Dir: copied}, nil)
	if err != nil {
		c.t.Fatalf("the queue after kill %d: %v", c.counts.kills, err)
	}
	defer q.Close()
	if s := q.Stats(); s.Lost > 0 || s.Quarantined > 0 {
		c.t.Errorf("the queue after kill %d: %+v", c.counts.kills, s)
	}
	for it, ok := q.Next(); ok; it, ok = q.Next() {
		if it.Kind == queue.Summary {
			continue
		}
		n, err := c.webcam.number(it.Body)
		if err != nil {
			c.t.Errorf("picture %s in the queue: %v", it.ID, err)
		}
		c.spooled[it.ID], c.frames[it.ID] = sha256.Sum256(it.Body), n
	}
}

func (c *crash) random(from, to time.Duration) time.Duration {
	return from + time.Duration(c.rng.Int64N(int64(to-from)))
}

// lifetime is how long the daemon may live: some die while they start.
func (c *crash) lifetime() time.Duration {
	switch p := c.rng.IntN(10); {
	case p < 3:
		return c.random(0, 300*time.Millisecond)
	case p < 9:
		return c.random(300*time.Millisecond, 900*time.Millisecond)
	default:
		return c.random(time.Second, 3*time.Second)
	}
}

// trouble does something to the broker and returns when the next is due.
func (c *crash) trouble() time.Duration {
	if c.stopped {
		c.resume()
		return c.random(500*time.Millisecond, 3*time.Second)
	}
	if c.broker.proc == nil {
		c.broker.start(c.t)
		return c.random(500*time.Millisecond, 5*time.Second)
	}
	switch p := c.rng.IntN(10); {
	case p < 4:
		c.counts.stops++
		c.broker.proc.cmd.Process.Signal(syscall.SIGSTOP)
		c.stopped = true
		return c.random(200*time.Millisecond, 4*time.Second)
	case p < 7:
		c.counts.restarts++
		c.broker.stop()
	case p < 8:
		c.counts.bare++
		c.broker.proc.kill()
		c.forget()
	default:
		c.rob()
	}
	c.broker.proc = nil
	return c.random(100*time.Millisecond, 2*time.Second)
}

// store is the broker's folder for what it keeps.
func (c *crash) store() string {
	conf, err := os.ReadFile(c.broker.conf)
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(conf), "persistence_location ")
	dir, _, _ := strings.Cut(rest, "\n")
	return dir
}

// resume makes the broker run and answer.
func (c *crash) resume() {
	if c.stopped {
		c.broker.proc.cmd.Process.Signal(syscall.SIGCONT)
		c.stopped = false
	}
	if c.broker.proc == nil {
		c.broker.start(c.t)
	}
}

// forget notes what the broker has acknowledged, and has just lost.
func (c *crash) forget() {
	pictures, _ := c.arrivals()
	c.tap.forget(c.rng.IntN(4) > 0, func(picID string) bool { return pictures[picID] != "" })
}

// tell shows what is known of pictures that did not come.
func (c *crash) tell(missing []string) {
	c.t.Errorf("%d pictures that were safe never came: %v", len(missing), missing)
	log, _ := os.ReadFile(c.log.Name())

	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	told := map[string]bool{}
	for _, id := range missing[:min(len(missing), 10)] {
		p := c.tap.pics[id]
		_, spooled := c.spooled[id]
		c.t.Logf("%s: on disk %v; at the broker %+v; asked for %d times, answered %v", id, spooled, p, c.tap.asked[id], c.tap.answered[id])
	}
	for _, id := range missing[:min(len(missing), 10)] {
		event := eventOf(id)
		if told[event] {
			continue
		}
		told[event] = true
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, event) {
				c.t.Log(strings.TrimSpace(line))
			}
		}
		for _, asked := range c.tap.requests {
			if strings.Contains(asked, event) {
				c.t.Log(asked)
			}
		}
		found, _ := filepath.Glob(filepath.Join(c.received, "front", "*", event+"*"))
		for _, path := range found {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			c.t.Logf("received %s at %v", filepath.Base(path), info.ModTime())
			if text, err := os.ReadFile(path); err == nil && strings.HasSuffix(path, ".json") {
				c.t.Logf("%s", text)
			}
		}
	}
	c.t.Logf("%d requests in all", len(c.tap.requests))
}

// arrivals reads the receiver's folder: pictures by name, and the events of
// which it knows anything at all.
func (c *crash) arrivals() (pictures map[string]string, events map[string]bool) {
	pictures, events = map[string]string{}, map[string]bool{}
	filepath.WalkDir(c.received, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		switch name := filepath.Base(path); filepath.Ext(name) {
		case ".jpg":
			id := strings.TrimSuffix(name, ".jpg")
			pictures[id], events[eventOf(id)] = path, true
		case ".json":
			events[strings.TrimSuffix(name, ".json")] = true
		}
		return nil
	})
	return pictures, events
}

func eventOf(picID string) string { event, _, _ := strings.Cut(picID, "-"); return event }

// missing are the pictures that were safe and are not there.
func (c *crash) missing() (ids []string) {
	pictures, _ := c.arrivals()
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	safe := maps.Clone(c.spooled)
	maps.Copy(safe, c.archived)
	for id, p := range c.tap.pics {
		if p.safe() {
			safe[id] = [32]byte{}
		}
	}
	for id := range safe {
		if pictures[id] != "" {
			continue
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// judge compares what came with what was taken, and tells the counts.
func (c *crash) judge() {
	t := c.t
	pictures, events := c.arrivals()
	names := map[uint64]string{} // of each frame
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	for id, path := range pictures {
		jpeg, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.webcam.number(jpeg)
		if err != nil {
			t.Errorf("picture %s: %v", id, err)
		}
		sum := sha256.Sum256(jpeg)
		if was, ok := c.spooled[id]; ok && was != sum {
			t.Errorf("picture %s is not what the queue had", id)
		}
		if p := c.tap.pics[id]; p != nil && p.sha != "" && p.sha != hex.EncodeToString(sum[:]) {
			t.Errorf("picture %s is not what was announced", id)
		}
		c.frames[id] = n
	}
	kept := map[string]bool{}
	for path := range c.files() {
		id := strings.TrimSuffix(filepath.Base(path), ".jpg")
		if data, err := os.ReadFile(path); err != nil || filepath.Ext(path) == ".jpg" && sha256.Sum256(data) != c.archived[id] {
			t.Errorf("picture %s in the archive changed: %v", id, err)
		}
		kept[strings.TrimSuffix(id, ".json")] = true
	}
	for id := range c.archived {
		if !kept[id] {
			t.Errorf("picture %s was in the archive and is not there any more", id)
		}
	}
	for event := range c.summaries {
		if !kept[event] {
			t.Errorf("summary of %s was in the archive and is not there any more", event)
		}
	}
	for id, n := range c.frames {
		if other := cmp.Or(names[n], id); other != id {
			t.Errorf("frame %d came under two names, %s and %s", n, id, other)
		}
		names[n] = id
	}
	acked, both, lost, asked := 0, 0, 0, 0
	for id, p := range c.tap.pics {
		if !p.safe() {
			continue
		}
		acked++
		if _, ok := c.spooled[id]; ok {
			both++
		}
		if p.bereft {
			lost++
			if c.tap.asked[id] > 0 && pictures[id] != "" {
				asked++
			}
		}
	}
	summaries := 0
	for event := range events {
		found, _ := filepath.Glob(filepath.Join(c.received, "front", "*", event+".json"))
		if len(found) > 0 {
			summaries++
			var s summary
			if data, err := os.ReadFile(found[0]); err != nil || json.Unmarshal(data, &s) != nil || s.EventID != event {
				t.Errorf("summary of %s: %v, %+v", event, err, s)
			}
		}
	}
	t.Logf("safe: %d pictures acknowledged by the broker, %d on disk, %d of them both; received: %d pictures of %d events, %d summaries, every one of them bit for bit",
		acked, len(c.spooled), both, len(pictures), len(events), summaries)
	t.Logf("of those the broker itself may have lost %d: %d were asked for again and came", lost, asked)
	t.Logf("the archive had %d pictures and %d summaries, all still there; the receiver asked %d times which events there were, and got %d pages",
		len(c.archived), len(c.summaries), c.tap.recalls, c.tap.pages)
	if len(pictures) < c.counts.kills/4 {
		t.Errorf("only %d pictures: the test has hardly tested anything", len(pictures))
	}
}
