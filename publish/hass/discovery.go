// Package hass builds and checks Home Assistant's MQTT device discovery
// message: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
// by the rules of 2026. It is pure.
package hass

import (
	"encoding/json"
	"fmt"
)

// Camera is what Home Assistant is told about.
type Camera struct {
	Prefix  string   // the discovery prefix, "homeassistant" by default
	ID      string   // the camera's name on the wire: a-z 0-9 _ -
	Name    string   // the same for people
	Root    string   // where its topics stand: <base>/<camera>
	Version string   // pirwatch's
	Area    string   // suggested; may be empty
	PageURL string   // pirwatch's own page, http or https; may be empty
	Live    bool     // a live picture is published
	Modes   []string // the trigger modes that sensor and camera can do; none leaves the choice out
	Sensor  bool     // there is a PIR sensor
}

// Topic is where the message goes, retained. An empty one there removes the device.
func (c Camera) Topic() string { return c.Prefix + "/device/" + c.device() + "/config" }

// StatusTopic is where Home Assistant tells that it has started.
func (c Camera) StatusTopic() string { return c.Prefix + "/status" }

func (c Camera) device() string { return "pirwatch_" + c.ID }

// component is one entry of `cmps`, by the abbreviated keys.
type component map[string]any

// Discovery returns the message. Components that this camera does not have are
// in it with their platform alone, which removes what an earlier configuration
// had left in Home Assistant.
func (c Camera) Discovery() []byte {
	device := map[string]any{
		"ids": []string{c.device()}, "name": c.Name, "mf": "pirwatch", "mdl": "PIR camera", "sw": c.Version,
	}
	if c.Area != "" {
		device["sa"] = c.Area
	}
	if c.PageURL != "" {
		device["cu"] = c.PageURL
	}
	message := map[string]any{
		"dev":  device,
		"o":    map[string]any{"name": "pirwatch", "sw": c.Version},
		"avty": []any{map[string]any{"t": c.topic("status")}},
		"cmps": c.components(),
	}
	text, err := json.Marshal(message)
	if err != nil {
		panic(err) // strings, numbers and maps of them
	}
	return text
}

func (c Camera) topic(name string) string { return c.Root + "/" + name }

func (c Camera) components() map[string]component {
	const health = "health"
	cmps := map[string]component{
		"motion": c.entity("binary_sensor", "motion", "Motion", component{
			"dev_cla": "motion", "stat_t": c.topic("motion")}),
		"event": c.entity("event", "event", "Event", component{
			"dev_cla": "motion", "stat_t": c.topic("event"),
			"evt_typ": []string{"motion_start", "motion_end", "manual", "suppressed"}}),
		"motion_started": {
			"p": "device_automation", "atype": "trigger", "t": c.topic("event"), "type": "motion", "stype": "started",
			"val_tpl": "{{ value_json.event_type }}", "pl": "motion_start", "qos": 1},
		"cover": c.entity("image", "cover", "Last event", component{
			"img_t": c.topic("image"), "cont_type": "image/jpeg", "json_attr_t": c.topic("last_event")}),
		"last_event": c.entity("sensor", "last_event", "Last event time", component{
			"dev_cla": "timestamp", "stat_t": c.topic("last_event"), "val_tpl": "{{ value_json.started_at }}"}),
		"armed": c.entity("switch", "armed", "Armed", component{
			"ic": "mdi:shield-home", "stat_t": c.topic("armed"), "cmd_t": c.topic("armed/set")}),
		"cooldown": c.setting("number", "cooldown", "Cooldown", component{
			"min": 0, "max": 3600, "step": 1, "mode": "box", "unit_of_meas": "s", "dev_cla": "duration"}),
		"sensitivity": c.setting("number", "sensitivity", "Sensitivity", component{
			"min": 1, "max": 100, "step": 1, "mode": "slider", "ic": "mdi:tune"}),
		"capture": c.entity("button", "capture", "Capture now", component{
			"ic": "mdi:camera", "cmd_t": c.topic("capture"), "pl_prs": "PRESS"}),
		"camera_fault": c.diagnostic("binary_sensor", "camera_fault", "Camera fault", component{
			"dev_cla": "problem", "stat_t": c.topic(health),
			"val_tpl": "{{ 'ON' if value_json.camera in ['stalled', 'missing'] else 'OFF' }}"}),
		"sensor_fault": {"p": "binary_sensor"},
		"queued": c.diagnostic("sensor", "queued", "Queued pictures", component{
			"stat_cla": "measurement", "ic": "mdi:tray-full", "stat_t": c.topic(health), "val_tpl": "{{ value_json.queue_pictures }}"}),
		"dropped": c.diagnostic("sensor", "dropped", "Dropped pictures", component{
			"stat_cla": "total_increasing", "ic": "mdi:image-off", "stat_t": c.topic(health), "val_tpl": "{{ value_json.dropped }}"}),
		"suppressed": c.diagnostic("sensor", "suppressed", "Suppressed triggers", component{
			"stat_cla": "total_increasing", "ic": "mdi:bell-sleep", "stat_t": c.topic(health), "val_tpl": "{{ value_json.suppressed }}"}),
		"cpu_temperature": c.diagnostic("sensor", "cpu_temperature", "CPU temperature", component{
			"dev_cla": "temperature", "stat_cla": "measurement", "unit_of_meas": "°C", "sug_dsp_prc": 1,
			"stat_t": c.topic(health), "val_tpl": "{{ value_json.cpu_c }}"}),
		"trigger": {"p": "select"},
		"live":    {"p": "camera"},
	}
	if c.Sensor {
		cmps["sensor_fault"] = c.diagnostic("binary_sensor", "sensor_fault", "Sensor fault", component{
			"dev_cla": "problem", "stat_t": c.topic(health),
			"val_tpl": "{{ 'ON' if value_json.sensor in ['chattering', 'stuck', 'missing'] else 'OFF' }}"})
	}
	if len(c.Modes) > 0 {
		cmps["trigger"] = c.setting("select", "trigger", "Trigger", component{"ops": c.Modes, "ic": "mdi:motion-sensor"})
	}
	if c.Live {
		cmps["live"] = c.entity("camera", "live", "Live picture", component{"t": c.topic("live"), "qos": 0})
	}
	return cmps
}

// entity fills in what every entity has. Home Assistant 2026.5 ignores a qos at
// the root (home-assistant/core issue 170166), so each has its own.
func (c Camera) entity(platform, key, name string, rest component) component {
	rest["p"] = platform
	rest["name"] = name
	rest["uniq_id"] = c.device() + "_" + key
	rest["def_ent_id"] = fmt.Sprintf("%s.%s_%s", platform, c.slug(), key)
	if _, set := rest["qos"]; !set {
		rest["qos"] = 1
	}
	return rest
}

func (c Camera) diagnostic(platform, key, name string, rest component) component {
	rest["ent_cat"] = "diagnostic"
	rest["qos"] = 0
	return c.entity(platform, key, name, rest)
}

func (c Camera) setting(platform, key, name string, rest component) component {
	rest["ent_cat"] = "config"
	rest["stat_t"] = c.topic(key)
	rest["cmd_t"] = c.topic(key + "/set")
	return c.entity(platform, key, name, rest)
}

// slug is the camera's name as entity ids have it: a-z 0-9 _.
func (c Camera) slug() string {
	slug := []byte("pirwatch_" + c.ID)
	for i, b := range slug {
		if b == '-' {
			slug[i] = '_'
		}
	}
	return string(slug)
}
