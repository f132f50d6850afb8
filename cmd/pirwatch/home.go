package main

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"pirwatch/configs"
	"pirwatch/publish/hass"
)

// home keeps Home Assistant told of the camera.
type home struct {
	on       bool
	camera   hass.Camera
	announce func(topic string, payload []byte)
	repeat   func() // publishes every state again
	born     chan struct{}
}

func newHome(c *configs.Config, sensor, camera bool) *home {
	return &home{
		on:     c.HomeAssistant.Discovery && c.Wire.Profile != "watson",
		camera: hassCamera(c, sensor, camera),
		born:   make(chan struct{}, 1),
	}
}

// hassCamera describes the camera for Home Assistant. The choice of trigger
// mode offers what the parts can do.
func hassCamera(c *configs.Config, sensor, camera bool) hass.Camera {
	h := hass.Camera{
		Prefix: c.HomeAssistant.Prefix, ID: c.CameraName(), Name: readable(c.CameraName()), Area: c.HomeAssistant.Area,
		Root: c.Topics.Base + "/" + c.CameraName(), Version: versionText(),
		PageURL: c.HomeAssistant.PageURL, Live: c.Live.Interval > 0 && camera, Sensor: sensor,
	}
	if sensor && camera {
		h.Modes = []string{"pir", "frames", "either", "both"}
	}
	if h.PageURL == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		h.PageURL = pageURL(c.View.Listen, c.View.CertFile != "", name)
	}
	return h
}

// pageURL is where others reach the page that is served on an address, or "":
// only what others can use is worth a link. A machine that serves it on all its
// addresses is known in its network by multicast DNS, as Raspberry Pi OS has it.
func pageURL(listen string, tls bool, machine string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost", ip != nil && ip.IsLoopback():
		return ""
	case host == "" || ip != nil && ip.IsUnspecified():
		if machine == "" || machine == "localhost" {
			return ""
		}
		if host = machine; !strings.Contains(host, ".") {
			host += ".local"
		}
	}
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/"
}

// readable turns a camera's name into one for people: "front-door" is "Front door".
func readable(name string) string {
	words := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return ' '
		}
		return r
	}, name))
	if words == "" {
		return name
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// messages are the topics to listen to.
func (h *home) messages() map[string]func(payload []byte, retained bool) {
	if !h.on {
		return nil
	}
	return map[string]func([]byte, bool){
		h.camera.StatusTopic(): func(payload []byte, retained bool) {
			// A retained "online" tells of a start long ago.
			if string(payload) == "online" && !retained {
				select {
				case h.born <- struct{}{}:
				default:
				}
			}
		},
	}
}

// Run announces the camera; and whenever Home Assistant has started, all is sent
// again after a random pause, so that many cameras do not come all at once.
func (h *home) Run(ctx context.Context) error {
	if !h.on {
		return nil
	}
	h.announce(h.camera.Topic(), h.camera.Discovery())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.born:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second + rand.N(9*time.Second)):
		}
		h.repeat()
	}
}
