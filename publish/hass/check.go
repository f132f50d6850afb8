package hass

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// required lists the keys without which Home Assistant rejects a component of
// that platform, and with it the whole device.
var required = map[string][]string{
	"binary_sensor":     {"stat_t"},
	"button":            {"cmd_t"},
	"camera":            {"t"},
	"device_automation": {"atype", "t", "type", "stype"},
	"event":             {"stat_t", "evt_typ"},
	"image":             {"img_t"},
	"number":            {"cmd_t"},
	"select":            {"cmd_t", "ops"},
	"sensor":            {"stat_t"},
	"switch":            {"cmd_t"},
}

// rootKeys is the whole of what a discovery message of ours may have at its
// root: the schema is closed, and one key more makes the device disappear.
var rootKeys = []string{"dev", "o", "avty", "cmps"}

// Check says what Home Assistant would reject in a device discovery message,
// one error a fault.
func Check(message []byte) []error {
	var root map[string]json.RawMessage
	if err := json.Unmarshal(message, &root); err != nil {
		return []error{fmt.Errorf("discovery: not a JSON object: %w", err)}
	}
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("discovery: "+format, args...)) }
	for _, key := range slices.Sorted(maps.Keys(root)) {
		if !slices.Contains(rootKeys, key) {
			fault("root key %q: want only %s", key, strings.Join(rootKeys, ", "))
		}
	}
	var dev struct {
		IDs []string `json:"ids"`
		CU  string   `json:"cu"`
	}
	if err := json.Unmarshal(root["dev"], &dev); err != nil || len(dev.IDs) == 0 {
		fault("dev: want ids with at least one identifier")
	}
	if dev.CU != "" && !strings.HasPrefix(dev.CU, "http://") && !strings.HasPrefix(dev.CU, "https://") {
		fault("dev.cu %q: want an http:// or https:// address", dev.CU)
	}
	var origin struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(root["o"], &origin); err != nil || origin.Name == "" {
		fault("o: want a name")
	}
	var avty []struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(root["avty"], &avty); err != nil || len(avty) == 0 || avty[0].T == "" {
		fault("avty: want a list of objects with t")
	}
	var cmps map[string]map[string]any
	if err := json.Unmarshal(root["cmps"], &cmps); err != nil || len(cmps) == 0 {
		fault("cmps: want an object of components")
	}
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(cmps)) {
		cmp := cmps[key]
		platform, _ := cmp["p"].(string)
		keys, known := required[platform]
		if !known {
			fault("cmps.%s: platform %q is not one that pirwatch uses", key, platform)
			continue
		}
		if len(cmp) == 1 {
			continue // a removal
		}
		for _, k := range append(keys, "qos") {
			if _, ok := cmp[k]; !ok {
				fault("cmps.%s: %s is missing", key, k)
			}
		}
		if _, ok := cmp["availability_topic"]; ok {
			fault("cmps.%s: availability_topic clashes with the root's list", key)
		}
		if _, ok := cmp["obj_id"]; ok {
			fault("cmps.%s: obj_id is gone since 2026.4: want def_ent_id", key)
		}
		id, _ := cmp["uniq_id"].(string)
		switch {
		case platform == "device_automation":
			if id != "" {
				fault("cmps.%s: a device trigger has no uniq_id", key)
			}
		case id == "":
			fault("cmps.%s: uniq_id is missing", key)
		case seen[id] != "":
			fault("cmps.%s: uniq_id %q is that of cmps.%s too", key, id, seen[id])
		default:
			seen[id] = key
		}
		if ent, ok := cmp["def_ent_id"].(string); ok && !strings.HasPrefix(ent, platform+".") {
			fault("cmps.%s: def_ent_id %q: want it to begin with %q", key, ent, platform+".")
		}
	}
	return errs
}
