package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pirwatch/capture/clip"
	"pirwatch/capture/scene"
	"pirwatch/cmd/internal/broker"
	"pirwatch/configs"
	"pirwatch/publish/mqtt"
	"pirwatch/receive/view"
)

type demoCommand struct {
	Listen string `help:"Where the page is served; the next free port if it is in use." default:"127.0.0.1:8080" placeholder:"ADDRESS"`
	MQTT   string `help:"Where the demo's broker listens; the next free port if it is in use." name:"mqtt" default:"127.0.0.1:1883" placeholder:"ADDRESS"`
	Source string `help:"Play a clip (AVI or MJPEG file, or a folder of JPEGs) instead of the drawn scene." type:"path" placeholder:"FILE|DIR"`
}

const demoName = "demo"

// Run is the whole of pirwatch on a desk: the daemon as it is, with a drawn
// scene for a camera, a simulated sensor beside it, and a broker in the process.
func (c *demoCommand) Run(ctx context.Context, s streams) error {
	if _, err := os.Stat(c.Source); c.Source != "" && err != nil {
		return errUsage{fmt.Errorf("--source: %w", err)}
	}
	dir, err := os.MkdirTemp("", "pirwatch-demo-")
	if err != nil {
		return fmt.Errorf("demo: a folder for its pictures: %w", err)
	}
	defer os.RemoveAll(dir)
	log := slog.New(newStory(s.out))
	config := demoConfig(dir)
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	server, err := broker.Listen(c.MQTT, "pirwatch-"+demoName, log)
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	brokerCtx, stopBroker := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBroker()
	serving.Go(func() {
		if err := server.Run(brokerCtx); err != nil {
			log.Error("demo broker", "error", err)
			stop()
		}
	})

	e := equipment{
		broker: &mqtt.Options{
			URL: "mqtt://" + server.Addr(), ClientID: "pirwatch-" + demoName,
			Username: server.CameraUser, Password: server.CameraPassword,
		},
		page: &view.Options{Token: server.PagePassword, User: server.PageUser},
	}
	if c.Source != "" {
		e.source = clip.New(c.Source, clip.Options{Loop: true})
		config.Motion.Trigger = "frames"
	} else {
		drawn := scene.New(scene.Options{Width: 1280, Height: 720, FPS: config.Camera.FPS})
		e.source, e.sensor = drawn, sceneSensor{drawn.Sensor()}
	}
	if e.page.Listen, err = freeAddress(c.Listen, log); err != nil {
		return err
	}
	d, err := newDaemon(config, e, log)
	if errors.Is(err, view.ErrInUse) { // taken since it was looked at
		if e.page.Listen, err = freeAddress(c.Listen, log); err == nil {
			d, err = newDaemon(config, e, log)
		}
	}
	if err != nil {
		return err
	}
	c.greet(s, d, server)
	return d.Run(ctx)
}

// demoConfig is the default configuration, with shorter pauses: who tries it
// should not have to wait.
func demoConfig(dir string) *configs.Config {
	config := configs.Default()
	config.Name, config.StateDir = demoName, filepath.Join(dir, "state")
	config.Camera.Driver = "scene"
	config.Sensor.Driver = "off" // the scene brings its own
	config.Sensor.WarmUp = 0
	config.Motion.HoldOff = configs.Duration(4 * time.Second)
	config.Motion.Cooldown = configs.Duration(2 * time.Second)
	config.Live.Interval = configs.Duration(time.Second)
	return config
}

// freeAddress finds the next free port for the page.
func freeAddress(addr string, log *slog.Logger) (string, error) {
	l, err := broker.ListenNear(addr, log)
	if err != nil {
		return "", fmt.Errorf("page: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (c *demoCommand) greet(s streams, d *daemon, server *broker.Broker) {
	host, port, _ := net.SplitHostPort(server.Addr())
	fmt.Fprintf(s.out, `pirwatch %s: the demo. Stop it with Ctrl-C.

  The page:        http://%s/#token=%s
  On MQTT:         mosquitto_sub -h %s -p %s -v -t 'pirwatch/%s/motion' -t 'pirwatch/%s/last_event'
  Take a picture:  mosquitto_pub -h %s -p %s -t 'pirwatch/%s/capture' -m PRESS

`, versionText(), d.page.Addr(), server.PagePassword, host, port, demoName, demoName, host, port, demoName)
	if c.Source == "" {
		fmt.Fprintln(s.out, "Somebody walks through the picture in a few seconds, and about every 20 seconds then.")
	}
}
