//go:build peers

package peers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pirwatch/publish/hass"
)

// checkRules holds hass.Check, which `pirwatch check` asks, against Home Assistant
// itself: what the one calls a fault, the other does not take.
func checkRules(t testing.TB, h *homeAssistant, b *broker) {
	t.Helper()
	faults := []struct{ old, new string }{
		{`{"avty"`, `{"~":"x","avty"`},
		{`"ids":["pirwatch_%s"]`, `"ids":[]`},
		{`"o":{"name":"pirwatch",`, `"o":{`},
		{`"cu":"http://`, `"cu":"ftp://`},
		{`"avty":[{"t"`, `"avty":[{"x"`},
		{`"p":"switch"`, `"p":"swich"`},
		{`"uniq_id":"pirwatch_%s_motion"`, `"x":1`},
		{`"evt_typ":`, `"x":`},
		{`"img_t":`, `"x":`},
		{`"ops":`, `"x":`},
	}
	entities := func(twin string) (n int) {
		var all []entity
		h.must(t, "GET", "/api/states", nil, &all)
		for _, e := range all {
			if strings.Contains(e.ID, ".pirwatch_"+twin+"_") {
				n++
			}
		}
		return n
	}
	send := func(twin string, fault struct{ old, new string }) hass.Camera {
		c := hass.Camera{
			Prefix: "homeassistant", ID: twin, Name: twin, Root: "pirwatch/" + twin, Version: "1.0.0", PageURL: "http://127.0.0.1:9/",
			Live: true, Sensor: true, Modes: []string{"pir", "frames", "either", "both"},
		}
		good := string(c.Discovery())
		text := strings.Replace(good, strings.ReplaceAll(fault.old, "%s", twin), fault.new, 1)
		if fault.old != "" && (text == good || len(hass.Check([]byte(text))) == 0) {
			t.Errorf("%s: no fault to hass.Check: %s", fault.old, text)
		}
		publishTo(t, b.addr, c.Topic(), text)
		return c
	}
	const whole = 16
	for i, fault := range faults {
		send(fmt.Sprintf("twin%d", i), fault)
	}
	good := send("twin", struct{ old, new string }{})
	await(t, "a device without a fault", time.Minute, func() bool { return entities("twin") == whole })
	for i, fault := range faults {
		twin := fmt.Sprintf("twin%d", i)
		if n := entities(twin); n == whole {
			t.Errorf("%s → %s: Home Assistant takes it", fault.old, fault.new)
		} else {
			t.Logf("%s → %s: %d entities", fault.old, fault.new, n)
		}
		c := good
		c.ID = twin
		publishTo(t, b.addr, c.Topic(), "")
	}
	publishTo(t, b.addr, good.Topic(), "")
	await(t, "the device without a fault to be gone", time.Minute, func() bool { return entities("twin") == 0 })
}
