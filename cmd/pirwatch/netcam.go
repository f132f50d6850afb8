package main

import (
	"time"

	"pirwatch/capture/netcam"
	"pirwatch/configs"
	"pirwatch/publish/mqtt"
)

// netcamOptions reads the camera's secrets now, so that a missing file is told
// at the start.
func netcamOptions(c *configs.Config) (netcam.Options, error) {
	n := c.Camera.NetCam
	o := netcam.Options{
		URL: n.URL, Username: n.Username, Timeout: n.Timeout.Std(), FPS: c.Camera.FPS, FFmpeg: n.FFmpeg,
		Interval: time.Duration(float64(time.Second) / c.Camera.FPS),
	}
	var err error
	if o.Password, err = c.NetCamPassword(); err != nil {
		return o, err
	}
	if n.CAFile != "" {
		// The same kind of file as the broker's, read the same way.
		if o.TLS, err = mqtt.TLSConfig(n.CAFile, "", ""); err != nil {
			return o, configs.Problem{At: c.Where("camera.netcam.ca_file"), Key: "camera.netcam.ca_file", Text: err.Error()}
		}
	}
	return o, nil
}
