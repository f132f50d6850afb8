package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 250e6, time.UTC)

func jpeg(n int) []byte {
	return append(append([]byte{0xFF, 0xD8}, bytes.Repeat([]byte{7}, n)...), 0xFF, 0xD9)
}

func open(t *testing.T, dir string, o Options) *Archive {
	t.Helper()
	a, err := Open(dir, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func save(t *testing.T, a *Archive, camera, event string, at time.Time, pics int) {
	t.Helper()
	for i := range pics {
		if err := a.SavePicture(camera, at.Add(time.Duration(i)*time.Second), fmt.Sprintf("%s-%02d", event, i), jpeg(1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.SaveSummary(camera, at, event, fmt.Appendf(nil, `{"event_id":%q,"score":0.5}`, event)); err != nil {
		t.Fatal(err)
	}
}

// tree lists the files below dir.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestLayout(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	save(t, a, "front", "01KEVENT", noon, 2)
	want := "front/2026-11-22/01KEVENT-00.jpg front/2026-11-22/01KEVENT-01.jpg front/2026-11-22/01KEVENT.json"
	if got := strings.Join(tree(t, dir), " "); got != want {
		t.Errorf("files %s\nwant  %s", got, want)
	}
	got, taken, err := a.Find("front", "01KEVENT-01")
	if err != nil || !bytes.Equal(got, jpeg(1001)) || !taken.Equal(noon.Add(time.Second)) {
		t.Errorf("Find: %d bytes, %v, %v", len(got), taken, err)
	}
	if _, _, err := a.Find("front", "01KEVENT-07"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Find of an unknown picture: %v", err)
	}
	if s := a.Stats(); s.Syncs != 1 || s.Pictures != 2 || s.Summaries != 1 || s.Disk != "ok" || s.Bytes != 3*block {
		t.Errorf("stats %+v", s)
	}
}

func TestNamesFromStrangersStayInside(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "archive")
	a := open(t, dir, Options{})
	names := []string{
		"..", ".", "../../etc/passwd", "/etc/passwd", "a/b", `a\b`, `..\..\x`, ".hidden", ".tmp-x", "a\x00b", "-rf", "%2e%2e", "a%2Fb",
		"CON", "nul.jpg", "trailing.", "\u202egpj", "<img src=x onerror=alert(1)>", "ä", "\xff\xfe", "x ", strings.Repeat("a", 120),
	}
	for i, name := range names {
		if err := a.SavePicture(name, noon, "p1", jpeg(10+i)); err != nil {
			t.Errorf("camera %q: %v", name, err)
		}
		if err := a.SavePicture("cam", noon, name, jpeg(20+i)); err != nil {
			t.Errorf("picture %q: %v", name, err)
		}
		if err := a.SaveSummary("cam", noon, name, []byte(`{}`)); err != nil {
			t.Errorf("event %q: %v", name, err)
		}
	}
	for i, name := range names { // each its own file, found again under its own name
		if got, _, err := a.Find(name, "p1"); err != nil || !bytes.Equal(got, jpeg(10+i)) {
			t.Errorf("camera %q: found %d bytes, %v", name, len(got), err)
		}
		if got, _, err := a.Find("cam", name); err != nil || !bytes.Equal(got, jpeg(20+i)) {
			t.Errorf("picture %q: found %d bytes, %v", name, len(got), err)
		}
	}
	for _, f := range tree(t, outer) {
		if p := strings.Split(f, "/"); len(p) != 4 || p[0] != "archive" || p[2] != "2026-11-22" || strings.HasPrefix(p[1], ".") || strings.HasPrefix(p[3], ".") {
			t.Errorf("file %q is outside of the layout", f)
		}
	}
	for _, name := range []string{"", strings.Repeat("a", 121), strings.Repeat("/", 80)} {
		if err := a.SavePicture(name, noon, "p1", jpeg(1)); !IsRefusal(err) {
			t.Errorf("camera %.20q: %v, want a refusal", name, err)
		}
		if err := a.SavePicture("cam", noon, name, jpeg(1)); !IsRefusal(err) {
			t.Errorf("picture %.20q: %v, want a refusal", name, err)
		}
		if err := a.SaveSummary("cam", noon, name, []byte(`{}`)); !IsRefusal(err) {
			t.Errorf("event %.20q: %v, want a refusal", name, err)
		}
	}
}

func TestSymlinkOutIsNotFollowed(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	a := open(t, dir, Options{})
	if err := os.Symlink(outside, filepath.Join(dir, "cam")); err != nil {
		t.Skip(err)
	}
	if err := a.SavePicture("cam", noon, "p", jpeg(1)); err == nil || len(tree(t, outside)) != 0 {
		t.Errorf("wrote through a symlink: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"empty picture", a.SavePicture("c", noon, "p", nil), "has 0 bytes"},
		{"huge picture", a.SavePicture("c", noon, "p", make([]byte, MaxPicture+1)), "33554433 bytes"},
		{"summary no object", a.SaveSummary("c", noon, "e", []byte(`[1]`)), "no JSON object"},
		{"summary null", a.SaveSummary("c", noon, "e", []byte(`null`)), "is null"},
		{"summary no JSON", a.SaveSummary("c", noon, "e", []byte(`{`)), "no JSON object"},
		{"huge summary", a.SaveSummary("c", noon, "e", fmt.Appendf(nil, `{"a":%q}`, strings.Repeat("x", MaxSummary))), "at most"},
	} {
		if !IsRefusal(c.err) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want a refusal with %q", c.name, c.err, c.want)
		}
	}
	if s := a.Stats(); s.Refused != 6 || s.Failed != 0 || s.Bytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestEventIsNeverSplitOverDays(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	midnight := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	save(t, a, "front", "E", midnight.Add(-time.Second), 3)
	if err := a.SavePicture("front", midnight.Add(time.Hour), "E-09", jpeg(5)); err != nil { // late, after its summary
		t.Fatal(err)
	}
	for _, f := range tree(t, dir) {
		if !strings.HasPrefix(f, "front/2026-11-22/") {
			t.Errorf("%s is not in the event's first day", f)
		}
	}
	events, err := a.Events("", midnight.Add(-time.Hour), midnight, 0)
	if err != nil || len(events) != 1 || len(events[0].Pictures) != 4 {
		t.Errorf("events %+v, %v", events, err)
	}
}

func TestClockLearntInMidEventMovesThePictures(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	if err := a.SavePicture("front", time.Unix(60, 0), "E-00", jpeg(5)); err != nil {
		t.Fatal(err)
	}
	if err := a.SaveSummary("front", noon, "E", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(tree(t, dir), " "); got != "front/2026-11-22/E-00.jpg front/2026-11-22/E.json" {
		t.Error(got)
	}
	if s := a.Stats(); s.Days != 1 || s.Bytes != 2*block {
		t.Errorf("stats %+v", s)
	}
}

func TestBoxesAreKeptWithTheSummary(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	a.SavePicture("front", noon, "E-00", jpeg(5))
	a.SaveBox("front", "E-00", [4]float64{.1, .2, .3, .4})
	for range 2 { // the second summary of the event keeps them
		if err := a.SaveSummary("front", noon, "E", []byte(`{"phase":"closed"}`)); err != nil {
			t.Fatal(err)
		}
	}
	e, err := a.Event("front", "E")
	var got struct {
		Phase string
		Boxes map[string][4]float64
	}
	if err != nil || json.Unmarshal(e.Summary, &got) != nil || got.Boxes["E-00"] != [4]float64{.1, .2, .3, .4} || got.Phase != "closed" {
		t.Errorf("summary %s, %v", e.Summary, err)
	}
}

func TestEventsByRange(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	for i := range 10 {
		save(t, a, "front", fmt.Sprintf("E%d", i), noon.Add(time.Duration(i)*6*time.Hour), 1)
	}
	save(t, a, "back", "B0", noon, 1)
	a.SavePicture("old", noon, "qwertyui", jpeg(9)) // the recipe's: no event, no summary
	os.MkdirAll(filepath.Join(dir, "front", "notes"), 0o755)
	os.WriteFile(filepath.Join(dir, "front", "2026-11-22", "readme.txt"), []byte("mine"), 0o644)
	for _, c := range []struct {
		name, camera string
		from, to     time.Time
		limit        int
		want         string
	}{
		{"all", "", noon.Add(-time.Hour), noon.Add(100 * time.Hour), 0, "E9 E8 E7 E6 E5 E4 E3 E2 E1 E0 B0 qwertyui"},
		{"limit", "", noon.Add(-time.Hour), noon.Add(100 * time.Hour), 3, "E9 E8 E7"},
		{"camera", "back", noon.Add(-time.Hour), noon.Add(100 * time.Hour), 0, "B0"},
		{"half open", "front", noon.Add(6 * time.Hour), noon.Add(18 * time.Hour), 0, "E2 E1"},
		{"nothing", "front", noon.Add(-48 * time.Hour), noon, 0, ""},
		{"unknown", "../front", noon.Add(-time.Hour), noon.Add(100 * time.Hour), 0, ""},
	} {
		events, err := a.Events(c.camera, c.from, c.to, c.limit)
		var ids []string
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); err != nil || len(ids) != len(strings.Fields(c.want)) || (c.name != "all" && got != c.want) {
			t.Errorf("%s: %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	if days := a.Days("front", 0); len(days) != 3 || days[0].Date != "2026-11-24" {
		t.Errorf("days %+v", days)
	}
	if days := a.Days("", 2); len(days) != 2 {
		t.Errorf("limited days %+v", days)
	}
	if got := strings.Join(a.Cameras(), " "); got != "back front old" {
		t.Errorf("cameras %s", got)
	}
}

func TestEventIsFound(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	for i := range 10 {
		save(t, a, "front", fmt.Sprintf("E%d", i), noon.AddDate(0, 0, -i), 2)
	}
	a.SavePicture("front", noon.AddDate(0, 0, -8), "torn-01", jpeg(9)) // no summary
	a.SavePicture("front", noon, "late-07", jpeg(9))
	a.SavePicture("front", noon.AddDate(0, 0, -5), "qwertyui", jpeg(9))
	for event, pictures := range map[string]int{"E0": 2, "E9": 2, "torn": 1, "late": 1, "qwertyui": 1} {
		if e, err := a.Event("front", event); err != nil || e.ID != event || len(e.Pictures) != pictures {
			t.Errorf("%s: %+v, %v", event, e, err)
		}
	}
	for _, event := range []string{"E", "E10", "late-07"} {
		if _, err := a.Event("front", event); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", event, err)
		}
	}
}

func TestBoundByBytesDropsTheOldestEvents(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{MaxBytes: 20 * block})
	for i := range 30 {
		save(t, a, "front", fmt.Sprintf("E%02d", i), noon.Add(time.Duration(i)*time.Hour), 2)
		if s := a.Stats(); s.Bytes > 20*block {
			t.Fatalf("event %d: %d bytes, more than the bound", i, s.Bytes)
		}
	}
	events, err := a.Events("", noon, noon.Add(1000*time.Hour), 0)
	if err != nil || len(events) < 4 || events[0].ID != "E29" {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, e := range events {
		if e.ID != fmt.Sprintf("E%02d", 29-i) || (i < len(events)-1 && len(e.Pictures) != 2) {
			t.Errorf("event %d is %s with %d pictures", i, e.ID, len(e.Pictures))
		}
	}
	if err := a.SavePicture("front", noon, "X-00", make([]byte, 21*block)); !IsRefusal(err) {
		t.Errorf("a picture larger than the archive: %v", err)
	}
	b := open(t, dir, Options{MaxBytes: 20 * block})
	if a.Stats().Bytes != b.Stats().Bytes {
		t.Errorf("counted %d bytes, measured %d", a.Stats().Bytes, b.Stats().Bytes)
	}
}

func TestBoundByAge(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, err := Open(dir, Options{MaxAge: 48 * time.Hour}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		time.Sleep(30 * 365 * 24 * time.Hour) // from synctest's 2000, before pirwatch
		now := time.Now()
		for i := range 6 {
			save(t, a, "front", fmt.Sprintf("E%d", i), now.Add(-time.Duration(i)*24*time.Hour), 1)
		}
		save(t, a, "front", "unsynced", time.Unix(0, 0), 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		<-done
		events, err := a.Events("", time.Time{}, now.Add(time.Hour), 0)
		if err != nil || len(events) != 4 || events[2].ID != "E2" || events[3].ID != "unsynced" {
			t.Errorf("left %+v, %v", events, err)
		}
	})
}

func TestBoundByFreeSpace(t *testing.T) {
	a := open(t, t.TempDir(), Options{MinFree: 1 << 62})
	save(t, a, "front", "E", noon, 1)
	a.prune(time.Now())
	if s := a.Stats(); s.Bytes != 0 || s.Pruned != 2 || s.Days != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestPicturesWithoutSummaryAreSyncedInTheEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, err := Open(dir, Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		a.SavePicture("front", noon, "abc", jpeg(10))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		time.Sleep(time.Minute)
		if s := a.Stats(); s.Syncs != 0 {
			t.Errorf("synced after a minute: %+v", s)
		}
		time.Sleep(2 * time.Minute)
		if s := a.Stats(); s.Syncs != 1 {
			t.Errorf("not synced after three minutes: %+v", s)
		}
		cancel()
		<-done
	})
}

func TestTableOfUnsyncedEventsIsBounded(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	for i := range maxPending + 10 {
		a.SavePicture("front", noon, fmt.Sprintf("E%d-00", i), jpeg(1))
	}
	for i := range maxPendingPics + 10 {
		a.SavePicture("front", noon, fmt.Sprintf("F-%d", i), jpeg(1))
	}
	if len(a.pending) > maxPending || len(a.pending[eventKey{"front", "F"}].files) > maxPendingPics {
		t.Errorf("%d events pending", len(a.pending))
	}
}

func TestOpenAfterPowerCut(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, Options{})
	save(t, a, "front", "E", noon, 1)
	a.SavePicture("front", noon, "F-00", jpeg(100))
	day := filepath.Join(dir, "front", "2026-11-22")
	for name, data := range map[string][]byte{
		"G-00.jpg":      nil,
		"G-01.jpg":      make([]byte, 5000),
		"G-02.jpg":      append(jpeg(100), make([]byte, 5000)...),
		".tmp-H-00.jpg": jpeg(3),
	} {
		if err := os.WriteFile(filepath.Join(day, name), data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir, Options{})
	want := "front/2026-11-22/E-00.jpg front/2026-11-22/E.json front/2026-11-22/F-00.jpg"
	if got := strings.Join(tree(t, dir), " "); got != want {
		t.Errorf("left %s\nwant %s", got, want)
	}
}

func TestDiskErrorsAreToldAndHeal(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	for _, c := range []struct {
		err  error
		want string
	}{{syscall.ENOSPC, "full"}, {syscall.EROFS, "readonly"}, {syscall.EIO, "failing"}, {nil, "ok"}} {
		if err := a.told(c.err); err != c.err || a.Stats().Disk != c.want {
			t.Errorf("%v: disk %s, want %s", c.err, a.Stats().Disk, c.want)
		}
	}
	if s := a.Stats(); s.Failed != 3 {
		t.Errorf("stats %+v", s)
	}
	a.told(syscall.ENOSPC)
	if a.probe(); a.Stats().Disk != "ok" {
		t.Errorf("disk %s after a probe that it took", a.Stats().Disk)
	}
}

func TestZip(t *testing.T) {
	a := open(t, t.TempDir(), Options{})
	save(t, a, "a/b", "E", noon, 2)
	save(t, a, "a/b", "F", noon.Add(time.Hour), 1)
	for _, c := range []struct {
		name  string
		write func(*bytes.Buffer) error
		want  string
	}{
		{"event", func(b *bytes.Buffer) error { return a.ZipEvent(b, "a/b", "E") }, "E.json E-00.jpg E-01.jpg"},
		{"day", func(b *bytes.Buffer) error { return a.ZipDay(b, "a/b", "2026-11-22") }, "E.json E-00.jpg E-01.jpg F.json F-00.jpg"},
		{"day of all cameras", func(b *bytes.Buffer) error { return a.ZipDay(b, "", "2026-11-22") }, "E.json E-00.jpg E-01.jpg F.json F-00.jpg"},
	} {
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range z.File {
			if name, ok := strings.CutPrefix(f.Name, "a%2Fb/2026-11-22/"); ok {
				got = append(got, name)
			} else {
				t.Errorf("%s: entry %q", c.name, f.Name)
			}
		}
		for _, w := range strings.Fields(c.want) {
			if !strings.Contains(strings.Join(got, " "), w) || len(got) != len(strings.Fields(c.want)) {
				t.Errorf("%s: entries %v, want %s", c.name, got, c.want)
			}
		}
	}
	for _, day := range []string{"..", "2026-13-01", "2026-1-1", ""} {
		if err := a.ZipDay(&bytes.Buffer{}, "a/b", day); !IsRefusal(err) {
			t.Errorf("day %q: %v", day, err)
		}
	}
	if err := a.ZipDay(&bytes.Buffer{}, "a/b", "2026-11-23"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("front")
	f.Add("../%2e")
	f.Fuzz(func(t *testing.T, name string) {
		file, err := encode("name", name)
		if err != nil {
			return
		}
		if !filepath.IsLocal(file) || strings.ContainsAny(file, `/\`) || strings.HasPrefix(file, ".") {
			t.Errorf("%q became %q", name, file)
		}
		if back, ok := decode(file); !ok || back != name {
			t.Errorf("%q became %q and %q", name, file, back)
		}
	})
}
