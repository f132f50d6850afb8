package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// jpegOf returns the smallest thing that has a JPEG's outline; n tells one
// from another.
func jpegOf(n int) []byte {
	return fmt.Appendf(nil, "\xff\xd8\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00\xff\xda\x00\x02%08d\xff\xd9", n)
}

func frameOf(n int) Frame {
	return Frame{At: time.Now(), Width: 32, Height: 16, Data: jpegOf(n)}
}

// script is a source whose sessions are given one by one; the last repeats.
type script struct {
	sessions []func(ctx context.Context, deliver func(Frame)) error
	opened   int
	idle     atomic.Bool
}

func (s *script) Run(ctx context.Context, deliver func(Frame)) error {
	f := s.sessions[min(s.opened, len(s.sessions)-1)]
	s.opened++
	return f(ctx, deliver)
}

func (s *script) Idle() bool { return s.idle.Load() }

// sleep waits, and reports whether ctx still holds.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// shoot delivers pictures, ten a second, each another, for so long.
func shoot(d time.Duration) func(context.Context, func(Frame)) error {
	return func(ctx context.Context, deliver func(Frame)) error {
		for n := range int(d / (100 * time.Millisecond)) {
			if !sleep(ctx, 100*time.Millisecond) {
				return ctx.Err()
			}
			deliver(frameOf(int(time.Now().UnixNano()/1e6) + n))
		}
		return nil
	}
}

func then(f func(context.Context, func(Frame)) error, err error) func(context.Context, func(Frame)) error {
	return func(ctx context.Context, deliver func(Frame)) error {
		if e := f(ctx, deliver); e != nil {
			return e
		}
		return err
	}
}

func hang(ctx context.Context, _ func(Frame)) error { <-ctx.Done(); return ctx.Err() }

func fail(text string) func(context.Context, func(Frame)) error {
	return func(context.Context, func(Frame)) error { return errors.New(text) }
}

// watch runs a camera for so long and returns what was told of its health.
func watch(t *testing.T, src Source, o CameraOptions, d time.Duration) (told []string, c *Camera, frames int) {
	o.OnHealth = func(h Health) {
		s := h.State
		if h.Err != "" {
			s += ": " + h.Err
		}
		told = append(told, s)
	}
	c = NewCamera(src, o, nil)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := c.Run(ctx, func(Frame) { frames++ }); err != nil {
		t.Fatalf("Run: %v", err)
	}
	return told, c, frames
}

func TestCameraStates(t *testing.T) {
	again := func(n int) func(context.Context, func(Frame)) error {
		return func(ctx context.Context, deliver func(Frame)) error {
			for sleep(ctx, 100*time.Millisecond) {
				deliver(frameOf(n))
			}
			return ctx.Err()
		}
	}
	garbage := func(ctx context.Context, deliver func(Frame)) error {
		for sleep(ctx, 100*time.Millisecond) {
			deliver(Frame{At: time.Now(), Width: 32, Height: 16, Data: jpegOf(1)[:20]})
		}
		return ctx.Err()
	}
	for _, test := range []struct {
		name     string
		sessions []func(context.Context, func(Frame)) error
		o        CameraOptions
		d        time.Duration
		want     []string
	}{
		{"well", []func(context.Context, func(Frame)) error{shoot(time.Hour)}, CameraOptions{}, time.Minute,
			[]string{"starting", "ok", "off"}},
		{"its footage ends", []func(context.Context, func(Frame)) error{shoot(time.Second)}, CameraOptions{}, time.Minute,
			[]string{"starting", "ok", "off"}},
		{"unplugged and plugged", []func(context.Context, func(Frame)) error{
			then(shoot(5*time.Second), errors.New("unplugged")), fail("no such device"), fail("no such device"), shoot(time.Hour),
		}, CameraOptions{}, time.Minute,
			[]string{"starting", "ok", "missing: unplugged", "missing: no such device", "ok", "off"}},
		{"never opens", []func(context.Context, func(Frame)) error{hang}, CameraOptions{}, time.Minute,
			[]string{"starting", "stalled: no picture within 20s of opening the camera", "off"}},
		{"stalls once", []func(context.Context, func(Frame)) error{then(shoot(5*time.Second), nil), shoot(time.Hour)},
			CameraOptions{}, 10 * time.Second, []string{"starting", "ok", "off"}},
		{"stalls", []func(context.Context, func(Frame)) error{
			func(ctx context.Context, deliver func(Frame)) error {
				shoot(5*time.Second)(ctx, deliver)
				return hang(ctx, deliver)
			}, shoot(time.Hour),
		}, CameraOptions{}, time.Minute,
			[]string{"starting", "ok", "stalled: no picture for 10s", "ok", "off"}},
		{"garbage", []func(context.Context, func(Frame)) error{garbage}, CameraOptions{}, time.Minute,
			[]string{"starting", "stalled: no good picture for 20s: damaged JPEG: it does not end with EOI, the rest is missing", "off"}},
		{"frozen", []func(context.Context, func(Frame)) error{again(1), again(1), then(again(1), nil)}, CameraOptions{}, 20 * time.Minute,
			[]string{"starting", "ok", "stalled: the picture has not changed at all for 5m0s: the camera hangs, or looks at nothing", "off"}},
		{"frozen until opened again", []func(context.Context, func(Frame)) error{again(1), shoot(time.Hour)}, CameraOptions{}, 20 * time.Minute,
			[]string{"starting", "ok", "stalled: the picture has not changed at all for 5m0s: the camera hangs, or looks at nothing", "ok", "off"}},
		{"the same picture, allowed", []func(context.Context, func(Frame)) error{again(1)}, CameraOptions{Frozen: -1}, 20 * time.Minute,
			[]string{"starting", "ok", "off"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told, _, _ := watch(t, &script{sessions: test.sessions}, test.o, test.d)
				if !reflect.DeepEqual(told, test.want) {
					t.Errorf("told %q,\nwant %q", told, test.want)
				}
			})
		})
	}
}

func TestCameraFrozenIsOpenedAgainOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{sessions: []func(context.Context, func(Frame)) error{
			func(ctx context.Context, deliver func(Frame)) error {
				for sleep(ctx, time.Second) {
					deliver(frameOf(1))
				}
				return nil
			}}}
		_, c, _ := watch(t, src, CameraOptions{}, time.Hour)
		if src.opened != 2 || c.Health().Restarts != 1 {
			t.Errorf("opened %d times, %d restarts; want 2 and 1", src.opened, c.Health().Restarts)
		}
	})
}

// A camera that can never be opened is tried with growing pauses: about once a
// minute in the end, and once a second or so at first.
func TestCameraBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{sessions: []func(context.Context, func(Frame)) error{fail("no such device")}}
		_, c, _ := watch(t, src, CameraOptions{}, time.Hour)
		if src.opened < 55 || src.opened > 80 {
			t.Errorf("opened %d times in an hour, want about 65", src.opened)
		}
		if c.Health().Restarts != src.opened-1 {
			t.Errorf("%d restarts, opened %d times", c.Health().Restarts, src.opened)
		}

		// One that works for a while between its failures is soon tried again.
		src = &script{sessions: []func(context.Context, func(Frame)) error{then(shoot(2*time.Minute), errors.New("lost"))}}
		watch(t, src, CameraOptions{}, time.Hour)
		if src.opened < 29 || src.opened > 31 {
			t.Errorf("opened %d times in an hour, want about 30", src.opened)
		}
	})
}

func TestCameraDiesAtOnceAThousandTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		for range 1000 {
			src.sessions = append(src.sessions, fail("exit status 255"))
		}
		src.sessions = append(src.sessions, shoot(time.Hour))
		told, c, frames := watch(t, src, CameraOptions{}, 24*time.Hour)
		if want := []string{"starting", "missing: exit status 255", "ok", "off"}; !reflect.DeepEqual(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		if frames == 0 || c.Health().Restarts != 1000 {
			t.Errorf("%d frames, %d restarts", frames, c.Health().Restarts)
		}
	})
}

// The journal has a line when something changes, not one an attempt.
func TestCameraLogsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		src := &script{sessions: []func(context.Context, func(Frame)) error{
			fail("busy"), fail("busy"), fail("busy"), fail("no such device"), fail("no such device"), then(shoot(2*time.Minute), errors.New("busy")), shoot(time.Hour)}}
		c := NewCamera(src, CameraOptions{}, slog.New(slog.NewTextHandler(&b, nil)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c.Run(ctx, func(Frame) {})
		var got []string
		for line := range strings.Lines(b.String()) {
			_, msg, _ := strings.Cut(line, "msg=")
			msg, _, _ = strings.Cut(msg, " again_in")
			msg, _, _ = strings.Cut(msg, " after")
			got = append(got, strings.TrimSpace(msg))
		}
		want := []string{`"camera failed" err=busy`, `"camera failed" err="no such device"`, `"camera is back"`, `"camera failed" err=busy`, `"camera is back"`}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("logged %q,\nwant %q", got, want)
		}
	})
}

// While the receiver is slow, or the source idle, no picture is missed.
func TestCameraPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCamera(&script{sessions: []func(context.Context, func(Frame)) error{shoot(time.Hour)}}, CameraOptions{}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		c.Run(ctx, func(Frame) { time.Sleep(time.Minute) })
		if n := c.Health().Restarts; n != 0 {
			t.Errorf("%d restarts for a slow receiver", n)
		}
		src := &script{sessions: []func(context.Context, func(Frame)) error{hang}}
		src.idle.Store(true)
		told, c, _ := watch(t, src, CameraOptions{}, time.Hour)
		if want := []string{"starting", "idle", "off"}; !reflect.DeepEqual(told, want) || c.Health().Restarts != 0 {
			t.Errorf("told %q, %d restarts; want %q and none", told, c.Health().Restarts, want)
		}
	})
}

func TestCameraCountsAndRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{sessions: []func(context.Context, func(Frame)) error{func(ctx context.Context, deliver func(Frame)) error {
			deliver(Frame{At: time.Now(), Width: 32, Height: 16})
			shoot(10*time.Second)(ctx, deliver)
			return hang(ctx, deliver)
		}}}
		c := NewCamera(src, CameraOptions{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		frames := 0
		done := make(chan struct{})
		go func() { defer close(done); c.Run(ctx, func(Frame) { frames++ }) }()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		h := c.Health()
		if h.Frames != 100 || frames != 100 || h.Garbage != 1 || h.FPS < 9.9 || h.FPS > 10.1 {
			t.Errorf("health %+v with %d frames delivered", h, frames)
		}
		time.Sleep(8 * time.Second)
		if h := c.Health(); h.FPS != 0 {
			t.Errorf("%v pictures a second when none come", h.FPS)
		}
		cancel()
		<-done
	})
}

func TestExamine(t *testing.T) {
	c := NewCamera(nil, CameraOptions{MaxBytes: 1000, MaxPixels: 1000}, nil)
	good := jpegOf(1)
	big := append([]byte(nil), good...)
	copy(big[7:], "\x27\x10\x27\x10")
	huge := append([]byte(nil), good...)
	copy(huge[7:], "\xff\xff\xff\xff")
	flat := append([]byte(nil), good...)
	copy(flat[7:], "\x00\x00")
	for _, test := range []struct {
		name string
		f    Frame
		want string // part of the error; "" is none
	}{
		{"good", Frame{Data: good}, ""},
		{"empty", Frame{}, "empty"},
		{"too large", Frame{Data: make([]byte, 1001)}, "1001 bytes"},
		{"no JPEG", Frame{Data: []byte("<html><body>401</body></html>")}, "SOI"},
		{"cut off", Frame{Data: good[:len(good)-5]}, "EOI"},
		{"markers only", Frame{Data: []byte("\xff\xd8\xff\xd9")}, "no scan"},
		{"segment beyond the end", Frame{Data: []byte("\xff\xd8\xff\xe0\xff\xff\xff\xd9")}, "longer than the picture"},
		{"no marker", Frame{Data: []byte("\xff\xd8abcdef\xff\xd9")}, "no marker at byte 2"},
		{"no size", Frame{Data: []byte("\xff\xd8\xff\xda\x00\x02abc\xff\xd9")}, "no size"},
		{"zero lines", Frame{Data: flat}, "no size"},
		{"100 megapixels", Frame{Data: big}, "10000x10000"},
		{"4 gigapixels, more than 32 bits hold", Frame{Data: huge}, "65535x65535"},
		{"YUYV", Frame{Format: YUYV, Width: 3, Height: 2, Data: make([]byte, 16)}, ""},
		{"NV12", Frame{Format: NV12, Width: 3, Height: 3, Data: make([]byte, 17)}, ""},
		{"short NV12", Frame{Format: NV12, Width: 4, Height: 4, Data: make([]byte, 23)}, "4x4 has 24"},
		{"raw without size", Frame{Format: YUYV, Data: make([]byte, 16)}, "0x0"},
	} {
		_, err := c.examine(test.f)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// The same picture under another time in its header is the same picture.
func TestSamePictureUnderAnotherHeader(t *testing.T) {
	c := NewCamera(nil, CameraOptions{}, nil)
	with := func(comment string, n int) picture {
		j := jpegOf(n)
		data := append([]byte("\xff\xd8\xff\xfe\x00\x0a"+comment), j[2:]...)
		p, err := c.examine(Frame{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if !with("12:00:00", 1).same(with("12:00:01", 1)) {
		t.Error("another time is another picture")
	}
	if with("12:00:00", 1).same(with("12:00:00", 2)) {
		t.Error("two pictures are the same")
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add(jpegOf(1))
	f.Add([]byte("\xff\xd8\xff\xff\xff\xe0\x00\x02\xff\xd9"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, h, scan, err := headers(data)
		if err == nil && (w <= 0 || h <= 0 || w > 65535 || h > 65535 || scan >= len(data)) {
			t.Errorf("%dx%d, scan at %d of %d", w, h, scan, len(data))
		}
	})
}
