package configs

import (
	"encoding"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate checks every value, and what must agree between values.
func (c *Config) validate() Problems {
	v := validator{c: c}
	walk(c, func(f field) { v.field(f.path, f.v, f.tag) })
	v.names()
	v.broker()
	v.camera()
	v.event()
	v.masks()
	v.times()
	v.listeners()
	return v.problems
}

type validator struct {
	c        *Config
	problems Problems
}

func (v *validator) bad(key, format string, args ...any) {
	v.problems = append(v.problems, Problem{At: v.c.Where(key), Key: key, Text: fmt.Sprintf(format, args...)})
}

// field checks a value against its tags.
func (v *validator) field(path string, value reflect.Value, tag reflect.StructTag) {
	if words := tag.Get("one"); words != "" {
		v.oneOf(path, value, strings.Split(words, ","))
	}
	if bounds := tag.Get("range"); bounds != "" {
		low, high, _ := strings.Cut(bounds, "..")
		n, lo, hi := number(value, ""), number(value, low), number(value, high)
		if !(n >= lo && n <= hi) { // not-a-number included
			v.bad(path, "%s is out of range; it is from %s to %s", written(value), quoted(value, low), quoted(value, high))
		}
	}
	if value.Kind() == reflect.Slice && value.Type() == reflect.TypeFor[[]Span]() {
		for i := range value.Len() {
			span := value.Index(i)
			for j := range span.NumField() {
				sf := span.Type().Field(j)
				v.field(fmt.Sprintf("%s[%d].%s", path, i, sf.Tag.Get("toml")), span.Field(j), sf.Tag)
			}
		}
	}
}

func (v *validator) oneOf(path string, value reflect.Value, words []string) {
	if value.Kind() == reflect.Slice {
		for i := range value.Len() {
			v.oneOf(path, value.Index(i), words)
		}
		return
	}
	word := fmt.Sprint(value.Interface())
	if slices.Contains(words, word) {
		return
	}
	if value.Kind() == reflect.Int {
		v.bad(path, "%s is not possible; it is %s", word, alternatives(words, ""))
		return
	}
	hint := ""
	if near := nearest(word, words); near != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", near)
	}
	v.bad(path, "%q is not possible; it is %s%s", word, alternatives(words, `"`), hint)
}

// alternatives lists words as a sentence does.
func alternatives(words []string, quote string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote + w + quote
	}
	if len(out) == 1 {
		return out[0]
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

// number returns a field's value, or that of a bound written as in the file.
func number(value reflect.Value, bound string) float64 {
	if bound != "" {
		value = reflect.New(value.Type()).Elem()
		if text, ok := value.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if err := text.UnmarshalText([]byte(bound)); err != nil {
				panic("configs: bad range tag: " + err.Error())
			}
		} else {
			n, err := strconv.ParseFloat(bound, 64)
			if err != nil {
				panic("configs: bad range tag: " + err.Error())
			}
			return n
		}
	}
	if value.CanInt() {
		return float64(value.Int())
	}
	return value.Float()
}

// written shows a value as it would stand in the file.
func written(value reflect.Value) string {
	if text, ok := value.Interface().(fmt.Stringer); ok {
		return strconv.Quote(text.String())
	}
	return show(value.Interface())
}

func quoted(value reflect.Value, bound string) string {
	if _, ok := value.Interface().(fmt.Stringer); ok {
		return strconv.Quote(bound)
	}
	return bound
}

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)
	topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)
	wordForm  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

func (v *validator) names() {
	c := v.c
	if c.Name != "" && !nameForm.MatchString(c.Name) {
		hint := ""
		if r := reduce(c.Name); r != "" {
			hint = fmt.Sprintf(", such as %q", r)
		}
		v.bad("name", "%q cannot be part of a topic; use lower-case letters, digits, \"_\" and \"-\", at most 40%s", c.Name, hint)
	}
	if !topicForm.MatchString(c.Topics.Base) || len(c.Topics.Base) > 200 {
		v.bad("topics.base", "%q is not possible; use levels of letters, digits, \"_\" and \"-\" with single slashes between, such as \"home/garden\"", c.Topics.Base)
	}
	if !topicForm.MatchString(c.HomeAssistant.Prefix) || len(c.HomeAssistant.Prefix) > 200 {
		v.bad("home_assistant.prefix", "%q is not possible; it is \"homeassistant\" unless you changed it there", c.HomeAssistant.Prefix)
	}
	for _, p := range []struct{ key, path string }{
		{"state_dir", c.StateDir}, {"queue.dir", c.Queue.Dir}, {"archive.dir", c.Archive.Dir},
		{"broker.password_file", c.Broker.PasswordFile}, {"broker.ca_file", c.Broker.CAFile},
		{"broker.cert_file", c.Broker.CertFile}, {"broker.key_file", c.Broker.KeyFile},
		{"watson.device_file", c.Watson.DeviceFile}, {"watson.token_file", c.Watson.TokenFile},
		{"camera.netcam.password_file", c.Camera.NetCam.PasswordFile}, {"camera.netcam.ca_file", c.Camera.NetCam.CAFile},
		{"view.password_file", c.View.PasswordFile}, {"view.cert_file", c.View.CertFile}, {"view.key_file", c.View.KeyFile},
		{"metrics.pprof", c.Metrics.PProf},
	} {
		if p.path != "" && !filepath.IsAbs(p.path) {
			v.bad(p.key, "%q depends on where pirwatch is started; write the whole path from \"/\" on", p.path)
		}
	}
}

func (v *validator) broker() {
	b := v.c.Broker
	if b.URL != "" {
		v.url("broker.url", b.URL, "mqtt://192.168.1.10", "mqtt", "mqtts", "ws", "wss")
	}
	if u, err := url.Parse(b.URL); err == nil {
		tls := u.Scheme == "mqtts" || u.Scheme == "wss"
		for _, f := range []struct{ key, value string }{
			{"broker.ca_file", b.CAFile}, {"broker.cert_file", b.CertFile}, {"broker.server_name", b.ServerName}, {"broker.alpn", b.ALPN},
		} {
			if f.value != "" && b.URL != "" && !tls {
				v.bad(f.key, "is for TLS, but broker.url begins with %s://; write mqtts:// or wss:// there", u.Scheme)
			}
		}
		if (u.Scheme == "mqtt" || u.Scheme == "mqtts") && strings.Trim(u.Path, "/") != "" {
			v.bad("broker.url", "has a path, %q, which only ws:// and wss:// have; the topic is set by topics.base", u.Path)
		}
	}
	v.pair("broker", b.CertFile, b.KeyFile)
	if b.PasswordFile != "" && b.Username == "" && v.c.Wire.Profile != "watson" {
		v.bad("broker.username", "is empty, but there is a password_file; MQTT has no password without a user name")
	}
	if len(b.ClientID) > 128 || strings.ContainsFunc(b.ClientID, func(r rune) bool { return r < ' ' }) {
		v.bad("broker.client_id", "is not possible; use at most 128 printable characters")
	}
	w := v.c.Wire
	if w.Profile == "watson" {
		if w.Base64 || w.DataURI {
			v.bad("wire.profile", "\"watson\" has no whole pictures; set base64 and datauri to false")
		}
		for _, f := range []struct{ key, value string }{{"org", v.c.Watson.Org}, {"type", v.c.Watson.Type}, {"id", v.c.Watson.ID}} {
			if f.value == "" && v.c.Watson.DeviceFile == "" {
				v.bad("watson."+f.key, "is empty, but wire.profile is \"watson\"; set it, or device_file to the platform's device.cfg")
			} else if f.value != "" && !wordForm.MatchString(f.value) {
				v.bad("watson."+f.key, "%q is not possible; use letters, digits, \"-\", \"_\" and \".\"", f.value)
			}
		}
	}
	if v.c.Backoff.First > v.c.Backoff.Longest {
		v.bad("backoff.first", "%q is longer than backoff.longest = %q", v.c.Backoff.First, v.c.Backoff.Longest)
	}
}

// url checks an address: its scheme, a host, and no password.
func (v *validator) url(key, s, example string, schemes ...string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "" || !slices.Contains(schemes, u.Scheme):
		v.bad(key, "%q is not an address; write %s:// and the host, such as %q", redact(s), alternatives(schemes, ""), example)
	case u.Hostname() == "":
		v.bad(key, "%q names no host; write one, such as %q", s, example)
	case u.User != nil:
		v.bad(key, "has a user or password in it; write %q here, and put them into username and password_file", (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: u.RawQuery}).String())
	case u.Port() != "" && !validPort(u.Port()):
		v.bad(key, "port %s is not possible; it is from 1 to 65535", u.Port())
	}
}

// redact drops what stands before an "@" in something that should be an address.
func redact(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "...@" + s[i+1:]
	}
	return s
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 65535
}

// pair checks that certificate and key are both there or both not.
func (v *validator) pair(section, cert, key string) {
	if cert != "" && key == "" {
		v.bad(section+".key_file", "is empty, but there is a cert_file; a certificate needs its key")
	}
	if key != "" && cert == "" {
		v.bad(section+".cert_file", "is empty, but there is a key_file; a key needs its certificate")
	}
}

func (v *validator) camera() {
	c := v.c.Camera
	if c.DetectorFPS > c.FPS {
		v.bad("camera.detector_fps", "%v is more than camera.fps = %v gives", c.DetectorFPS, c.FPS)
	}
	if c.RetryFirst > c.RetryLongest {
		v.bad("camera.retry_first", "%q is longer than camera.retry_longest = %q", c.RetryFirst, c.RetryLongest)
	}
	if c.FrozenAfter > 0 && c.FrozenAfter <= c.StallAfter {
		v.bad("camera.frozen_after", "%q is not longer than camera.stall_after = %q; a picture takes longer to be called frozen than to be missed", c.FrozenAfter, c.StallAfter)
	}
	if one := Duration(float64(second) / c.FPS); c.FPS > 0 && c.StallAfter < 2*one {
		v.bad("camera.stall_after", "%q is less than two frames at camera.fps = %v", c.StallAfter, c.FPS)
	}
	switch {
	case c.Driver == "netcam" && c.NetCam.URL == "":
		v.bad("camera.netcam.url", "is empty, but camera.driver is \"netcam\"; write the camera's address, such as \"http://192.168.1.20/video.mjpg\"")
	case c.NetCam.URL != "":
		v.url("camera.netcam.url", c.NetCam.URL, "http://192.168.1.20/video.mjpg", "http", "https", "rtsp", "rtsps")
	}
	if c.NetCam.PasswordFile != "" && c.NetCam.Username == "" {
		v.bad("camera.netcam.username", "is empty, but there is a password_file")
	}
	if c.Driver == "off" && v.c.Live.Interval > 0 {
		v.bad("live.interval", "%q needs a camera, but camera.driver is \"off\"; set it to \"0s\"", v.c.Live.Interval)
	}
	if c.Driver == "clip" && c.Clip.Path == "" {
		v.bad("camera.clip.path", "is empty, but camera.driver is \"clip\"; name an AVI file or a folder of JPEGs")
	}
	if c.RPiCam.Mode == "still" && c.Driver == "rpicam" {
		if v.c.Motion.Trigger != "pir" {
			v.bad("camera.rpicam.mode", "\"still\" opens the camera only for the sensor; set motion.trigger = \"pir\", which is %q", v.c.Motion.Trigger)
		}
		if v.c.Live.Interval > 0 {
			v.bad("live.interval", "%q needs a camera that always runs; set it to \"0s\", or camera.rpicam.mode = \"video\"", v.c.Live.Interval)
		}
		if v.c.Profiles.By == "brightness" {
			v.bad("profiles.by", "\"brightness\" needs a camera that always runs; write \"sun\" or \"off\", or set camera.rpicam.mode = \"video\"")
		}
	}
	if p := c.RPiCam.LensPosition; p != "" && p != "default" {
		if n, err := strconv.ParseFloat(p, 64); err != nil || !(n >= 0 && n <= 32) {
			v.bad("camera.rpicam.lens_position", "%q is not possible; it is \"default\" or dioptres from \"0\" (infinity) to \"32\"", p)
		}
	}
	if c.RPiCam.LensPosition != "" && c.RPiCam.Autofocus != "manual" {
		v.bad("camera.rpicam.lens_position", "works with autofocus = \"manual\" only, which is %q", c.RPiCam.Autofocus)
	}
	own := map[string]string{
		"-o": "what pirwatch reads", "--output": "what pirwatch reads", "-t": "how long it runs", "--timeout": "how long it runs",
		"--codec": "the form of the stream", "--metadata": "what is written beside the stream", "--segment": "how the stream is cut",
		"--width": "camera.width", "--height": "camera.height", "--framerate": "camera.fps",
	}
	for _, list := range []struct {
		key  string
		args []string
	}{{"camera.rpicam.extra_args", c.RPiCam.ExtraArgs}, {"profiles.day.camera_args", v.c.Profiles.Day.CameraArgs}, {"profiles.night.camera_args", v.c.Profiles.Night.CameraArgs}} {
		for _, arg := range list.args {
			name, _, _ := strings.Cut(arg, "=")
			if what, ok := own[name]; ok {
				v.bad(list.key, "%s decides %s, which pirwatch sets itself; take it out", name, what)
			}
			if strings.ContainsRune(arg, 0) {
				v.bad(list.key, "an argument cannot hold a zero byte")
			}
		}
	}
}

func (v *validator) event() {
	m, b := v.c.Motion, v.c.Burst
	noSensor, noCamera := v.c.Sensor.Driver == "off", v.c.Camera.Driver == "off"
	switch {
	case noSensor && noCamera:
		v.bad("sensor.driver", "is \"off\", and so is camera.driver; nothing is left that could see motion")
	case noSensor && (m.Trigger == "pir" || m.Trigger == "both"):
		v.bad("motion.trigger", "%q needs the sensor, but sensor.driver is \"off\"; write \"frames\"", m.Trigger)
	case noCamera && (m.Trigger == "frames" || m.Trigger == "both"):
		v.bad("motion.trigger", "%q needs the camera, but camera.driver is \"off\"; write \"pir\"", m.Trigger)
	}
	if m.Cooldown%second != 0 {
		v.bad("motion.cooldown", "%q is not in whole seconds", m.Cooldown)
	}
	if m.CooldownMax < m.Cooldown {
		v.bad("motion.cooldown_max", "%q is shorter than motion.cooldown = %q", m.CooldownMax, m.Cooldown)
	}
	if m.HoldOff >= m.LongestEvent {
		v.bad("motion.hold_off", "%q must be shorter than motion.longest_event = %q", m.HoldOff, m.LongestEvent)
	}
	if b.PreRollFrames > 0 && b.PreRoll == 0 {
		v.bad("burst.pre_roll_frames", "%d frames cannot come from a pre_roll of \"0s\"; set one of them", b.PreRollFrames)
	}
	if n := float64(b.PreRoll) / float64(second) * v.c.Camera.FPS; b.PreRoll > 0 && float64(b.PreRollFrames) > n+1 {
		v.bad("burst.pre_roll_frames", "%d frames do not fit into a pre_roll of %q at camera.fps = %v", b.PreRollFrames, b.PreRoll, v.c.Camera.FPS)
	}
	if b.Frames+b.PreRollFrames > b.MostPictures {
		v.bad("burst.most_pictures", "%d is less than frames and pre_roll_frames together, %d", b.MostPictures, b.Frames+b.PreRollFrames)
	}
	if s, l := v.c.Sensor, v.c.Lamp; l.Mode != "off" && s.Driver != "off" && l.Line == s.Line && l.Chip == s.Chip {
		v.bad("lamp.line", "%d is the sensor's line; a lamp needs one of its own", l.Line)
	}
	if l := v.c.Lamp; l.Mode == "night" && v.c.Profiles.By == "off" {
		v.bad("lamp.mode", "\"night\" needs to know when it is night; set profiles.by to \"sun\" or \"brightness\"")
	}
	if v.c.Queue.Spool == "always" && v.c.Queue.Disk == 0 {
		v.bad("queue.spool", "\"always\" writes to a disk that queue.disk = \"0B\" forbids")
	}
	if v.c.Picture.GPS && !v.c.Picture.EXIF {
		v.bad("picture.gps", "is written as EXIF; set picture.exif = true, too")
	}
}

const (
	mostPolygons = 32 // of one kind, as over MQTT
	mostCorners  = 64
)

func (v *validator) masks() {
	for _, m := range []struct {
		key   string
		areas []Polygon
	}{{"masks.watch", v.c.Masks.Watch}, {"masks.ignore", v.c.Masks.Ignore}, {"masks.privacy", v.c.Masks.Privacy}} {
		if len(m.areas) > mostPolygons {
			v.bad(m.key, "%d areas are too many; at most %d", len(m.areas), mostPolygons)
		}
		for i, p := range m.areas {
			if len(p) < 3 || len(p) > mostCorners {
				v.bad(m.key, "area %d has %d corners; an area has 3 to %d", i+1, len(p), mostCorners)
			}
			for _, corner := range p {
				if !(corner[0] >= 0 && corner[0] <= 1 && corner[1] >= 0 && corner[1] <= 1) {
					v.bad(m.key, "area %d has the corner [%v, %v]; corners are fractions of width and height, from 0 to 1", i+1, corner[0], corner[1])
					break
				}
			}
		}
	}
}

func (v *validator) times() {
	p := v.c.Place
	if p.TimeZone != "" {
		if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "Local" {
			v.bad("place.time_zone", "%q is not known here; write a name such as \"Europe/Berlin\" (\"timedatectl list-timezones\" shows them)", p.TimeZone)
		}
	}
	if v.c.Picture.GPS && !p.Known() {
		v.bad("place", "latitude and longitude are not set, but picture.gps wants them")
	}
	if v.c.Profiles.By == "sun" && !p.Known() {
		v.bad("place", "latitude and longitude are not set, but profiles.by = \"sun\" wants them")
	}
	if v.c.Profiles.DarkBelow >= v.c.Profiles.BrightAbove {
		v.bad("profiles.dark_below", "%v must be less than profiles.bright_above = %v, or day and night would chase each other", v.c.Profiles.DarkBelow, v.c.Profiles.BrightAbove)
	}
	for i, s := range v.c.Schedule.Armed {
		key := fmt.Sprintf("schedule.armed[%d]", i)
		for _, end := range []string{"from", "to"} {
			if _, ok := v.c.places[key+"."+end]; !ok {
				v.bad(key, "has no %q; a span has both ends, such as from = \"22:00\" and to = \"06:30\"", end)
			}
		}
		if (s.From.Sun != "" || s.To.Sun != "") && !p.Known() {
			v.bad(key, "goes by the sun, but latitude and longitude in [place] are not set")
		}
	}
}

func (v *validator) listeners() {
	if l := v.c.View.Listen; v.listen("view.listen", l, "127.0.0.1:8080") && !loopback(l) && !v.c.hasCredential("pirwatch.view_password") && v.c.View.PasswordFile == "" {
		v.bad("view.password_file", "is empty, but view.listen = %q is open to the network; name a file with the page's password, or listen on 127.0.0.1", l)
	}
	v.pair("view", v.c.View.CertFile, v.c.View.KeyFile)
	if l := v.c.Metrics.Listen; v.listen("metrics.listen", l, "127.0.0.1:9788") && !loopback(l) {
		v.bad("metrics.listen", "%q is open to the network; numbers are served to this machine only, such as on \"127.0.0.1:9788\"", l)
	}
	if v.c.View.Listen != "" && v.c.View.Listen == v.c.Metrics.Listen {
		v.bad("metrics.listen", "%q is where the page is served; take another port", v.c.Metrics.Listen)
	}
	if u := v.c.HomeAssistant.PageURL; u != "" {
		v.url("home_assistant.page_url", u, "http://raspberrypi.local:8080", "http", "https")
	}
}

// listen checks an address to listen on, and says whether there is a good one.
func (v *validator) listen(key, address, example string) bool {
	if address == "" {
		return false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || !(validPort(port) || port == "0") || strings.ContainsAny(host, "/ ") {
		v.bad(key, "%q is not an address to listen on; write host and port, such as %q", address, example)
		return false
	}
	return true
}

// loopback says whether an address is reached from this machine only.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}
