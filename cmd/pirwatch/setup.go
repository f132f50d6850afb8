package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
	"pirwatch/capture/rpicam"
	"pirwatch/cmd/internal/setup"
	"pirwatch/configs"
	"pirwatch/motion/pir"
)

type setupCommand struct {
	Config string `help:"The configuration file to write." default:"${config}" placeholder:"FILE" type:"path"`
}

// Run asks, tries, and writes the configuration.
func (c *setupCommand) Run(ctx context.Context, s streams) error {
	return setup.Run(ctx, os.Stdin, s.out, c.Config, setup.Tools{
		Browse:  setup.Browse,
		Cameras: findCameras,
		Connect: func(ctx context.Context, config *configs.Config) error {
			_, err := checkBroker(ctx, config)
			return err
		},
		Shoot: shoot,
		Wave:  wave,
		Hide:  func() func() { return setup.Hide(os.Stdin) },
	})
}

// findCameras lists what is connected to this machine.
func findCameras(ctx context.Context) []setup.Camera {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var found []setup.Camera
	if names, err := rpicam.List(ctx, rpicam.Options{}); err == nil {
		for _, name := range names {
			found = append(found, setup.Camera{Driver: "rpicam", Name: name})
		}
	}
	for _, camera := range usbCameras() {
		found = append(found, setup.Camera{Driver: "v4l2", Device: cmp.Or(camera.ByID, camera.Path), Name: camera.Name})
	}
	return found
}

// shoot takes one picture as the configuration would have it.
func shoot(ctx context.Context, config *configs.Config) ([]byte, error) {
	frame, err := firstFrame(ctx, config)
	if err != nil {
		return nil, err
	}
	developer, err := newDeveloper(config, time.Local, configured(config).Masks, false)
	if err != nil {
		return nil, err
	}
	return developer.Process(frame, "test")
}

// wave tells of each trip of the sensor until ctx ends.
func wave(ctx context.Context, config *configs.Config, seen func()) error {
	o := sensorOptions(config)
	o.WarmUp = 0 // somebody stands there waving
	if err := pir.Try(o); err != nil {
		return err
	}
	err := pir.New(o, nil).Run(ctx, func(l pir.Level) {
		if l.High {
			seen()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// firstFrame waits for one frame of the configured camera.
func firstFrame(ctx context.Context, config *configs.Config) (capture.Frame, error) {
	source, err := newSource(config, slog.New(slog.DiscardHandler))
	if err != nil {
		return capture.Frame{}, err
	}
	if source == nil {
		return capture.Frame{}, errors.New("there is no camera: [camera] driver is off")
	}
	if still, ok := source.(*stillCamera); ok {
		still.Shoot()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var frame capture.Frame
	bad := error(nil)
	err = source.Run(ctx, func(f capture.Frame) {
		if frame.Data != nil {
			return
		}
		if f.Format == capture.JPEG {
			if f.Width, f.Height, bad = mjpeg.Size(f.Data); bad != nil {
				return
			}
		}
		frame = f
		cancel()
	})
	switch {
	case frame.Data != nil:
		return frame, nil
	case bad != nil:
		return frame, fmt.Errorf("the camera sends no readable pictures: %w", bad)
	case err != nil && ctx.Err() == nil:
		return frame, err
	}
	return frame, errors.New("no picture came in time")
}
