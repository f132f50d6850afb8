// Package control holds the settings that can be changed over MQTT: it checks
// commands, remembers what was set across restarts, and says what is true now.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Polygon is an area of the picture: corners [x, y] in fractions of its width
// and height, from the top left.
type Polygon [][2]float64

// Masks are areas of the picture, by what they are for.
type Masks struct {
	Ignore  []Polygon `json:"ignore"`  // motion there does not count
	Watch   []Polygon `json:"watch"`   // if any: only motion there counts
	Privacy []Polygon `json:"privacy"` // painted over in every picture
}

// Limits on what a command may bring.
const (
	maxPayload  = 16 << 10 // bytes
	maxPolygons = 32       // of one kind
	maxCorners  = 64       // of one polygon
	maxCooldown = 3600     // seconds
)

// Settings are the values in force.
type Settings struct {
	Armed       bool
	Trigger     string
	Cooldown    time.Duration // whole seconds
	Sensitivity int           // 1–100
	Masks       Masks
}

// Names lists the settings by the names of their topics.
func Names() []string { return []string{"armed", "trigger", "cooldown", "sensitivity", "masks"} }

// State returns a setting as its topic carries it.
func (s Settings) State(name string) []byte {
	switch name {
	case "armed":
		return OnOff(s.Armed)
	case "trigger":
		return []byte(s.Trigger)
	case "cooldown":
		return strconv.AppendInt(nil, int64(s.Cooldown/time.Second), 10)
	case "sensitivity":
		return strconv.AppendInt(nil, int64(s.Sensitivity), 10)
	case "masks":
		return s.Masks.json()
	}
	return nil
}

// OnOff is how a switch stands on the wire.
func OnOff(on bool) []byte {
	if on {
		return []byte("ON")
	}
	return []byte("OFF")
}

func (m Masks) json() []byte {
	for _, list := range []*[]Polygon{&m.Ignore, &m.Watch, &m.Privacy} {
		if *list == nil {
			*list = []Polygon{}
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // slices of numbers that were checked to be finite
	}
	return text
}

// with returns the settings with one of them changed as a command asks, or why
// that cannot be.
func (s Settings) with(name string, payload []byte) (Settings, error) {
	if len(payload) > maxPayload {
		return s, fmt.Errorf("%d bytes: want at most %d", len(payload), maxPayload)
	}
	var err error
	switch name {
	case "armed":
		s.Armed, err = ParseOnOff(payload)
	case "trigger":
		switch string(payload) {
		case "pir", "frames", "either", "both":
			s.Trigger = string(payload)
		default:
			err = fmt.Errorf("%s: want pir, frames, either or both", quote(payload))
		}
	case "cooldown":
		var n int
		n, err = wholeNumber(payload, 0, maxCooldown, "seconds")
		s.Cooldown = time.Duration(n) * time.Second
	case "sensitivity":
		s.Sensitivity, err = wholeNumber(payload, 1, 100, "")
	case "masks":
		s.Masks, err = ParseMasks(payload)
	default:
		err = errors.New("no such setting")
	}
	return s, err
}

// ParseOnOff reads a switch command.
func ParseOnOff(payload []byte) (bool, error) {
	switch string(payload) {
	case "ON":
		return true, nil
	case "OFF":
		return false, nil
	}
	return false, fmt.Errorf("%s: want ON or OFF", quote(payload))
}

// wholeNumber reads a number; Home Assistant writes some as 10.0.
func wholeNumber(payload []byte, low, high int, unit string) (int, error) {
	n, err := strconv.ParseFloat(string(payload), 64)
	if err != nil || n != math.Trunc(n) || n < float64(low) || n > float64(high) {
		if unit != "" {
			unit = " of " + unit
		}
		return 0, fmt.Errorf("%s: want a whole number%s from %d to %d", quote(payload), unit, low, high)
	}
	return int(n), nil
}

// ParseMasks reads the masks' JSON strictly: unknown keys, corners outside the
// picture and polygons of fewer than three corners are errors.
func ParseMasks(payload []byte) (Masks, error) {
	var m Masks
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Masks{}, fmt.Errorf(`%s: %w; want {"ignore":[polygon…],"watch":[…],"privacy":[…]}, a polygon being [[x,y],…]`, quote(payload), err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Masks{}, errors.New("text after the JSON object")
	}
	for _, kind := range []struct {
		name string
		list []Polygon
	}{{"ignore", m.Ignore}, {"watch", m.Watch}, {"privacy", m.Privacy}} {
		if len(kind.list) > maxPolygons {
			return Masks{}, fmt.Errorf("%s has %d polygons: want at most %d", kind.name, len(kind.list), maxPolygons)
		}
		for i, polygon := range kind.list {
			if len(polygon) < 3 || len(polygon) > maxCorners {
				return Masks{}, fmt.Errorf("%s[%d] has %d corners: want 3 to %d", kind.name, i, len(polygon), maxCorners)
			}
			for _, corner := range polygon {
				if !(corner[0] >= 0 && corner[0] <= 1 && corner[1] >= 0 && corner[1] <= 1) {
					return Masks{}, fmt.Errorf("%s[%d] has the corner %v: want fractions of the picture, 0 to 1", kind.name, i, corner)
				}
			}
		}
	}
	return m, nil
}

// quote shows a stranger's payload in a log line, cut and escaped.
func quote(payload []byte) string {
	const most = 60
	if len(payload) > most {
		return strconv.Quote(string(payload[:most])) + "…"
	}
	return strconv.Quote(string(payload))
}
