package setup

import (
	"fmt"
	"strings"

	"pirwatch/configs"
)

// Camera is one that was found on this machine.
type Camera struct {
	Driver string // rpicam or v4l2
	Device string // v4l2: the path that survives a change of port
	Name   string // as its maker calls it
}

// String describes the camera to its owner.
func (c Camera) String() string {
	kind := map[string]string{"rpicam": "Pi camera", "v4l2": "USB camera"}[c.Driver]
	s := strings.TrimSpace(kind + " " + c.Name)
	if c.Device != "" {
		s += " (" + c.Device + ")"
	}
	return s
}

// Hints says what an owner is to do next, a sentence each; none where nothing is
// missing. path is the configuration file; cameras is what was found, for a
// configuration that leaves the choice to pirwatch.
func Hints(c *configs.Config, path string, cameras []Camera) []string {
	var out []string
	if c.Broker.URL == "" {
		out = append(out, fmt.Sprintf("no broker is configured, so nothing is sent: run \"sudo pirwatch setup\", or write url = \"mqtt://ADDRESS\" under [broker] in %s and run \"sudo systemctl reload pirwatch\"", path))
	}
	if c.Camera.Driver == "auto" && len(cameras) == 0 {
		out = append(out, fmt.Sprintf("no camera is found: check the cable of the Pi camera (with the power off) or plug in a USB camera; \"rpicam-hello --list-cameras\" and \"v4l2-ctl --list-devices\" show what the system sees; for a network camera set driver = \"netcam\" under [camera] in %s", path))
	}
	return out
}

// Status is the first-run line for "systemctl status": short, and with the one
// thing to do.
func Status(hints []string) string {
	if len(hints) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(hints[0], ":")
	return first + "; run: sudo pirwatch setup"
}
