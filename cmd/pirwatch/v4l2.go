package main

import (
	"maps"
	"slices"

	"pirwatch/capture/v4l2"
	"pirwatch/configs"
)

// powerLine are the words of the configuration as the driver takes them; 3 is
// V4L2_CID_POWER_LINE_FREQUENCY_AUTO.
var powerLine = map[string]int{"off": 0, "50Hz": 50, "60Hz": 60, "auto": 3}

func v4l2Options(c *configs.Config) v4l2.Options {
	v := c.Camera.V4L2
	o := v4l2.Options{
		Device: v.Device, Width: c.Camera.Width, Height: c.Camera.Height, FPS: c.Camera.FPS,
		Controls: map[string]int{},
	}
	if v.Format != "auto" {
		o.Format = v.Format
	}
	if v.Exposure > 0 {
		o.Controls["exposure"] = v.Exposure
	}
	if v.Gain >= 0 {
		o.Controls["gain"] = v.Gain
	}
	if v.Focus >= 0 {
		o.Controls["focus"] = v.Focus
	}
	if hertz, ok := powerLine[v.PowerLine]; ok {
		o.Controls["power_line_frequency"] = hertz
	}
	maps.Copy(o.Controls, v.Controls) // what is named by itself wins
	return o
}

// usbCameras lists the cameras that can be used, without the nodes of the Pi's
// own camera and codecs.
func usbCameras() []v4l2.Camera {
	return slices.DeleteFunc(v4l2.List(), func(c v4l2.Camera) bool { return c.Skip != "" })
}
