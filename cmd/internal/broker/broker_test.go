package broker

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// serve runs a broker until the test ends, and fails the test if it does not end.
func serve(t *testing.T) *Broker {
	t.Helper()
	b, err := Listen("127.0.0.1:0", "pirwatch-demo", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the broker hangs at its end")
		}
	})
	return b
}

func dial(b *Broker, id, user, password string, will bool) (paho.Client, error) {
	o := paho.NewClientOptions().AddBroker("tcp://" + b.Addr()).SetClientID(id).
		SetAutoReconnect(false).SetProtocolVersion(4).SetConnectTimeout(20 * time.Second)
	if user != "" {
		o.SetUsername(user).SetPassword(password)
	}
	if will {
		o.SetWill("pirwatch/demo/status", "offline", 1, true)
	}
	c := paho.NewClient(o)
	token := c.Connect()
	token.Wait()
	return c, token.Error()
}

func TestWhoGetsIn(t *testing.T) {
	b := serve(t)
	for _, c := range []struct {
		name, id, user, password string
		will, in                 bool
	}{
		{"the camera", "pirwatch-demo", b.CameraUser, b.CameraPassword, true, true},
		{"the page", "page-1", b.PageUser, b.PagePassword, false, true},
		{"a nameless visitor", "visitor", "", "", false, true},
		{"a wrong password", "page-2", b.PageUser, "guess", false, false},
		{"a stranger's name", "page-3", "root", "", false, false},
		{"the camera's id", "pirwatch-demo", "", "", false, false},
		{"the page under the camera's id", "pirwatch-demo", b.PageUser, b.PagePassword, false, false},
		{"a visitor with a will", "visitor-2", "", "", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := dial(b, c.id, c.user, c.password, c.will)
			if (err == nil) != c.in {
				t.Errorf("connected with error %v, want in = %v", err, c.in)
			}
			client.Disconnect(100)
		})
	}
}

func TestWhoMayWriteWhat(t *testing.T) {
	b := serve(t)
	camera, err := dial(b, "pirwatch-demo", b.CameraUser, b.CameraPassword, true)
	if err != nil {
		t.Fatal(err)
	}
	defer camera.Disconnect(100)
	var mu sync.Mutex
	got := map[string]bool{}
	if token := camera.SubscribeMultiple(map[string]byte{"pirwatch/#": 1, "homeassistant/#": 1}, func(_ paho.Client, m paho.Message) {
		mu.Lock()
		defer mu.Unlock()
		got[m.Topic()] = true
	}); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	page := func(topic string) {
		// One connection a topic: who writes where it may not is thrown out.
		client, err := dial(b, "page", b.PageUser, b.PagePassword, false)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Disconnect(100)
		client.Publish(topic, 1, false, "x").WaitTimeout(20 * time.Second)
	}
	wanted := []string{"pirwatch/demo/armed/set", "pirwatch/demo/masks/set", "pirwatch/demo/capture", "pirwatch/demo/resend", "pirwatch/demo/recall", "pirwatch/demo/tune"}
	refused := []string{"pirwatch/demo/status", "pirwatch/demo/chunk", "pirwatch/demo/status/set", "pirwatch/demo/armed/set/x",
		"homeassistant/status", "other/demo/capture"}
	for _, topic := range append(refused, wanted...) {
		page(topic)
	}
	camera.Publish("pirwatch/demo/last", 1, false, "x").WaitTimeout(20 * time.Second)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		all := got["pirwatch/demo/last"]
		for _, topic := range wanted {
			all = all && got[topic]
		}
		mu.Unlock()
		if all {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("commands did not arrive: %v", got)
		}
	}
	for _, topic := range refused {
		if got[topic] {
			t.Errorf("the page wrote to %s", topic)
		}
	}
}

func TestListenNear(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var out strings.Builder
	next, err := ListenNear(taken.Addr().String(), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if !strings.Contains(out.String(), "port in use") || !strings.Contains(out.String(), next.Addr().String()) {
		t.Errorf("took %v and said %q", next.Addr(), out.String())
	}
	for _, addr := range []string{"0.0.0.0:1883", "192.0.2.1:80", "1883", "127.0.0.1:70000"} {
		if l, err := ListenNear(addr, slog.New(slog.DiscardHandler)); err == nil {
			l.Close()
			t.Errorf("listened on %s", addr)
		}
	}
}

// Clients that come while the broker ends must not keep it from ending.
func TestEndsWhileClientsCome(t *testing.T) {
	for range 20 {
		b, err := Listen("127.0.0.1:0", "x", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for ctx.Err() == nil {
					if conn, err := net.Dial("tcp", b.Addr()); err == nil {
						conn.Write([]byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"))
						conn.Close()
					}
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		cancel()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			t.Fatal("the broker hangs at its end")
		}
		clients.Wait()
	}
}
