// Package setup helps an owner through the first hour: it finds brokers in the
// local network and cameras on the machine, asks a few questions, tries each
// answer at once, and writes the configuration. It also knows the way to names
// that end in .local.
package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pirwatch/configs"
)

// Tools are what the questions need of the machine. A nil one leaves its part out.
type Tools struct {
	Browse  func(context.Context) ([]Broker, error)                         // brokers in the local network, until its context ends
	Cameras func(context.Context) []Camera                                  // cameras on this machine
	Connect func(context.Context, *configs.Config) error                    // tries the broker
	Shoot   func(context.Context, *configs.Config) (jpeg []byte, err error) // takes one picture
	// Wave listens to the sensor until its context ends, and calls seen at each trip.
	Wave func(ctx context.Context, c *configs.Config, seen func()) error
	// Hide makes the terminal not show what is typed until show is called.
	Hide func() (show func())
}

// The time that trying an answer may take.
const (
	browseTime  = 3 * time.Second
	connectTime = 20 * time.Second
	shootTime   = 30 * time.Second
	waveTime    = 60 * time.Second
)

// ErrNoAnswer means that the input ended before the questions did.
var ErrNoAnswer = errors.New("setup asks questions and the input has ended; run it in a terminal, or edit the file by hand")

// Run asks, tries, and writes path. What is there already is kept, comments
// included. Nothing is written before the last question.
func Run(ctx context.Context, in io.Reader, out io.Writer, path string, tools Tools) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = configs.Annotated, nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	config, err := configs.Parse(path, text, nil)
	if err != nil {
		return err
	}
	// Found now rather than after the last question.
	if err := writable(path); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &dialogue{ctx: ctx, lines: readLines(ctx, in), out: out, path: path, text: text, config: config, tools: tools}
	d.say("This asks for the few things pirwatch needs to know and writes %s.\nPress Enter to take what stands in brackets.\n", path)
	for _, step := range []func() error{d.name, d.broker, d.camera, d.sensor} {
		if err := step(); err != nil {
			return err
		}
	}
	return d.finish()
}

// readLines reads lines until the input or ctx ends. Beside a terminal it may
// outlive ctx by one read, which cannot be interrupted.
func readLines(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for r := bufio.NewScanner(in); r.Scan(); {
			select {
			case lines <- r.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// dialogue is one run: the text as it will be written, and what it means.
type dialogue struct {
	ctx    context.Context
	lines  <-chan string // closed at the end of the input
	out    io.Writer
	path   string
	text   []byte
	config *configs.Config
	tools  Tools

	password string // to be written; "" = none, or kept
}

func (d *dialogue) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// ask shows a question with the present value, and returns the answer.
func (d *dialogue) ask(question, now string) (string, error) {
	if now != "" {
		question += " [" + now + "]"
	}
	fmt.Fprint(d.out, question+": ")
	line, err := d.line()
	if line = strings.TrimSpace(line); line == "" {
		line = now
	}
	return line, err
}

func (d *dialogue) line() (string, error) {
	select {
	case <-d.ctx.Done():
		fmt.Fprintln(d.out)
		return "", d.ctx.Err()
	case line, ok := <-d.lines:
		if !ok {
			fmt.Fprintln(d.out)
			return "", ErrNoAnswer
		}
		return line, nil
	}
}

// confirm asks a question that is answered by yes or no.
func (d *dialogue) confirm(question string, yes bool) (bool, error) {
	now := "no"
	if yes {
		now = "yes"
	}
	for {
		answer, err := d.ask(question, now)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
		d.say("Please answer yes or no.")
	}
}

// set puts a value into the text and checks the whole; a value that is refused
// leaves everything as it was, and is explained.
func (d *dialogue) set(values ...any) bool {
	text := d.text
	for i := 0; i < len(values); i += 2 {
		var err error
		if text, err = configs.Set(text, values[i].(string), values[i+1]); err != nil {
			d.say("  %v", err)
			return false
		}
	}
	config, err := configs.Parse(d.path, text, nil)
	if err != nil {
		var problems configs.Problems
		if !errors.As(err, &problems) {
			d.say("  %v", err)
			return false
		}
		for _, p := range problems {
			d.say("  %s: %s", p.Key, p.Text)
		}
		return false
	}
	d.text, d.config = text, config
	return true
}

// try runs a test for at most so long and says how it went.
func (d *dialogue) try(what string, limit time.Duration, f func(context.Context) error) bool {
	fmt.Fprintf(d.out, "  %s ... ", what)
	ctx, cancel := context.WithTimeout(d.ctx, limit)
	defer cancel()
	if err := f(ctx); err != nil {
		d.say("failed:\n  %v", err)
		return false
	}
	d.say("ok")
	return true
}

func (d *dialogue) name() error {
	d.say("\nThe camera's name is part of every topic: lower-case letters, digits, \"_\" and \"-\".")
	for {
		now := d.config.CameraName()
		answer, err := d.ask("Name", now)
		if err != nil {
			return err
		}
		if answer == now && d.config.Name == "" || d.set("name", answer) {
			return nil
		}
	}
}

func (d *dialogue) broker() error {
	d.say("\nThe MQTT broker, such as Mosquitto or the one in Home Assistant.")
	var found []Broker
	if d.tools.Browse != nil {
		d.say("Looking for brokers in the local network ...")
		ctx, cancel := context.WithTimeout(d.ctx, browseTime)
		found, _ = d.tools.Browse(ctx) // none, or no network: the owner knows the address
		cancel()
	}
	for i, b := range found {
		d.say("  %d  %s  (%s)", i+1, b.URL(), b.Name)
	}
	question := "Address, such as mqtt://192.168.1.10"
	now := d.config.Broker.URL
	if len(found) > 0 {
		d.say("Anybody in the network can call itself a broker: take one only if you know it.")
		question = "Number, or address such as mqtt://192.168.1.10"
	}
	for {
		answer, err := d.ask(question, now)
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(found) {
			answer = found[n-1].URL()
		}
		if answer == "" {
			if skip, err := d.confirm("Go on without a broker? Nothing will be sent", false); err != nil || skip {
				return err
			}
			continue
		}
		if !strings.Contains(answer, "://") {
			answer = "mqtt://" + answer
		}
		if !d.set("broker.url", answer) {
			continue
		}
		if err := d.login(); err != nil {
			return err
		}
		if d.tools.Connect == nil || d.try("connecting to "+answer, connectTime, d.connect) {
			return nil
		}
		keep, err := d.confirm("Keep this all the same", false)
		if err != nil || keep {
			return err
		}
		now = answer
	}
}

// login asks for user and password.
func (d *dialogue) login() error {
	user, err := d.ask("User name, \"-\" for none", d.config.Broker.Username)
	if err != nil {
		return err
	}
	if user == "-" || user == "" {
		d.password = ""
		d.set("broker.username", "", "broker.password_file", "")
		return nil
	}
	d.set("broker.username", user)
	hint := ""
	if d.config.Broker.PasswordFile != "" {
		hint = " (Enter keeps the present one)"
	}
	fmt.Fprintf(d.out, "Password%s: ", hint)
	if d.tools.Hide != nil {
		show := d.tools.Hide()
		defer fmt.Fprintln(d.out)
		defer show()
	}
	d.password, err = d.line()
	return err
}

// connect tries the broker with the password that was typed, which is not in its
// file yet: it is put into one of the same kind for as long as the test lasts.
func (d *dialogue) connect(ctx context.Context) error {
	config := *d.config
	if d.password != "" {
		f, err := os.CreateTemp("", "pirwatch-setup-")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		_, err = f.WriteString(d.password + "\n")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		config.Broker.PasswordFile = f.Name()
	}
	return d.tools.Connect(ctx, &config)
}

func (d *dialogue) camera() error {
	d.say("\nThe camera.")
	var found []Camera
	if d.tools.Cameras != nil {
		found = d.tools.Cameras(d.ctx)
	}
	now := ""
	for i, c := range found {
		d.say("  %d  %s", i+1, c)
		if c.Driver == d.config.Camera.Driver && (c.Device == "" || c.Device == d.config.Camera.V4L2.Device) {
			now = strconv.Itoa(i + 1)
		}
	}
	if len(found) == 0 {
		d.say("None is found on this machine. A Pi camera is connected with the power off; a USB camera can be\nplugged in now: then leave setup with Ctrl-C and start it again.")
	}
	switch driver := d.config.Camera.Driver; {
	case driver == "netcam":
		now = d.config.Camera.NetCam.URL
	case driver != "auto" && now == "":
		now = driver
	case now == "" && len(found) > 0:
		now = "1"
	case now == "":
		now = "auto"
	}
	for {
		answer, err := d.ask("Number, an address (http:// or rtsp://) of a network camera, or auto, off", now)
		if err != nil {
			return err
		}
		ok := false
		switch n, err := strconv.Atoi(answer); {
		case err == nil && n >= 1 && n <= len(found):
			if c := found[n-1]; c.Driver == "v4l2" {
				ok = d.set("camera.driver", c.Driver, "camera.v4l2.device", c.Device)
			} else {
				ok = d.set("camera.driver", c.Driver)
			}
		case err == nil:
			d.say("There is no camera %d in the list.", n)
		case strings.Contains(answer, "://"):
			ok = d.set("camera.driver", "netcam", "camera.netcam.url", answer)
		case answer == "off":
			ok = d.set("camera.driver", "off", "motion.trigger", "pir")
		default:
			ok = d.set("camera.driver", answer)
		}
		if !ok {
			continue
		}
		if d.config.Camera.Driver == "off" || d.tools.Shoot == nil {
			return nil
		}
		if d.config.Camera.Driver == "auto" && len(found) == 0 {
			d.say("  pirwatch goes on looking for one.")
			return nil
		}
		var jpeg []byte
		if d.try("taking a picture", shootTime, func(ctx context.Context) (err error) {
			jpeg, err = d.tools.Shoot(ctx, d.config)
			return err
		}) {
			d.show(jpeg)
			return nil
		}
		keep, err := d.confirm("Keep this all the same", true)
		if err != nil || keep {
			return err
		}
	}
}

// show leaves the test picture where the owner can look at it.
func (d *dialogue) show(jpeg []byte) {
	f, err := os.CreateTemp("", "pirwatch-test-*.jpg")
	if err != nil {
		return // the picture was good; only showing it is not possible
	}
	_, err = f.Write(jpeg)
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return
	}
	d.say("  %d bytes; look at it: %s", len(jpeg), f.Name())
}

func (d *dialogue) sensor() error {
	d.say("\nThe PIR sensor. Its output goes to a GPIO line; BCM 17 is pin 11 of the header.")
	now := strconv.Itoa(d.config.Sensor.Line)
	if d.config.Sensor.Driver == "off" {
		now = "none"
	}
	for {
		answer, err := d.ask("Line in BCM numbers, or none", now)
		if err != nil {
			return err
		}
		if strings.EqualFold(answer, "none") {
			trigger := d.config.Motion.Trigger
			if trigger == "pir" || trigger == "both" {
				trigger = "frames"
			}
			if d.set("sensor.driver", "off", "motion.trigger", trigger) {
				d.say("  Motion is then seen by the camera alone.")
				return nil
			}
			continue
		}
		line, err := strconv.Atoi(answer)
		if err != nil {
			d.say("%q is no number.", answer)
			continue
		}
		driver := d.config.Sensor.Driver
		if driver == "off" {
			driver = "gpiocdev"
		}
		if !d.set("sensor.line", line, "sensor.driver", driver) {
			continue
		}
		if d.tools.Wave == nil {
			return nil
		}
		test, err := d.confirm("Try it now? Wave at the sensor when told", true)
		if err != nil || !test {
			return err
		}
		done, err := d.wave()
		if err != nil || done {
			return err
		}
	}
}

// wave waits for the sensor to trip; done says to go on.
func (d *dialogue) wave() (done bool, err error) {
	d.say("  Wave at the sensor (it may need a minute after power-on; up to %v) ...", waveTime)
	ctx, cancel := context.WithTimeout(d.ctx, waveTime)
	defer cancel()
	seen := false
	err = d.tools.Wave(ctx, d.config, func() { seen = true; cancel() })
	switch {
	case d.ctx.Err() != nil:
		return false, d.ctx.Err()
	case seen:
		d.say("  It sees you.")
		return true, nil
	case err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		d.say("  failed: %v", err)
	default:
		d.say("  Nothing came. Is its output on this line, its supply on 5 V (AM312: 3.3 V), and ground on ground?")
	}
	return d.confirm("Keep this all the same", true)
}

// finish shows what changes and writes it.
func (d *dialogue) finish() error {
	before := configs.Default()
	if text, err := os.ReadFile(d.path); err == nil {
		if c, err := configs.Parse(d.path, text, nil); err == nil {
			before = c
		}
	}
	secret := filepath.Join(filepath.Dir(d.path), "mqtt_password")
	if d.password != "" && !d.set("broker.password_file", secret) {
		return fmt.Errorf("%s cannot hold the password's place; edit it by hand", d.path)
	}
	changed := configs.Diff(before, d.config)
	if _, err := os.Stat(d.path); err == nil && len(changed) == 0 && d.password == "" {
		d.say("\nNothing has changed.")
		return nil
	}
	d.say("\nTo be written: %s", strings.Join(append(changed, nameIf(d.password != "", "the password, into "+secret)...), ", "))
	yes, err := d.confirm("Write it", true)
	if err != nil || !yes {
		return err
	}
	if d.password != "" {
		if err := writeFile(secret, []byte(d.password+"\n"), 0o640, true); err != nil {
			return err
		}
	}
	if err := writeFile(d.path, d.text, 0o644, false); err != nil {
		return err
	}
	d.say("Written. Now: sudo systemctl restart pirwatch    (and see: systemctl status pirwatch)")
	return nil
}

func nameIf(yes bool, s string) []string {
	if yes {
		return []string{s}
	}
	return nil
}

// writable fails where the file could not be written in the end.
func writable(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%w; run it with sudo", err)
	}
	f, err := os.CreateTemp(dir, ".pirwatch-setup-")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w; run it with sudo", path, err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// writeFile replaces a file as a whole, keeping the mode of one that is there;
// group gives a secret to the daemon's group, where there is one.
func writeFile(path string, data []byte, mode os.FileMode, group bool) error {
	if info, err := os.Stat(path); err == nil && !group {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".pirwatch-setup-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if group {
		giveToDaemon(f)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// giveToDaemon makes the file the daemon's group's; without the group, as for a
// run by hand, the owner alone reads it.
func giveToDaemon(f *os.File) {
	g, err := user.LookupGroup("pirwatch")
	if err != nil {
		return
	}
	if gid, err := strconv.Atoi(g.Gid); err == nil {
		_ = f.Chown(-1, gid)
	}
}
