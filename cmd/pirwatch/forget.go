package main

import (
	"context"
	"fmt"
	"time"

	"pirwatch/publish/mqtt"
)

type forgetCommand struct {
	Config string `help:"The configuration file." default:"${config}" placeholder:"FILE" type:"path"`
}

// retainedNames are the topics on which the broker keeps something of a camera.
var retainedNames = []string{
	"status", "motion", "last_event", "image", "image/base64", "image/datauri", "health",
	"armed", "trigger", "cooldown", "sensitivity", "masks",
}

// Run empties what the broker keeps of the camera. Home Assistant then removes
// the device. A daemon that still runs would publish it all again.
func (f *forgetCommand) Run(ctx context.Context, s streams) error {
	config, err := load(f.Config)
	if err != nil {
		return err
	}
	o, err := linkOptions(config)
	if err != nil {
		return err
	}
	if o.URL == "" {
		return errNoBroker
	}
	o.ClientID += "-forget"
	o.CleanSession = true
	link, err := mqtt.Connect(ctx, o, func(mqtt.Message) {})
	if err != nil {
		return fmt.Errorf("forget %s: %w", config.CameraName(), err)
	}
	defer link.Close(ctx)
	camera := hassCamera(config, true, true)
	topics := []string{camera.Topic()}
	for _, name := range retainedNames {
		topics = append(topics, camera.Root+"/"+name)
	}
	for _, topic := range topics {
		token := link.Publish(topic, nil, 1, true)
		select {
		case <-token.Done():
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Second):
			return fmt.Errorf("forget %s: the broker does not acknowledge %s", config.CameraName(), topic)
		}
		if err := token.Error(); err != nil {
			return fmt.Errorf("forget %s: %s: %w", config.CameraName(), topic, err)
		}
	}
	fmt.Fprintf(s.out, "%s is forgotten: %d retained messages removed. If pirwatch still runs for it, stop it first and run this again.\n",
		config.CameraName(), len(topics))
	return nil
}
