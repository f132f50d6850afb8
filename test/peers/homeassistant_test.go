//go:build peers

package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// homeConfig is a camera with everything that Home Assistant can show. There is
// no GPIO chip: the sensor is missing, and said to be.
const homeConfig = `
[camera]
driver = "scene"
width = 320
height = 180
[sensor]
driver = "gpiocdev"
chip = "/dev/gpiochip-that-is-not-there"
[motion]
trigger = "either"
hold_off = "1s"
cooldown = "1s"
longest_event = "6s"
[live]
interval = "1s"
[health]
interval = "5s"
[home_assistant]
page_url = "http://127.0.0.1:9/"
`

// The camera's entities. Those with a topic have a state that follows from it.
const (
	haMotion      = "binary_sensor.pirwatch_front_motion"
	haEvent       = "event.pirwatch_front_event"
	haCover       = "image.pirwatch_front_cover"
	haLive        = "camera.pirwatch_front_live"
	haLastEvent   = "sensor.pirwatch_front_last_event"
	haArmed       = "switch.pirwatch_front_armed"
	haTrigger     = "select.pirwatch_front_trigger"
	haCooldown    = "number.pirwatch_front_cooldown"
	haSensitivity = "number.pirwatch_front_sensitivity"
	haCapture     = "button.pirwatch_front_capture"
	haCameraFault = "binary_sensor.pirwatch_front_camera_fault"
	haSensorFault = "binary_sensor.pirwatch_front_sensor_fault"
	haQueued      = "sensor.pirwatch_front_queued"
	haDropped     = "sensor.pirwatch_front_dropped"
	haSuppressed  = "sensor.pirwatch_front_suppressed"
	haTemperature = "sensor.pirwatch_front_cpu_temperature"
)

// healthMessage is what the health topic says, as far as Home Assistant shows it.
type healthMessage struct {
	Camera     string   `json:"camera"`
	Sensor     string   `json:"sensor"`
	Queued     int      `json:"queue_pictures"`
	Dropped    int      `json:"dropped"`
	Suppressed int      `json:"suppressed"`
	CPU        *float64 `json:"cpu_c"`
}

// truth is what each entity must show by what the broker was told last; "" where
// only that it is available can be said.
func truth(t testing.TB, sub *subscription) map[string]string {
	t.Helper()
	last := func(name string) string { return sub.last("pirwatch/front/" + name) }
	onOff := func(on bool) string {
		if on {
			return "on"
		}
		return "off"
	}
	health := healthMessage{}
	if text := last("health"); text != "" {
		health = parse[healthMessage](t, []byte(text))
	}
	want := map[string]string{
		haMotion: strings.ToLower(last("motion")), haArmed: strings.ToLower(last("armed")),
		haTrigger: last("trigger"), haCooldown: last("cooldown"), haSensitivity: last("sensitivity"),
		haEvent: "", haCover: "", haLive: "", haCapture: "", haLastEvent: "",
		haCameraFault: onOff(slices.Contains([]string{"stalled", "missing"}, health.Camera)),
		haSensorFault: onOff(slices.Contains([]string{"chattering", "stuck", "missing"}, health.Sensor)),
		haQueued:      strconv.Itoa(health.Queued), haDropped: strconv.Itoa(health.Dropped), haSuppressed: strconv.Itoa(health.Suppressed),
		haTemperature: "unknown",
	}
	if health.CPU != nil {
		want[haTemperature] = strconv.FormatFloat(*health.CPU, 'f', -1, 64)
	}
	if text := last("last_event"); text != "" {
		at, err := time.Parse(time.RFC3339, parse[summary](t, []byte(text)).StartedAt)
		if err != nil {
			t.Fatal(err)
		}
		want[haLastEvent] = at.UTC().Format("2006-01-02T15:04:05+00:00")
	}
	return want
}

// wrong lists the entities that do not show the truth.
func wrong(have map[string]entity, want map[string]string) []string {
	var out []string
	for id, state := range want {
		e, there := have[id]
		same := there && e.State != "unavailable" && (state == "" || e.State == state)
		if a, err := strconv.ParseFloat(e.State, 64); err == nil && !same {
			b, err := strconv.ParseFloat(state, 64)
			same = err == nil && a == b
		}
		if !same {
			out = append(out, fmt.Sprintf("%s is %q, want %q", id, e.State, state))
		}
	}
	slices.Sort(out)
	return out
}

// awaitTruth waits until every entity of the device is there and true.
func awaitTruth(t testing.TB, h *homeAssistant, sub *subscription, when string) {
	t.Helper()
	var faults []string
	deadline := time.Now().Add(3 * time.Minute)
	for {
		want := truth(t, sub)
		if faults = wrong(h.entities(), want); len(faults) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: after three minutes:\n%s", when, strings.Join(faults, "\n"))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Home Assistant itself, with a real Mosquitto: what the owner gets by adding
// nothing but the broker's address.
func TestHomeAssistant(t *testing.T) {
	h := newHomeAssistant(t)
	b := mosquitto(t, "persistence true", "persistence_location "+t.TempDir()+"/") // as Debian has it
	sub := subscribe(t, b.addr, "pirwatch/front/+")
	h.start(t)
	h.useBroker(t, b.addr)
	cam := watch(t, b.addr, homeConfig)
	await(t, "the first event to be over", 3*time.Minute, func() bool { return len(sub.on("pirwatch/front/history")) > 0 })
	awaitTruth(t, h, sub, "after the first event")
	if extra := h.entities(); len(extra) != len(truth(t, sub)) {
		t.Errorf("%d entities, want %d: %v", len(extra), len(truth(t, sub)), extra)
	}

	checkDevice(t, h)
	checkRules(t, h, b)
	checkChanges(t, h, b, sub)
	checkPictures(t, h, sub)
	checkBlueprint(t, h, sub)
	for line := range strings.Lines(h.proc.out.String()) {
		for _, word := range []string{"pirwatch", "mqtt.discovery", "template", "blueprint", "automation"} {
			if strings.Contains(line, word) && !strings.Contains(line, "twin") {
				t.Errorf("Home Assistant complains: %s", line)
				break
			}
		}
	}

	// Disarmed, so that what must hold does not change while it is looked at.
	disarm(t, h, sub)
	restart := map[string]func(){
		"Home Assistant": func() { h.stop(t); h.start(t) },
		"broker":         func() { b.stop(); b.start(t) },
		"pirwatch":       func() { cam.stop(); cam.start(t) },
	}
	for _, order := range [][]string{
		{"Home Assistant", "broker", "pirwatch"}, {"broker", "pirwatch", "Home Assistant"}, {"pirwatch", "Home Assistant", "broker"},
		{"Home Assistant", "pirwatch", "broker"}, {"broker", "Home Assistant", "pirwatch"}, {"pirwatch", "broker", "Home Assistant"},
	} {
		for _, part := range order {
			restart[part]()
		}
		when := "after restarts of " + strings.Join(order, ", ")
		awaitTruth(t, h, sub, when)
		if state := h.entities()[haArmed].State; state != "off" {
			t.Errorf("%s: armed is %s, want off as before", when, state)
		}
	}

	// A kill in mid-motion leaves nothing standing at "on".
	h.act(t, "switch.turn_on", haArmed, nil)
	await(t, "motion after all restarts", 3*time.Minute, func() bool { return h.entities()[haMotion].State == "on" })
	cam.kill()
	await(t, "the last will to make everything unavailable", time.Minute, func() bool {
		for _, e := range h.entities() {
			if e.State != "unavailable" {
				return false
			}
		}
		return true
	})
	cam.start(t)
	awaitTruth(t, h, sub, "after the kill")

	// What the configuration no longer has goes; all goes when the camera is forgotten.
	cam.stop()
	text, err := os.ReadFile(cam.config)
	if err != nil {
		t.Fatal(err)
	}
	less := strings.NewReplacer(`interval = "1s"`, `interval = "0s"`, `"gpiocdev"`, `"off"`, `"either"`, `"frames"`).Replace(string(text))
	if err := os.WriteFile(cam.config, []byte(less), 0o600); err != nil {
		t.Fatal(err)
	}
	cam.start(t)
	await(t, "the components that are no more to be gone", time.Minute, func() bool {
		have := h.entities()
		gone := 0
		for _, id := range []string{haLive, haTrigger, haSensorFault} {
			if _, there := have[id]; !there {
				gone++
			}
		}
		return gone == 3 && len(have) == 13
	})

	cam.stop()
	run(t, time.Minute, built(t), "forget", "--config", cam.config)
	await(t, "the device to be gone", time.Minute, func() bool { return len(h.entities()) == 0 })
}

// checkDevice looks at the device: its link, its trigger for automations.
func checkDevice(t testing.TB, h *homeAssistant) {
	t.Helper()
	type device struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Maker string `json:"manufacturer"`
		URL   string `json:"configuration_url"`
	}
	var mine *device
	for _, d := range parse[[]device](t, h.ws.ask(t, map[string]any{"type": "config/device_registry/list"})) {
		if d.Maker == "pirwatch" {
			mine = &d
		}
	}
	if mine == nil || mine.Name != "Front" || mine.URL != "http://127.0.0.1:9/" {
		t.Fatalf("device %+v", mine)
	}
	triggers := string(h.ws.ask(t, map[string]any{"type": "device_automation/trigger/list", "device_id": mine.ID}))
	if !strings.Contains(triggers, `"started"`) {
		t.Errorf("no device trigger: %s", triggers)
	}
}

// checkChanges sees every entity change: by itself, by a command, or by what the
// health topic says.
func checkChanges(t testing.TB, h *homeAssistant, b *broker, sub *subscription) {
	t.Helper()
	is := func(state string) func(entity) bool { return func(e entity) bool { return e.State == state } }
	kind := func(kind string) func(entity) bool {
		return func(e entity) bool { return e.Attributes["event_type"] == kind }
	}
	await(t, "motion on and off, the event's start and end", 3*time.Minute, func() bool {
		return h.ws.saw(haMotion, is("on")) && h.ws.saw(haMotion, is("off")) &&
			h.ws.saw(haEvent, kind("motion_start")) && h.ws.saw(haEvent, kind("motion_end")) &&
			h.ws.count(haCover, func(e entity) bool { return e.State != "unavailable" }) > 1 &&
			h.ws.count(haLastEvent, func(e entity) bool { return e.State != "unavailable" && e.State != "unknown" }) > 1
	})

	h.act(t, "number.set_value", haCooldown, map[string]any{"value": 7})
	h.act(t, "number.set_value", haSensitivity, map[string]any{"value": 61})
	h.act(t, "select.select_option", haTrigger, map[string]any{"option": "frames"})
	await(t, "the settings to be carried out and shown", time.Minute, func() bool {
		return sub.last("pirwatch/front/cooldown") == "7" && sub.last("pirwatch/front/sensitivity") == "61" && sub.last("pirwatch/front/trigger") == "frames" &&
			len(wrong(h.entities(), map[string]string{haCooldown: "7", haSensitivity: "61", haTrigger: "frames"})) == 0
	})

	disarm(t, h, sub)
	events := len(sub.on("pirwatch/front/history"))
	h.act(t, "button.press", haCapture, nil)
	await(t, "the button to take a burst, disarmed as it is", time.Minute, func() bool {
		return h.ws.saw(haEvent, kind("manual")) && h.ws.saw(haCapture, func(e entity) bool { return e.State != "unknown" && e.State != "unavailable" }) &&
			len(sub.on("pirwatch/front/history")) > events
	})

	// The state of hardware that is not here, as the camera would tell it.
	publishTo(t, b.addr, "pirwatch/front/health",
		`{"camera":"stalled","sensor":"ok","queue_pictures":5,"dropped":3,"suppressed":4711,"cpu_c":61.5}`)
	for id, state := range map[string]string{
		haCameraFault: "on", haSensorFault: "off", haQueued: "5", haDropped: "3", haSuppressed: "4711", haTemperature: "61.5",
	} {
		await(t, id+" to show "+state, time.Minute, func() bool { return h.ws.saw(id, is(state)) })
	}
	awaitTruth(t, h, sub, "after the true health message")
	h.act(t, "switch.turn_on", haArmed, nil)
	await(t, "the switch to arm", time.Minute, func() bool {
		return sub.last("pirwatch/front/armed") == "ON" && h.entities()[haArmed].State == "on"
	})
}

// disarm uses the switch, and waits for the end of what goes on.
func disarm(t testing.TB, h *homeAssistant, sub *subscription) {
	t.Helper()
	h.act(t, "switch.turn_off", haArmed, nil)
	await(t, "the switch to disarm", time.Minute, func() bool {
		last := sub.last("pirwatch/front/last_event")
		return sub.last("pirwatch/front/armed") == "OFF" && sub.last("pirwatch/front/motion") == "OFF" && h.entities()[haArmed].State == "off" &&
			strings.Contains(last, `"phase":"closed"`) && strings.Contains(last, `"queued":0`)
	})
}

// checkPictures compares what Home Assistant serves with what was published.
func checkPictures(t testing.TB, h *homeAssistant, sub *subscription) {
	t.Helper()
	served := func(path string) (jpeg []byte) {
		if h.call("GET", path, nil, &jpeg) != nil {
			return nil
		}
		return jpeg
	}
	await(t, "the image entity to serve the cover to the byte", time.Minute, func() bool {
		return sub.last("pirwatch/front/image") == string(served("/api/image_proxy/"+haCover))
	})
	var first []byte
	await(t, "the camera entity to serve two live pictures to the byte", time.Minute, func() bool {
		jpeg := served("/api/camera_proxy/" + haLive)
		known := slices.ContainsFunc(sub.on("pirwatch/front/live"), func(m message) bool { return bytes.Equal(m.payload, jpeg) })
		if known && first == nil {
			first = jpeg
		}
		return known && !bytes.Equal(first, jpeg)
	})
	cover := h.entities()[haCover].Attributes
	last := parse[summary](t, []byte(sub.last("pirwatch/front/last_event")))
	if cover["started_at"] != last.StartedAt || cover["event_id"] != last.EventID {
		t.Errorf("the cover's attributes are %v, want those of %s", cover, last.EventID)
	}
}

// phone takes the notifications that Home Assistant sends to its app.
type phone struct {
	mu  sync.Mutex
	got []map[string]any
}

func (p *phone) all() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// checkBlueprint imports the recipe from the documentation, makes an automation
// of it, and takes its notification as a phone would.
func checkBlueprint(t testing.TB, h *homeAssistant, sub *subscription) {
	t.Helper()
	recipe, err := os.ReadFile(filepath.Join(root, "docs", "home-assistant", "motion-picture.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var p phone
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/motion-picture.yaml" {
			w.Write(recipe)
			return
		}
		body, err := io.ReadAll(r.Body)
		var message map[string]any
		if err == nil && json.Unmarshal(body, &message) == nil {
			p.mu.Lock()
			p.got = append(p.got, message)
			p.mu.Unlock()
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "{}")
	}))
	defer server.Close()

	address := server.URL + "/motion-picture.yaml"
	imported := parse[struct {
		Raw    string   `json:"raw_data"`
		Errors []string `json:"validation_errors"`
	}](t, h.ws.ask(t, map[string]any{"type": "blueprint/import", "url": address}))
	if len(imported.Errors) > 0 {
		t.Fatalf("the blueprint does not import: %v", imported.Errors)
	}
	h.ws.ask(t, map[string]any{"type": "blueprint/save", "domain": "automation", "path": "pirwatch/motion-picture", "yaml": imported.Raw, "source_url": address})

	h.must(t, "POST", "/api/mobile_app/registrations", map[string]any{
		"app_id": "test", "app_name": "Test", "app_version": "1", "device_name": "Pocket", "device_id": "pocket", "manufacturer": "none", "model": "none",
		"os_name": "none", "os_version": "1", "supports_encryption": false,
		"app_data": map[string]any{"push_token": "token", "push_url": server.URL + "/push"},
	}, nil)
	var pocket string
	await(t, "the phone to be a device", time.Minute, func() bool {
		for _, d := range parse[[]map[string]any](t, h.ws.ask(t, map[string]any{"type": "config/device_registry/list"})) {
			if d["name"] == "Pocket" {
				pocket, _ = d["id"].(string)
			}
		}
		return pocket != ""
	})
	h.must(t, "POST", "/api/config/automation/config/pirwatch_test", map[string]any{
		"alias": "Picture of what moved",
		"use_blueprint": map[string]any{"path": "pirwatch/motion-picture.yaml", "input": map[string]any{
			"event": haEvent, "cover": haCover, "phone": pocket, "page": "http://127.0.0.1:9/#event/front"}},
	}, nil)
	const automation = "automation.picture_of_what_moved"
	state := func() (e entity) {
		h.call("GET", "/api/states/"+automation, nil, &e)
		return e
	}
	await(t, "the automation to be on", time.Minute, func() bool { return state().State == "on" })

	await(t, "a notification", 3*time.Minute, func() bool { return len(p.all()) > 0 })
	got := p.all()[0]
	data, _ := got["data"].(map[string]any)
	id, _ := data["tag"].(string)
	if got["title"] != "Front" || !strings.HasPrefix(fmt.Sprint(got["message"]), "Something moves, ") ||
		data["clickAction"] != "http://127.0.0.1:9/#event/front/"+id || data["url"] != data["clickAction"] || id == "" {
		t.Errorf("notification %v", got)
	}
	resp, err := http.Get(h.url + fmt.Sprint(data["image"])) // no login: the address brings its own token
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	jpeg, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(sub.on("pirwatch/front/image"), func(m message) bool { return bytes.Equal(m.payload, jpeg) }) {
		t.Errorf("%v gives %d bytes, status %d, that are no cover", data["image"], len(jpeg), resp.StatusCode)
	}
	actions, _ := data["actions"].([]any)
	if len(actions) != 1 {
		t.Fatalf("buttons %v", actions)
	}

	// The button: no notification of the next two events.
	// It is pressed again where it fell into the moment of another notification.
	action := map[string]any{"action": actions[0].(map[string]any)["action"]}
	var pressed time.Time
	await(t, "the automation to snooze", time.Minute, func() bool {
		if time.Since(pressed) > 5*time.Second {
			h.must(t, "POST", "/api/events/mobile_app_notification_action", action, nil)
			pressed = time.Now()
		}
		return state().Attributes["current"] == float64(1)
	})
	quiet := len(p.all())
	started := func(e entity) bool { return e.Attributes["event_type"] == "motion_start" }
	before := h.ws.count(haEvent, started)
	await(t, "two more events", 4*time.Minute, func() bool { return h.ws.count(haEvent, started) > before+1 })
	if n := len(p.all()); n != quiet {
		t.Errorf("%d notifications while snoozing", n-quiet)
	}
}
