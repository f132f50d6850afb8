package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pirwatch/configs"
	"pirwatch/motion/pir"
	"pirwatch/publish/hass"
	"pirwatch/publish/mqtt"
)

type checkCommand struct {
	Config string `help:"The configuration file." default:"${config}" placeholder:"FILE" type:"path"`
}

const checkTime = 30 * time.Second // for one part to show that it works

// Run reads the configuration, then tries each part, a line each.
func (c *checkCommand) Run(ctx context.Context, s streams) error {
	config, err := load(c.Config)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "configuration  ok: %s, camera %s\n", c.Config, config.CameraName())
	good := true
	try := func(part string, f func(context.Context, *configs.Config) (string, error)) {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		good = report(s.out, part, ctx, config, f) && good
	}
	try("camera", checkCamera)
	try("sensor", checkSensor)
	try("broker", checkBroker)
	try("home assistant", checkHome)
	try("directories", checkDirectories)
	if !good {
		return errTold
	}
	return nil
}

func report(out io.Writer, part string, ctx context.Context, config *configs.Config, f func(context.Context, *configs.Config) (string, error)) bool {
	said, err := f(ctx, config)
	if err != nil {
		fmt.Fprintf(out, "%-14s FAILED: %v\n", part, err)
		return false
	}
	fmt.Fprintf(out, "%-14s %s\n", part, said)
	return true
}

// checkCamera waits for one good frame.
func checkCamera(ctx context.Context, config *configs.Config) (string, error) {
	if config.Camera.Driver == "off" {
		return "off", nil
	}
	began := time.Now()
	frame, err := firstFrame(ctx, config)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ok: %s, a frame of %dx%d, %d bytes, after %v", config.Camera.Driver,
		frame.Width, frame.Height, len(frame.Data), time.Since(began).Round(10*time.Millisecond)), nil
}

// checkSensor opens the line and gives it back.
func checkSensor(_ context.Context, config *configs.Config) (string, error) {
	if config.Sensor.Driver == "off" {
		return "off", nil
	}
	if err := pir.Try(sensorOptions(config)); err != nil {
		return "", err
	}
	return fmt.Sprintf("ok: line %d through %s", config.Sensor.Line, config.Sensor.Driver), nil
}

// checkBroker connects, and sees one of its own messages come back: a broker
// acknowledges what its access list forbids, too (MQTT 3.1.1, 3.3.5).
func checkBroker(ctx context.Context, config *configs.Config) (string, error) {
	o, err := linkOptions(config)
	if err != nil {
		return "", err
	}
	if o.URL == "" {
		return "", errNoBroker
	}
	o.ClientID += "-check"
	o.CleanSession = true
	back := make(chan struct{}, 1)
	link, err := mqtt.Connect(ctx, o, func(mqtt.Message) {
		select {
		case back <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return "", err
	}
	defer link.Close(context.WithoutCancel(ctx))
	if config.Wire.Profile == "watson" {
		return "ok: connected to " + o.URL, nil
	}
	// A resend result of no picture: harmless to whoever listens.
	topic := config.Topics.Base + "/" + config.CameraName() + "/resend/result"
	if err := link.Subscribe(ctx, map[string]byte{topic: 1}); err != nil {
		return "", fmt.Errorf("subscribe to %s: %w; allow this user to read under %s", topic, err, config.Topics.Base)
	}
	token := link.Publish(topic, []byte(`{"pic_id":"check","ok":false,"reason":"unknown"}`), 1, false)
	select {
	case <-token.Done():
		if token.Error() != nil {
			return "", fmt.Errorf("publish on %s: %w", topic, token.Error())
		}
	case <-ctx.Done():
		return "", fmt.Errorf("publish on %s: no acknowledgement within %v", topic, checkTime)
	}
	select {
	case <-back:
		return "ok: connected to " + o.URL + ", and what is published there comes back", nil
	case <-time.After(5 * time.Second):
		return "", fmt.Errorf("%s takes a message on %s, but it does not come back: the broker's access list forbids this user to write or read there", o.URL, topic)
	}
}

// checkHome says what Home Assistant would reject.
func checkHome(_ context.Context, config *configs.Config) (string, error) {
	if !config.HomeAssistant.Discovery || config.Wire.Profile == "watson" {
		return "off", nil
	}
	camera := hassCamera(config, config.Sensor.Driver != "off", config.Camera.Driver != "off")
	if errs := hass.Check(camera.Discovery()); len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return "ok: the discovery message for " + camera.Topic() + " keeps the rules", nil
}
