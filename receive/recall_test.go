package receive

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/publish/chunk"
	"pirwatch/receive/archive"
)

// camera answers recalls as a camera of so many events would, a few a page.
func (b *bench) camera(name string, events []string, pictures int) (questions []string) {
	for _, q := range b.take("/recall") {
		topic, text, _ := strings.Cut(q, " ")
		if topic != "pirwatch/"+name+"/recall" {
			continue
		}
		questions = append(questions, text)
		var c struct {
			Next string `json:"next"`
			ID   string `json:"id"`
		}
		json.Unmarshal([]byte(text), &c)
		from := 0
		fmt.Sscan(c.Next, &from)
		page := map[string]any{"id": c.ID, "ok": true}
		var told []json.RawMessage
		for _, e := range events[from:min(from+3, len(events))] {
			told = append(told, closed(e, pictures, 0))
		}
		if page["events"] = told; from+3 < len(events) {
			page["next"] = fmt.Sprint(from + 3)
		}
		text2, _ := json.Marshal(page)
		b.get("pirwatch/"+name+"/recall/result", text2)
	}
	return questions
}

// Events of which a broker lost all are learnt from the camera; only what is
// missing is asked for, and the summary is kept once.
func TestEventsThatNobodyToldOf(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		for i := range 2 {
			b.send("pirwatch/front/chunk", chunk.Format{}, picture("E0", i))
		}
		b.get("pirwatch/front/history", closed("E0", 2, 0))
		kept := b.r.Stats().Summaries
		var questions, asked []string
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			questions = append(questions, b.camera("front", []string{"E4", "E3", "E2", "E1", "E0"}, 2)...)
			for _, a := range b.asked() {
				asked = append(asked, a)
				for i := 1; i <= 4; i++ {
					for seq := range 2 {
						if id := picName(fmt.Sprint("E", i), seq); strings.Contains(a, id) {
							b.send("pirwatch/front/chunk", chunk.Format{}, picture(fmt.Sprint("E", i), seq))
						}
					}
				}
			}
		}
		if len(questions) != 2 || !strings.Contains(questions[1], `"next":"3"`) {
			t.Errorf("questions %v", questions)
		}
		if len(asked) != 8 || strings.Contains(strings.Join(asked, " "), "E0-") {
			t.Errorf("asked for %v", asked)
		}
		if s := b.r.Stats(); s.Pictures != 10 || s.Summaries != kept+4 || s.Wanted != 0 || s.GivenUp != 0 {
			t.Errorf("stats %+v", s)
		}
		if len(b.r.unclosed) != 0 {
			t.Errorf("%d events without an end", len(b.r.unclosed))
		}

		// The camera comes back: it is asked again, for the time since it was asked last.
		for i, want := range []int{4, 6} {
			time.Sleep([]time.Duration{time.Hour, time.Minute}[i])
			b.get("pirwatch/front/status", []byte("online"))
			time.Sleep(20 * time.Second)
			synctest.Wait()
			questions = b.camera("front", []string{"E4"}, 2)
			if len(questions) != 1 || !strings.Contains(questions[0], fmt.Sprintf(`"last_s":%d`, want)) {
				t.Errorf("questions after the camera's return: %v", questions)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if q := b.camera("front", nil, 0); q != nil || b.asked() != nil {
			t.Errorf("asked without a reason: %v", q)
		}
	})
}

// A flapping camera, and a flapping link, do not make the receiver ask for ever.
func TestRecallsAreBounded(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		n := 0
		for range 600 { // answered
			b.get("pirwatch/front/status", []byte("online"))
			time.Sleep(6 * time.Second)
			synctest.Wait()
			n += len(b.camera("front", []string{"E"}, 0))
		}
		if n < 30 || n > 3600/30+1 {
			t.Errorf("%d questions in an hour to a camera that flaps", n)
		}
		b.get("pirwatch/old/status", []byte("online"))
		n = 0
		for range 4 * 3600 { // never answered
			time.Sleep(time.Second)
			synctest.Wait()
			n += len(b.camera("front", []string{"E"}, 0))
			for _, q := range b.take("/recall") {
				t.Errorf("not taken: %s", q)
			}
		}
		if n > 1 {
			t.Errorf("%d questions for nothing", n)
		}
	})
}

// An older camera does not know the question.
func TestACameraThatCannotRecall(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := run(t, dir, Options{})
		b.get("pirwatch/front/status", []byte("online"))
		time.Sleep(10 * time.Second) // it has been asked
		synctest.Wait()
		b.get("pirwatch/front/recall/result", []byte(`{"id":"of somebody else","ok":true,"events":[{"phase":"closed","event_id":"E","pic_ids":["E-00"]}]}`))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if q := b.take("/recall"); len(q) != recallTries {
			t.Errorf("%d questions", len(q))
		}
		if a := b.asked(); a != nil {
			t.Errorf("asked for %v", a)
		}
	})
}

// How far back the question goes: to the start, where nothing was there; else to
// the newest that was.
func TestRecallGoesBackToTheNewest(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := archive.Open(dir, archive.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		store.SaveSummary("front", taken, "E", closed("E", 0, 0))
		store.Close()
		time.Sleep(72 * time.Hour)
		b := run(t, dir, Options{})
		b.get("pirwatch/new/status", []byte("online"))
		got := map[string]float64{}
		for range 20 {
			time.Sleep(time.Second)
			synctest.Wait()
			for _, q := range b.take("/recall") {
				topic, text, _ := strings.Cut(q, " ")
				var c struct {
					LastS float64 `json:"last_s"`
				}
				json.Unmarshal([]byte(text), &c)
				got[topic] = c.LastS
			}
		}
		if old, fresh := got["pirwatch/front/recall"], got["pirwatch/new/recall"]; old < 73*3600 || old > 74*3600 || fresh < 600 || fresh > 700 || len(got) != 2 {
			t.Errorf("asked for %v", got)
		}
	})
}
