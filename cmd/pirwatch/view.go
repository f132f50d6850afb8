package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"pirwatch/publish/mqtt"
	"pirwatch/receive"
	"pirwatch/receive/view"
	"pirwatch/systemd"
)

type viewCommand struct {
	linkFlags `embed:""`
	Base      string        `help:"The topics' base." default:"pirwatch"`
	Listen    string        `help:"Where the page is served. Elsewhere than on loopback it asks for a password." default:"127.0.0.1:8080" placeholder:"ADDRESS"`
	Login     string        `help:"A file whose first line is the page's password; without it one is made up and printed." type:"existingfile" name:"login-file" placeholder:"FILE"`
	TLSCert   string        `help:"A certificate for the page (PEM)." name:"tls-cert" type:"existingfile" placeholder:"FILE"`
	TLSKey    string        `help:"Its key (PEM)." name:"tls-key" type:"existingfile" placeholder:"FILE"`
	Store     string        `help:"Keep what is received in this folder, and show it as the past." placeholder:"DIR"`
	MaxBytes  int64         `help:"The most bytes to keep there, the oldest days go first; 0 = no limit." default:"0" placeholder:"N"`
	MaxAge    time.Duration `help:"Days older than this go; 0 = none." default:"0" placeholder:"DURATION"`
}

// Run serves the page until a signal comes. The browser logs in to the broker
// with credentials of its own; those of the command line are for --store.
func (c *viewCommand) Run(ctx context.Context, s streams) error {
	link, err := c.options()
	if err != nil {
		return err
	}
	log := slog.New(systemd.Muting(systemd.Handler(slog.LevelInfo), time.Minute))
	o := view.Options{
		Listen: c.Listen, Base: c.Base, Version: versionText(), CertFile: c.TLSCert, KeyFile: c.TLSKey,
		Dial: func(ctx context.Context) (net.Conn, error) { return mqtt.Open(ctx, link) },
	}
	made := false
	if o.Token, made, err = c.token(); err != nil {
		return err
	}
	parts := []func(context.Context) error{}
	if c.Store != "" {
		store, err := openStore(c.Store, c.MaxBytes, c.MaxAge, log)
		if err != nil {
			return err
		}
		defer store.Close()
		r, err := receive.New(receive.Options{Link: link, Base: c.Base}, store, log)
		if err != nil {
			return errUsage{err}
		}
		o.Archive = store
		parts = append(parts, r.Run, store.Run)
	}
	page, err := view.New(o, log)
	if err != nil {
		return err
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(s.out, "The page: %s://%s/\n", scheme, page.Addr())
	if made {
		fmt.Fprintf(s.out, "Its password, made up for this run: %s\n", o.Token)
	}
	return together(ctx, append(parts, page.Run)...)
}

// token is the page's password: from the file, made up where it is needed and
// there is none, and none on loopback.
func (c *viewCommand) token() (token string, made bool, err error) {
	if c.Login != "" {
		text, err := os.ReadFile(c.Login)
		if err != nil {
			return "", false, fmt.Errorf("--login-file: %w", err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			return "", false, errUsage{fmt.Errorf("--login-file %s: its first line is empty; want the page's password there", c.Login)}
		}
		return line, false, nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", false, errUsage{fmt.Errorf("--listen %q: %w; want host:port, as 127.0.0.1:8080", c.Listen, err)}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return "", false, nil
	}
	return rand.Text(), true, nil
}
