package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"pirwatch/cmd/internal/setup"
	"pirwatch/publish/mqtt"
	"pirwatch/receive"
	"pirwatch/receive/archive"
	"pirwatch/systemd"
)

// linkFlags say how to reach a broker from the command line. A password never
// stands there: others could read it in the list of processes.
type linkFlags struct {
	Broker       string `help:"Where the broker is, as mqtt://user@host:1883; mqtts, ws and wss work too." required:"" placeholder:"URL"`
	PasswordFile string `help:"A file whose first line is the broker's password." type:"existingfile" placeholder:"FILE"`
	CAFile       string `help:"Certificates to trust instead of the system's (PEM)." name:"ca-file" type:"existingfile" placeholder:"FILE"`
	CertFile     string `help:"A client certificate (PEM)." type:"existingfile" placeholder:"FILE"`
	KeyFile      string `help:"Its key (PEM)." type:"existingfile" placeholder:"FILE"`
	ClientID     string `help:"The MQTT client id; by default one of this host's that stays the same." placeholder:"ID"`
}

func (f *linkFlags) options() (mqtt.Options, error) {
	o := mqtt.Options{URL: f.Broker, ClientID: f.ClientID, Dial: new(setup.Dialer).DialContext}
	u, err := mqtt.ParseURL(f.Broker)
	if err != nil {
		return o, errUsage{err}
	}
	if u.User != nil {
		if _, ok := u.User.Password(); ok {
			return o, errUsage{fmt.Errorf("--broker: leave the password out of the address, where others on this machine can read it; use --password-file")}
		}
		o.Username = u.User.Username()
	}
	if f.PasswordFile != "" {
		text, err := os.ReadFile(f.PasswordFile)
		if err != nil {
			return o, fmt.Errorf("--password-file: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		o.Password = strings.TrimSuffix(line, "\r")
		if o.Username == "" {
			return o, errUsage{fmt.Errorf("--password-file needs a user name: --broker mqtt://user@host")}
		}
	}
	if o.TLS, err = mqtt.TLSConfig(f.CAFile, f.CertFile, f.KeyFile); err != nil {
		return o, err
	}
	return o, nil
}

type receiveCommand struct {
	linkFlags `embed:""`
	Base      string        `help:"The topics' base." default:"pirwatch"`
	Camera    string        `help:"One camera's name; + is all of them." default:"+"`
	Topic     string        `help:"A topic filter to take pieces from instead, for senders of the 2016 recipe or of Watson's topics." placeholder:"FILTER"`
	Out       string        `help:"Where pictures and summaries are kept: DIR/<camera>/<day>/<picture>.jpg" required:"" placeholder:"DIR"`
	MaxBytes  int64         `help:"The most bytes to keep, the oldest days go first; 0 = no limit." default:"0" placeholder:"N"`
	MaxAge    time.Duration `help:"Days older than this go; 0 = none." default:"0" placeholder:"DURATION"`
}

// Run puts pictures together until a signal comes.
func (c *receiveCommand) Run(ctx context.Context, s streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	log := slog.New(systemd.Muting(systemd.Handler(slog.LevelInfo), time.Minute))
	store, err := openStore(c.Out, c.MaxBytes, c.MaxAge, log)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := receive.New(receive.Options{Link: o, Base: c.Base, Camera: c.Camera, Topic: c.Topic}, store, log)
	if err != nil {
		return errUsage{err}
	}
	return together(ctx, r.Run, store.Run)
}

// openStore opens a folder for what is received. Unlike the camera's own it has
// no bound unless one is asked for: the pictures are what the folder is for.
func openStore(dir string, maxBytes int64, maxAge time.Duration, log *slog.Logger) (*archive.Archive, error) {
	if maxBytes == 0 {
		maxBytes = -1
	}
	return archive.Open(dir, archive.Options{MaxBytes: maxBytes, MaxAge: maxAge}, log)
}

// together runs all until ctx ends or one fails, and waits for all.
func together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make(chan error, len(parts))
	for _, part := range parts {
		go func() {
			err := part(ctx)
			if ctx.Err() != nil {
				err = nil
			}
			stop()
			errs <- err
		}()
	}
	var first error
	for range parts {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}
