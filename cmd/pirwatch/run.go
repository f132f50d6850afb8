package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"pirwatch/cmd/internal/setup"
	"pirwatch/configs"
	"pirwatch/systemd"
)

type runCommand struct {
	Config string `help:"The configuration file." default:"${config}" placeholder:"FILE" type:"path"`
}

// Run is the daemon: it watches until a signal comes, and reads the
// configuration again on SIGHUP.
func (r *runCommand) Run(ctx context.Context, s streams) error {
	config, err := load(r.Config)
	if err != nil {
		return err
	}
	profileMemory(config)
	useOneCore()
	log := newLog(config, s.err)
	notify := systemd.NewNotifier()
	crashes := settle(ctx, notify, log)
	log.Info("pirwatch starts", "version", versionText(), "config", r.Config)

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, hangup...)
	defer signal.Stop(hup)
	for {
		next, err := r.watch(ctx, config, hup, notify, crashes, log)
		if err != nil || next == nil {
			notify.Stopping()
			if err == nil {
				crashes.Good()
				log.Info("pirwatch ends")
			}
			return err
		}
		config = next
		log = newLog(config, s.err)
	}
}

// load reads the configuration and looks at the files that it names.
func load(path string) (*configs.Config, error) {
	config, err := configs.Load(path, os.Environ())
	if err != nil {
		return nil, err
	}
	if err := config.Files(); err != nil {
		return nil, err
	}
	zone, err := zoneOf(config)
	if err != nil {
		return nil, err
	}
	// What a picture's options may be only capture/picture knows.
	if _, err := newDeveloper(config, zone, configured(config).Masks, false); err != nil {
		return nil, configs.Problem{At: config.Where("picture"), Key: "picture", Text: err.Error()}
	}
	// And only the drivers what their options and certificates may be.
	if _, err := linkOptions(config); err != nil {
		return nil, err
	}
	if _, err := newSource(config, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	return config, nil
}

// watch runs the daemon for one configuration. It returns the next one where a
// reload asks for other parts, and nil at the end.
func (r *runCommand) watch(ctx context.Context, config *configs.Config, hup <-chan os.Signal, notify *systemd.Notifier, crashes *systemd.Crashes, log *slog.Logger) (*configs.Config, error) {
	d, err := newDaemon(config, equipment{}, log)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	watchdog := make(chan struct{})
	go func() { defer close(watchdog); notify.Watchdog(ctx, d.loop.Moving) }()
	defer func() { stop(); <-watchdog }()
	hints := firstSteps(ctx, config, r.Config, log) // may take seconds: the camera watches already
	told(log, notify.Ready())

	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	calm := time.NewTimer(5 * time.Minute)
	defer calm.Stop()
	tidy := time.NewTimer(5 * time.Second)
	defer tidy.Stop()
	var next *configs.Config
	for {
		select {
		case err := <-done:
			return next, err
		case <-tick.C:
			line := d.line()
			if config.Broker.URL == "" {
				line = setup.Status(hints) + "; " + line
			}
			told(log, notify.Status(line))
		case <-calm.C:
			crashes.Good()
		case <-tidy.C:
			tidy.Reset(10 * time.Second)
			if err := unmapProgram(); err != nil {
				log.Debug("memory of the program's own pages is not given back", "error", err)
			}
		case <-hup:
			told(log, notify.Reloading())
			if next = r.reload(ctx, d, log); next != nil {
				hup = nil // one that comes meanwhile is the next daemon's
				stop()    // the queue keeps what is not delivered; the next daemon goes on with it
				continue
			}
			told(log, notify.Ready())
		}
	}
}

// reload reads the configuration again. A file with a mistake changes nothing.
// Settings that MQTT can change, too, are put in force at once; anything else
// needs new parts, for which the configuration is returned.
func (r *runCommand) reload(ctx context.Context, d *daemon, log *slog.Logger) *configs.Config {
	config, err := load(r.Config)
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			log.Error("configuration not reloaded, the old one stays", "error", line)
		}
		return nil
	}
	changed := configs.Diff(d.config, config)
	light := true
	for _, key := range changed {
		switch key {
		case "motion.armed", "motion.trigger", "motion.cooldown", "motion.sensitivity", "masks.watch", "masks.ignore", "masks.privacy":
		default:
			light = false
		}
	}
	switch {
	case len(changed) == 0:
		log.Info("configuration reloaded: nothing has changed")
	case light:
		log.Info("configuration reloaded", "changed", changed)
		d.config = config
		d.loop.Reconfigure(ctx, configured(config))
	default:
		log.Info("configuration reloaded: camera, sensor and link are started anew", "changed", changed)
		return config
	}
	return nil
}

// settle waits where the starts before this one crashed, ever longer.
func settle(ctx context.Context, notify *systemd.Notifier, log *slog.Logger) *systemd.Crashes {
	crashes, err := systemd.CountStart(os.Getenv("RUNTIME_DIRECTORY"))
	if err != nil {
		log.Debug("starts are not counted", "error", err)
	}
	if pause := crashes.Pause(); pause > 0 {
		log.Warn("the last starts ended in crashes: waiting before the next", "in_a_row", crashes.InARow(), "wait", pause)
		told(log, crashes.Wait(ctx, notify))
	}
	return crashes
}

// newLog returns the log that the configuration asks for.
func newLog(c *configs.Config, stderr io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo // the configuration was checked
	}
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler
	switch c.Log.Format {
	case "journal":
		h = systemd.JournalHandler(level)
	case "text":
		h = slog.NewTextHandler(stderr, o)
	case "json":
		h = slog.NewJSONHandler(stderr, o)
	default:
		h = systemd.Handler(level)
	}
	return slog.New(systemd.Muting(h, time.Minute)).With("camera", c.CameraName())
}

// firstSteps says in the journal what an owner has to do next.
func firstSteps(ctx context.Context, c *configs.Config, path string, log *slog.Logger) []string {
	var cameras []setup.Camera
	if c.Camera.Driver == "auto" {
		cameras = findCameras(ctx)
	}
	hints := setup.Hints(c, path, cameras)
	for _, hint := range hints {
		log.Warn(hint)
	}
	return hints
}

// told logs what could not be told to systemd.
func told(log *slog.Logger, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Debug("systemd was not told", "error", fmt.Sprint(err))
	}
}
