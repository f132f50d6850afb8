package queue

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// filled is an item whose bytes follow from its name.
func filled(id, event string, k Kind, size int) Item {
	it := Item{ID: id, Event: event, Kind: k, Meta: []byte(fmt.Sprintf(`{"id":%q}`, id))}
	if k != Summary {
		it.Body = make([]byte, size)
		var seed [32]byte
		copy(seed[:], id+k.String())
		rand.NewChaCha8(seed).Read(it.Body)
	}
	return it
}

func same(t testing.TB, got, want Item) {
	t.Helper()
	if got.ID != want.ID || got.Event != want.Event || got.Kind != want.Kind || !bytes.Equal(got.Meta, want.Meta) || !bytes.Equal(got.Body, want.Body) {
		t.Errorf("%s %q came back changed", want.Kind, want.ID)
	}
}

func TestReopen(t *testing.T) {
	o := Options{Dir: t.TempDir() + "/deep/queue", Spool: Always}
	q := mustOpen(t, o)
	want := map[key]Item{}
	for i := range 20 {
		it := filled(fmt.Sprintf("e%d-%02d", i/5, i), fmt.Sprint("e", i/5), Kind(1+i%3), i*3000)
		want[key{it.ID, it.Kind}] = it
		mustPut(t, q, it)
	}
	for i := 0; i < 20; i += 4 {
		id, k := fmt.Sprintf("e%d-%02d", i/5, i), Kind(1+i%3)
		q.Done(id, k)
		delete(want, key{id, k})
	}
	before := order(q)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, o)
	if s := q.Stats(); s.Spooled != len(want) || s.RAMBytes != 0 || s.Disk != "ok" {
		t.Errorf("after reopening: %+v, want %d items", s, len(want))
	}
	var got []string
	for {
		it, ok := q.Next()
		if !ok {
			break
		}
		got = append(got, fmt.Sprintf("%s/%s", it.Kind, it.ID))
		same(t, it, want[key{it.ID, it.Kind}])
	}
	if fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("order changed\n got %v\nwant %v", got, before)
	}
}

func TestSpoolsAfterDeadline(t *testing.T) {
	o := Options{Dir: t.TempDir(), Deadline: 30 * time.Millisecond}
	q := mustOpen(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	mustPut(t, q, filled("a", "e", Picture, 5000))
	for q.Stats().Spooled == 0 {
		time.Sleep(time.Millisecond)
	}
	mustPut(t, q, filled("b", "e", Picture, 5000))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	q = mustOpen(t, o)
	for _, id := range []string{"a", "b"} {
		it, ok := q.Find(id)
		if !ok {
			t.Fatalf("%s is lost", id)
		}
		same(t, it, filled(id, "e", Picture, 5000))
	}
}

// damage overwrites bytes of a segment file.
func damage(t *testing.T, dir string, segment int, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(segmentName(dir, uint16(segment)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// TestBitRot: one damaged record costs one picture, and that is told.
func TestBitRot(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int64 // in the third record
		lost bool  // at the next start already: its event cannot be told
	}{
		{"body", 3000, false},
		{"name", recordStart, true},
		{"length", 64, true},
		{"magic", 0, true},
	} {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, " running ", running), func(t *testing.T) {
				o := Options{Dir: t.TempDir(), Spool: Always}
				q := mustOpen(t, o)
				for i := range 5 {
					mustPut(t, q, filled(fmt.Sprint(i), "e", Picture, 10000))
				}
				l := q.byKey[key{"2", Picture}].loc
				if !running {
					q.Close()
				}
				damage(t, o.Dir, int(l.segment), int64(l.block)*block+c.off, []byte{0xAA, 0xAA})
				if !running {
					q = mustOpen(t, o)
				}
				told := 0
				q.OnDrop(func(event string, n int) {
					if event == "e" {
						told += n
					}
				})
				if got, want := fmt.Sprint(order(q)), "[picture/0 picture/1 picture/3 picture/4]"; got != want {
					t.Errorf("left %s, want %s", got, want)
				}
				if want := !c.lost || running; want != (told == 1) || want != (q.Stats().Lost == 1) || want != (q.Dropped("e") == 1) {
					t.Errorf("told %d, %+v", told, q.Stats())
				}
			})
		}
	}
}

// TestHeadersGone: without both headers a segment's records are found still.
func TestHeadersGone(t *testing.T) {
	o := Options{Dir: t.TempDir(), Spool: Always}
	q := mustOpen(t, o)
	for i := range 5 {
		mustPut(t, q, filled(fmt.Sprint(i), "e", Picture, 10000))
	}
	q.Close()
	damage(t, o.Dir, 0, 0, make([]byte, slots*block))
	for range 2 {
		q = mustOpen(t, o)
		if n := len(order(q)); n != 5 {
			t.Errorf("%d recovered", n)
		}
		mustPut(t, q, filled("more", "e", Picture, 10000))
		q.Done("more", Picture)
		q.Close()
	}
	if h, ok := decodeSlot(read(t, o.Dir, 0)[:block]); !ok || h.free {
		t.Error("the header was not written again")
	}
}

func read(t *testing.T, dir string, segment int) []byte {
	t.Helper()
	b, err := os.ReadFile(segmentName(dir, uint16(segment)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNewerVersion: segments of a newer version are left alone.
func TestNewerVersion(t *testing.T) {
	o := Options{Dir: t.TempDir(), Spool: Always}
	b := append([]byte("PWQs\x02"), make([]byte, 5*block-5)...)
	le.PutUint32(b[8:], sumBut(b[:block]))
	if err := os.WriteFile(segmentName(o.Dir, 0), b, 0o600); err != nil {
		t.Fatal(err)
	}
	q := mustOpen(t, o)
	mustPut(t, q, filled("a", "e", Picture, 10000))
	q.Close()
	if !bytes.Equal(read(t, o.Dir, 0), b) {
		t.Error("written to")
	}
	q = mustOpen(t, o)
	if _, ok := q.Find("a"); !ok {
		t.Error("the picture is lost")
	}
}

func TestOneProcess(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	q := mustOpen(t, o)
	if _, err := Open(o, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
	q.Close()
	mustOpen(t, o)
	if _, err := Open(Options{Dir: "/dev/null/queue"}, nil); err == nil {
		t.Error("a folder in a file was opened")
	}
}

// TestFullDiskLimit: beyond DiskBytes the oldest frames go, covers and
// summaries stay, and the files keep to the limit.
func TestFullDiskLimit(t *testing.T) {
	o := Options{Dir: t.TempDir(), Spool: Always, DiskBytes: 2 << 20}
	q := mustOpen(t, o)
	rng := rand.New(rand.NewPCG(1, 1))
	const events, frames = 40, 10
	for e := range events {
		event := fmt.Sprintf("e%02d", e)
		for i := range frames {
			k := Picture
			if i == 0 {
				k = Cover
			}
			mustPut(t, q, filled(fmt.Sprintf("%s-%d", event, i), event, k, 5000+rng.IntN(20000)))
		}
		mustPut(t, q, filled(event, event, Summary, 0))
	}
	check := func() {
		t.Helper()
		kinds, firstFrame := map[Kind]int{}, ""
		for _, e := range q.items {
			if kinds[e.kind]++; e.kind == Picture && firstFrame == "" {
				firstFrame = e.event.id
			}
		}
		if kinds[Cover] != events || kinds[Summary] != events || kinds[Picture] < 30 {
			t.Errorf("left: %v", kinds)
		}
		for _, e := range q.items { // frames are of the newest events only
			if e.kind == Picture && e.event.id < firstFrame {
				t.Errorf("frame %s kept, older than %s", e.id, firstFrame)
			}
		}
		if s := q.Stats(); s.Bytes < o.DiskBytes*11/20 || s.Lost != 0 || s.Disk != diskOK {
			t.Errorf("%+v", s)
		}
		files, _ := filepath.Glob(o.Dir + "/*.seg")
		total := int64(0)
		for _, f := range files {
			info, _ := os.Stat(f)
			total += info.Size()
		}
		if total > o.DiskBytes {
			t.Errorf("%d bytes of files, the limit is %d", total, o.DiskBytes)
		}
	}
	check()
	for e := range events {
		id := fmt.Sprintf("e%02d", e)
		if got := q.Dropped(id) + q.Queued(id); got != frames {
			t.Errorf("event %s: %d dropped and queued of %d", id, got, frames)
		}
	}
	q.Close()
	q = mustOpen(t, o)
	check()
	for {
		it, ok := q.Next()
		if !ok {
			break
		}
		if it.Kind != Summary && !bytes.Equal(it.Body, filled(it.ID, it.Event, it.Kind, len(it.Body)).Body) {
			t.Errorf("%s came back changed", it.ID)
		}
		q.Done(it.ID, it.Kind)
	}
	q.Close()
	if q = mustOpen(t, o); len(q.items) != 0 || len(q.store.segments) == 0 {
		t.Errorf("%d items left, %d segments", len(q.items), len(q.store.segments))
	}
	// A smaller limit gives the room back.
	q.Close()
	o.DiskBytes = 1 << 20
	q = mustOpen(t, o)
	mustPut(t, q, filled("a", "e", Picture, 10000))
	if n := len(q.store.segments); int64(n)*minSegment > o.DiskBytes {
		t.Errorf("%d segments after the limit was lowered", n)
	}
}

func TestQuarantine(t *testing.T) {
	o := Options{Dir: t.TempDir(), Spool: Always}
	q := mustOpen(t, o)
	it := filled("../e-01", "e", Picture, 10000)
	mustPut(t, q, it, filled("e-02", "e", Picture, 10000))
	told := 0
	q.OnDrop(func(_ string, n int) { told += n })
	q.Next()
	q.Quarantine(it.ID, it.Kind, "twice alone in flight when the link died")
	q.Quarantine("unknown", Picture, "")
	if got := order(q); fmt.Sprint(got) != "[picture/e-02]" {
		t.Errorf("left: %v", got)
	}
	if s := q.Stats(); s.Quarantined != 1 || s.Dropped != 1 || told != 1 || q.Dropped("e") != 1 {
		t.Errorf("%+v, told %d", s, told)
	}
	dir := filepath.Join(o.Dir, asideFolder)
	b, err := os.ReadFile(filepath.Join(dir, "00000001-___e-01.jpg"))
	if err != nil || !bytes.Equal(b, it.Body) {
		t.Errorf("the picture: %v", err)
	}
	about, err := os.ReadFile(filepath.Join(dir, "00000001-___e-01.json"))
	if err != nil || !strings.Contains(string(about), "twice alone") || !strings.Contains(string(about), `"id": "../e-01"`) {
		t.Errorf("about it: %v\n%s", err, about)
	}
	for i := range 40 {
		id := fmt.Sprint("more", i)
		mustPut(t, q, filled(id, "e", Picture, 100))
		q.Quarantine(id, Picture, "test")
	}
	names, _ := filepath.Glob(dir + "/*.jpg")
	if len(names) != asideItems || filepath.Base(names[len(names)-1]) != "00000041-more39.jpg" {
		t.Errorf("%d kept, last %v", len(names), names[len(names)-1])
	}
	all, _ := filepath.Glob(dir + "/*")
	if len(all) != 2*asideItems {
		t.Errorf("%d files", len(all))
	}

	ram := mustOpen(t, Options{})
	mustPut(t, ram, item("a", "e", Picture, 1))
	ram.Quarantine("a", Picture, "test")
	if s := ram.Stats(); s.Quarantined != 1 || s.Pictures != 0 {
		t.Errorf("in RAM: %+v", s)
	}
}

// TestConcurrent uses everything at once, for the race detector, and checks
// that nothing is lost or delivered twice.
func TestConcurrent(t *testing.T) {
	o := Options{Dir: t.TempDir(), RAMBytes: 100_000, DiskBytes: 4 << 20, Deadline: time.Millisecond}
	q := mustOpen(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	var run, work sync.WaitGroup
	run.Go(func() { q.Run(ctx) })
	var got sync.Map
	const workers, each = 4, 100
	var delivered atomic.Int32
	for w := range workers {
		work.Go(func() {
			for i := range each {
				if err := q.Put(filled(fmt.Sprintf("%d-%d", w, i), fmt.Sprint("e", i/10), Picture, 1000+i*50)); err != nil {
					t.Error(err)
				}
			}
		})
		work.Go(func() {
			for n := 0; delivered.Load() < workers*each && q.Stats().Dropped == 0; n++ {
				it, ok := q.Next()
				switch {
				case !ok:
					select {
					case <-q.Wake():
					case <-time.After(time.Millisecond):
					}
				case n%7 == 0:
					q.Release(it.ID, it.Kind)
				default:
					var i int
					fmt.Sscanf(it.ID[2:], "%d", &i)
					if !bytes.Equal(it.Body, filled(it.ID, it.Event, Picture, 1000+i*50).Body) {
						t.Errorf("%s came back changed", it.ID)
					}
					if _, twice := got.LoadOrStore(it.ID, true); twice {
						t.Errorf("%s twice", it.ID)
					}
					q.Stats()
					q.Queued(it.Event)
					q.Done(it.ID, it.Kind)
					delivered.Add(1)
				}
			}
		})
	}
	work.Wait()
	cancel()
	run.Wait()
	if s := q.Stats(); s.Pictures != 0 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}
