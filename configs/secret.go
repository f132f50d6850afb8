package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret bounds a secret; tokens of clouds have some 1,000 characters.
const maxSecret = 16 << 10

// BrokerPassword returns the broker's password: from broker.password_file, else
// the systemd credential pirwatch.mqtt_password, else "".
func (c *Config) BrokerPassword() (string, error) {
	return c.secret("broker.password_file", c.Broker.PasswordFile, "pirwatch.mqtt_password")
}

// NetCamPassword returns the network camera's password: from its password_file,
// else the systemd credential pirwatch.netcam_password, else "".
func (c *Config) NetCamPassword() (string, error) {
	return c.secret("camera.netcam.password_file", c.Camera.NetCam.PasswordFile, "pirwatch.netcam_password")
}

// ViewPassword returns the page's password: from view.password_file, else the
// systemd credential pirwatch.view_password, else "".
func (c *Config) ViewPassword() (string, error) {
	return c.secret("view.password_file", c.View.PasswordFile, "pirwatch.view_password")
}

// WatsonToken returns the device's token: from watson.token_file, else the
// systemd credential pirwatch.watson_token, else what device_file has.
func (c *Config) WatsonToken() (string, error) {
	token, err := c.secret("watson.token_file", c.Watson.TokenFile, "pirwatch.watson_token")
	if err != nil || token != "" || c.Watson.DeviceFile == "" {
		return token, err
	}
	device, err := c.WatsonDevice()
	return device.Token, err
}

// secret reads a secret from its file, else from the credential. The error names
// the key and where it was set.
func (c *Config) secret(key, path, credential string) (string, error) {
	if path != "" {
		s, err := readSecret(path)
		if err != nil {
			return "", Problem{At: c.Where(key), Key: key, Text: err.Error()}
		}
		return s, nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", nil
	}
	s, err := readSecret(filepath.Join(dir, credential))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("systemd credential %s: %w", credential, err)
	}
	return s, nil
}

func (c *Config) hasCredential(name string) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// Error makes a single problem an error, too.
func (p Problem) Error() string { return p.String() }

// readPrivate reads a small file that others must not be able to read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%s cannot be read by this user; run: sudo chgrp pirwatch %[1]s && sudo chmod 640 %[1]s", path)
		}
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file", path)
	}
	if worldReadable(info) {
		return nil, fmt.Errorf("%s can be read by everybody on this machine; run: chmod 640 %[1]s", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	}
	if len(data) > maxSecret {
		return nil, fmt.Errorf("%s is larger than %d bytes; that is no secret", path, maxSecret)
	}
	return data, nil
}

// readSecret reads the first line of a file that others must not be able to read.
func readSecret(path string) (string, error) {
	data, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	s := strings.TrimSuffix(string(line), "\r")
	if s == "" {
		return "", fmt.Errorf("the first line of %s is empty; write the secret there", path)
	}
	return s, nil
}

// WatsonDevice is what the platform's device.cfg holds.
type WatsonDevice struct{ Org, Type, ID, Token string }

// WatsonDevice returns who the device is: what [watson] says, and for what it
// leaves empty, what device_file does. The token is the file's alone.
func (c *Config) WatsonDevice() (WatsonDevice, error) {
	d := WatsonDevice{Org: c.Watson.Org, Type: c.Watson.Type, ID: c.Watson.ID}
	if c.Watson.DeviceFile == "" {
		return d, nil
	}
	const key = "watson.device_file"
	data, err := readPrivate(c.Watson.DeviceFile)
	if err != nil {
		return d, Problem{At: c.Where(key), Key: key, Text: err.Error()}
	}
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") || strings.HasPrefix(strings.TrimSpace(line), ";") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "org":
			d.Org = either(d.Org, value)
		case "type":
			d.Type = either(d.Type, value)
		case "id":
			d.ID = either(d.ID, value)
		case "auth-token":
			d.Token = value
		}
	}
	for _, f := range []struct{ name, value string }{{"org", d.Org}, {"type", d.Type}, {"id", d.ID}} {
		if !wordForm.MatchString(f.value) {
			return d, Problem{At: c.Where(key), Key: key, Text: fmt.Sprintf("%s has no usable %q; it needs lines org=, type=, id= and auth-token=", c.Watson.DeviceFile, f.name)}
		}
	}
	return d, nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Files checks the files that the configuration names: that they are there, and
// that secrets are secret. [Load] does not, so that a configuration can be
// checked on another machine. The error is a [Problems].
func (c *Config) Files() error {
	var problems Problems
	for _, read := range []func() (string, error){c.BrokerPassword, c.NetCamPassword, c.ViewPassword, c.WatsonToken} {
		if _, err := read(); err != nil {
			var p Problem
			if !errors.As(err, &p) {
				p = Problem{At: c.Where(""), Text: err.Error()}
			}
			problems = append(problems, p)
		}
	}
	for _, f := range []struct {
		key, path string
		private   bool
	}{
		{"broker.ca_file", c.Broker.CAFile, false}, {"broker.cert_file", c.Broker.CertFile, false}, {"broker.key_file", c.Broker.KeyFile, true},
		{"camera.netcam.ca_file", c.Camera.NetCam.CAFile, false}, {"camera.rpicam.tuning_file", c.Camera.RPiCam.TuningFile, false},
		{"camera.clip.path", c.Camera.Clip.Path, false},
		{"view.cert_file", c.View.CertFile, false}, {"view.key_file", c.View.KeyFile, true},
	} {
		if f.path == "" {
			continue
		}
		var err error
		if f.private {
			_, err = readPrivate(f.path)
		} else if _, err = os.Stat(f.path); err != nil {
			err = fmt.Errorf("%s cannot be read: %w", f.path, cause(err))
		}
		if err != nil {
			problems = append(problems, Problem{At: c.Where(f.key), Key: f.key, Text: err.Error()})
		}
	}
	return problems.err()
}
