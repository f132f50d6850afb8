package main

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pirwatch/configs"
)

// Home Assistant's start is answered once, one to ten seconds later; what the
// broker had kept of an earlier start is not.
func TestBirth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := configs.Default()
		h := newHome(c, true, true)
		var announced, repeated atomic.Int32
		h.announce = func(topic string, payload []byte) {
			if topic != h.camera.Topic() || len(payload) == 0 {
				t.Errorf("announced %d bytes on %s", len(payload), topic)
			}
			announced.Add(1)
		}
		h.repeat = func() { repeated.Add(1) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		born := h.messages()[h.camera.StatusTopic()]
		for _, step := range []struct {
			payload  string
			retained bool
			want     int32
		}{{"online", true, 0}, {"offline", false, 0}, {"online", false, 1}, {"online", false, 2}} {
			before := repeated.Load()
			born([]byte(step.payload), step.retained)
			time.Sleep(999 * time.Millisecond)
			synctest.Wait()
			if repeated.Load() != before {
				t.Errorf("%s: answered within a second", step.payload)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if repeated.Load() != step.want {
				t.Errorf("%s, retained %v: answered %d times, want %d", step.payload, step.retained, repeated.Load(), step.want)
			}
		}
		if n := announced.Load(); n != 1 {
			t.Errorf("announced %d times", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestReadable(t *testing.T) {
	for name, want := range map[string]string{"front-door": "Front door", "yard_2": "Yard 2", "pi": "Pi", "-": "-"} {
		if got := readable(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPageURL(t *testing.T) {
	for _, c := range []struct {
		listen string
		tls    bool
		want   string
	}{
		{"", false, ""},
		{"127.0.0.1:8080", false, ""},
		{"[::1]:8080", false, ""},
		{"localhost:8080", false, ""},
		{"192.168.1.7:8080", false, "http://192.168.1.7:8080/"},
		{"[fd00::7]:8443", true, "https://[fd00::7]:8443/"},
		{":8080", false, "http://shed.local:8080/"},
		{"0.0.0.0:8443", true, "https://shed.local:8443/"},
		{"camera.example.org:8080", false, "http://camera.example.org:8080/"},
	} {
		if got := pageURL(c.listen, c.tls, "shed"); got != c.want {
			t.Errorf("%s: %q, want %q", c.listen, got, c.want)
		}
	}
	if got := pageURL(":80", false, "shed.example.org"); got != "http://shed.example.org:80/" {
		t.Errorf("a full name gives %q", got)
	}
	if got := pageURL(":80", false, "localhost"); got != "" {
		t.Errorf("localhost gives %q", got)
	}
}
