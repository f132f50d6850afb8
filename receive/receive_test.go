package receive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/publish/mqtt"
	"pirwatch/receive/archive"
)

func TestPicturesAndSummariesAreKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		if b.o.CleanSession || !strings.HasPrefix(b.o.ClientID, "pirwatch-receive-") {
			t.Errorf("session %+v is not a persistent one", b.o)
		}
		want := map[string]byte{"pirwatch/+/chunk": 1, "pirwatch/+/history": 1, "pirwatch/+/last_event": 1, "pirwatch/+/resend/result": 1, "pirwatch/+/recall/result": 1, "pirwatch/+/status": 1}
		if fmt.Sprint(b.subs) != fmt.Sprint(want) {
			t.Errorf("subscribed to %v", b.subs)
		}
		for i := range 3 {
			b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", i))
		}
		b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", 1)) // again
		b.get("pirwatch/front/history", closed("E", 3, 0))
		for i := range 3 {
			got, at, err := b.store.Find("front", fmt.Sprintf("E-%02d", i))
			if p := picture("E", i); err != nil || !bytes.Equal(got, p.JPEG) || !at.Equal(p.Taken) {
				t.Errorf("picture %d: %d bytes, %v, %v", i, len(got), at, err)
			}
		}
		e, err := b.store.Event("front", "E")
		if err != nil || !strings.Contains(string(e.Summary), `"E-02":[0.1,0.2,0.3,0.4]`) {
			t.Errorf("summary %s, %v", e.Summary, err)
		}
		time.Sleep(time.Hour)
		if asked := b.asked(); asked != nil {
			t.Errorf("asked for %v", asked)
		}
		if s := b.r.Stats(); s.Pictures != 3 || s.Summaries != 1 || s.Wanted != 0 || s.Duplicates == 0 || !s.Connected {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestMissingPiecesAreAskedFor(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", 0), 1, 3)
		b.get("pirwatch/front/history", closed("E", 2, 0))
		if asked := b.asked(); asked != nil {
			t.Errorf("asked at once, while it may still come: %v", asked)
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		got := strings.Join(b.asked(), "\n")
		for _, want := range []string{`pirwatch/front/resend {"pic_id":"E-00","pos":[1,3]}`, `pirwatch/front/resend {"pic_id":"E-01"}`} {
			if !strings.Contains(got, want) {
				t.Errorf("asked %q, want %q", got, want)
			}
		}
		b.get("pirwatch/front/resend/result", []byte(`{"pic_id":"E-01","ok":false,"reason":"unknown"}`))
		s := chunk.Format{}.Split(picture("E", 0))
		b.get("pirwatch/front/chunk", s.Append(nil, 1))
		b.get("pirwatch/front/chunk", s.Append(nil, 3))
		if st := b.r.Stats(); st.Pictures != 1 || st.GivenUp != 1 || st.Wanted != 0 {
			t.Errorf("stats %+v", st)
		}
		if !strings.Contains(b.log.String(), "pic_id=E-01 reason=unknown") {
			t.Errorf("not told: %s", b.log)
		}
	})
}

func TestAskingIsBounded(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		start := time.Now()
		b.get("pirwatch/front/history", closed("E", 60, 0))
		times := map[string][]time.Duration{}
		most := 0
		for range 7200 {
			time.Sleep(time.Second)
			synctest.Wait()
			asked := b.asked()
			most = max(most, len(asked))
			for _, a := range asked {
				times[a] = append(times[a], time.Since(start))
			}
		}
		if most > askAtOnce || len(times) != 60 {
			t.Errorf("%d at once, %d pictures asked for", most, len(times))
		}
		for a, at := range times {
			if len(at) != maxTries {
				t.Errorf("%s: asked %d times", a, len(at))
			}
			for i := 2; i < len(at); i++ {
				if at[i]-at[i-1] < at[i-1]-at[i-2]-30*time.Second {
					t.Errorf("%s: no back-off: %v", a, at)
				}
			}
		}
		if s := b.r.Stats(); s.GivenUp != 60 || s.Wanted != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestNothingIsAskedWithoutALink(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		b.get("pirwatch/front/history", closed("E", 1, 0))
		b.mu.Lock()
		b.fail = errors.New("refused")
		close(b.lost)
		b.mu.Unlock()
		time.Sleep(time.Hour)
		if b.asked() != nil {
			t.Error("asked without a link")
		}
		b.mu.Lock()
		b.fail = nil
		opens := len(b.opens)
		b.mu.Unlock()
		if opens < 300 || opens > 800 {
			t.Errorf("%d tries to connect in an hour", opens)
		}
		if n := strings.Count(b.log.String(), "no link"); n != 2 {
			t.Errorf("told %d times: %s", n, b.log)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := b.asked(); len(got) == 0 {
			t.Error("not asked with the link back")
		}
	})
}

func TestWrongCredentialsAreTriedSlowly(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		b.mu.Lock()
		b.fail = fmt.Errorf("connect: %w", mqtt.ErrCredentials)
		close(b.lost)
		b.mu.Unlock()
		time.Sleep(time.Hour)
		b.mu.Lock()
		defer b.mu.Unlock()
		if n := len(b.opens); n > 32 {
			t.Errorf("%d tries with wrong credentials in an hour", n)
		}
	})
}

func TestRefusedPiecesAreAskedForAtOnceAFewTimes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		p := picture("E", 0)
		good := chunk.Format{}.Split(p)
		p.JPEG = append([]byte(nil), p.JPEG...)
		p.JPEG[5000] ^= 1
		bad := chunk.Format{}.Split(p)
		for range 20 { // the hash never matches
			for pos := range good.Pieces() {
				from := good
				if pos == 2 {
					from = bad
				}
				b.get("pirwatch/front/chunk", from.Append(nil, pos))
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := len(b.asked()); n < 1 || n > quickTries+2 {
			t.Errorf("asked %d times", n)
		}
		if s := b.r.Stats(); s.Pictures != 0 || s.Refused != 20 {
			t.Errorf("stats %+v", s)
		}
		for pos := range good.Pieces() {
			b.get("pirwatch/front/chunk", good.Append(nil, pos))
		}
		if s := b.r.Stats(); s.Pictures != 1 || s.Wanted != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestIncompleteIsToldByName(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", 4), 2)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if s := b.r.Stats(); s.Incomplete != 1 || !strings.Contains(b.log.String(), "picture incomplete\" camera=front pic_id=E-04") {
			t.Errorf("stats %+v, log %s", s, b.log)
		}
	})
}

func TestRecipeAndWatson(t *testing.T) {
	for _, c := range []struct {
		name, filter, topic, camera, want string
		f                                 chunk.Format
	}{
		{"recipe on a topic of its own", "pictures/#", "pictures/cam", "", "pictures.cam", chunk.Format{Recipe: true, Envelope: chunk.String}},
		{"recipe under a given name", "pictures/cam", "pictures/cam", "porch", "porch", chunk.Format{Recipe: true, Envelope: chunk.Object}},
		{"watson as an application", "iot-2/type/pi/id/+/evt/picture/fmt/json", "iot-2/type/pi/id/kitchen/evt/picture/fmt/json", "", "kitchen", chunk.Format{Recipe: true, Envelope: chunk.String}},
		{"watson as a device", "iot-2/evt/picture/fmt/json", "iot-2/evt/picture/fmt/json", "", "iot-2.evt.picture.fmt.json", chunk.Format{Recipe: true}},
		{"recipe under the base", "", "pirwatch/front/chunk", "", "front", chunk.Format{Recipe: true, Envelope: chunk.String}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				b := run(t, dir, Options{Topic: c.filter, Camera: c.camera})
				p := picture("qwertyui", 0)
				p.PicID = "qwertyui"
				b.send(c.topic, c.f, p)
				if got, _, err := b.store.Find(c.want, "qwertyui"); err != nil || !bytes.Equal(got, p.JPEG) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				p.PicID = "torntorn"
				b.send(c.topic, c.f, p, 1)
				time.Sleep(time.Hour)
				synctest.Wait()
				if asked := b.asked(); asked != nil {
					t.Errorf("asked for %v", asked)
				}
				if s := b.r.Stats(); s.Incomplete != 1 || s.Wanted != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestARestartAsksForWhatWasMissing(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := archive.Open(dir, archive.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		store.SavePicture("front", taken, "E-00", picture("E", 0).JPEG)
		store.SaveSummary("front", taken, "E", closed("E", 2, 0))
		store.Close()
		b := run(t, dir, Options{})
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if got := strings.Join(b.asked(), " "); got != `pirwatch/front/resend {"pic_id":"E-01"}` {
			t.Errorf("asked %q", got)
		}
	})
}

// TestAnEventWhoseEndWasMissed: a broker forgot the last pictures and the summary.
func TestAnEventWhoseEndWasMissed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		for _, seq := range []int{0, 2} {
			b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", seq))
		}
		for range 600 { // a camera that has four pictures of it
			time.Sleep(time.Second)
			synctest.Wait()
			for _, a := range b.asked() {
				var req struct {
					PicID string `json:"pic_id"`
				}
				json.Unmarshal([]byte(a[strings.Index(a, "{"):]), &req)
				var seq int
				fmt.Sscanf(req.PicID, "E-%d", &seq)
				if seq > 3 {
					b.get("pirwatch/front/resend/result", fmt.Appendf(nil, `{"pic_id":%q,"ok":false,"reason":"unknown"}`, req.PicID))
					continue
				}
				b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", seq))
			}
		}
		for seq := range 4 {
			if !b.store.Has("front", picName("E", seq)) {
				t.Errorf("picture %d is missing", seq)
			}
		}
		if s := b.r.Stats(); s.Asked != 3 || s.GivenUp != 0 || s.Wanted != 0 || len(b.r.unclosed) != 0 {
			t.Errorf("stats %+v, %d events open", s, len(b.r.unclosed))
		}
		if !strings.Contains(b.log.String(), "one by one") {
			t.Error("not told")
		}
	})
}

// TestASummaryWithoutNames: the camera was killed during the event, and a broker
// forgot what it had acknowledged of it.
func TestASummaryWithoutNames(t *testing.T) {
	for _, text := range []string{
		`{"phase":"closed","event_id":"E","pic_ids":[],"queued":0}`,
		`{"phase":"closed","event_id":"E","pic_ids":["E-01"],"queued":0,"cover":"","duration_s":2.7}`,
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			b := run(t, dir, Options{})
			b.get("pirwatch/front/last_event", []byte(text))
			for range 600 { // a camera that has three pictures of it
				time.Sleep(time.Second)
				synctest.Wait()
				for _, a := range b.asked() {
					known := false
					for seq := range 3 {
						if strings.Contains(a, picName("E", seq)) {
							b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", seq))
							known = true
						}
					}
					if !known {
						b.get("pirwatch/front/resend/result", []byte(`{"pic_id":"E-03","ok":false,"reason":"unknown"}`))
					}
				}
			}
			for seq := range 3 {
				if !b.store.Has("front", picName("E", seq)) {
					t.Errorf("%s: picture %d is missing", text, seq)
				}
			}
			if s := b.r.Stats(); s.Asked != 4 || s.Wanted != 0 || len(b.r.unclosed) != 0 {
				t.Errorf("%s: stats %+v, %d events open", text, s, len(b.r.unclosed))
			}
		})
	}
}

// TestARestartedCameraIsAskedAnew: what it was asked before, it does not know.
func TestARestartedCameraIsAskedAnew(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		b.get("pirwatch/front/last_event", closed("E", 1, 0))
		time.Sleep(100 * time.Second) // asked at 5, 25 and 65 s; the next would be at 145 s
		synctest.Wait()
		before := len(b.asked())
		b.get("pirwatch/other/status", []byte("online"))
		b.get("pirwatch/front/status", []byte("offline"))
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if n := len(b.asked()); before != 3 || n != 0 {
			t.Errorf("asked %d times, then %d more", before, n)
		}
		b.get("pirwatch/front/status", []byte("online"))
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if n := len(b.asked()); n != 1 {
			t.Errorf("asked %d times after the restart", n)
		}
	})
}

func TestStrangers(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, filepath.Join(dir, "out"), Options{})
		for _, payload := range []string{"", "x", "[]", "null", `{"data":"AAAA"}`, `{"data":"*","pic_id":"a","pos":0,"size":1}`, strings.Repeat("[", 200_000), `{"event_id":7}`, `{"event_id":""}`, `{"phase":"closed","event_id":"` + strings.Repeat("x", 300) + `","pic_ids":[1]}`} {
			for _, kind := range []string{"chunk", "history", "last_event", "resend/result"} {
				b.get("pirwatch/front/"+kind, []byte(payload))
			}
		}
		p := picture("..", 0)
		p.PicID = "../../../evil"
		b.send("pirwatch/../chunk", chunk.Format{}, p)
		b.send("pirwatch/"+strings.Repeat("n", 5000)+"/chunk", chunk.Format{}, p)
		p.PicID = "future"
		p.Taken = taken.AddDate(7000, 0, 0)
		b.send("pirwatch/front/chunk", chunk.Format{}, p)
		b.get("pirwatch/front/history", []byte(`{"phase":"closed","event_id":"../../x","started_at":"9999-01-01T00:00:00Z"}`))
		for i := range 3 * maxCameras {
			b.get(fmt.Sprintf("pirwatch/cam%d/chunk", i), fmt.Appendf(nil, `{"data":"AAAA","pic_id":"p","pos":0,"size":9}`))
		}
		for i := range 2 * maxWants / 100 {
			b.get("pirwatch/front/history", closed(fmt.Sprintf("W%d", i), 100, 0))
		}
		if len(b.r.cameras) > maxCameras || len(b.r.wants) > maxWants {
			t.Errorf("%d cameras, %d wants", len(b.r.cameras), len(b.r.wants))
		}
		filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			rel, _ := filepath.Rel(dir, path)
			if parts := strings.Split(filepath.ToSlash(rel), "/"); err != nil || (!d.IsDir() && (len(parts) != 4 || parts[0] != "out" || parts[2] != "2000-01-01")) {
				t.Errorf("%s is outside of the layout (%v)", rel, err)
			}
			return nil
		})
		if _, _, err := b.store.Find("..", "../../../evil"); err != nil {
			t.Error(err)
		}
	})
}

func TestDiskThatHeals(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		if err := os.WriteFile(filepath.Join(dir, "front"), nil, 0o600); err != nil { // no directory can be made
			t.Fatal(err)
		}
		b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", 0))
		b.send("pirwatch/front/chunk", chunk.Format{}, picture("E", 1))
		b.get("pirwatch/front/history", closed("E", 2, 0))
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := b.r.Stats(); s.Pictures != 0 || s.Asked != 0 {
			t.Errorf("stats %+v", s)
		}
		os.Remove(filepath.Join(dir, "front"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := b.r.Stats(); s.Pictures != 2 || s.Summaries != 1 || s.Failed != 0 {
			t.Errorf("stats %+v, %s", s, b.log)
		}
	})
}

func TestNew(t *testing.T) {
	store, err := archive.Open(t.TempDir(), archive.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Link: mqtt.Options{URL: "http://x"}}, "scheme"},
		{Options{Link: mqtt.Options{URL: "mqtt://x"}, Base: "a/+"}, "base"},
		{Options{Link: mqtt.Options{URL: "mqtt://x"}, Base: "a/"}, "base"},
		{Options{Link: mqtt.Options{URL: "mqtt://x"}, Camera: "a/b"}, "camera"},
	} {
		if _, err := New(c.o, store, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}
