package configs

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretComesFromFileThenCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	c := Default()
	if s, err := c.BrokerPassword(); s != "" || err != nil {
		t.Errorf("without any: %q, %v", s, err)
	}
	write(t, dir, "pirwatch.mqtt_password", "from systemd\n", 0o400)
	if s, err := c.BrokerPassword(); s != "from systemd" || err != nil {
		t.Errorf("credential: %q, %v", s, err)
	}
	c.Broker.PasswordFile = write(t, dir, "mine", "from file \r\nsecond line", 0o640)
	if s, err := c.BrokerPassword(); s != "from file " || err != nil {
		t.Errorf("file: %q, %v", s, err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	c.Broker.PasswordFile = ""
	if s, err := c.BrokerPassword(); s != "" || err != nil {
		t.Errorf("without any again: %q, %v", s, err)
	}
}

func TestSecretIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file modes decide on unix only")
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		path, want string
	}{
		"missing": {filepath.Join(dir, "none"), "cannot be read"},
		"open":    {write(t, dir, "open", "s3cret\n", 0o644), "can be read by everybody on this machine; run: chmod 640"},
		"empty":   {write(t, dir, "empty", "\n", 0o600), "the first line of"},
		"folder":  {dir, "is not a plain file"},
		"huge":    {write(t, dir, "huge", strings.Repeat("x", maxSecret+1), 0o600), "that is no secret"},
	} {
		cfg, err := Parse("p.toml", []byte("[broker]\nusername = \"u\"\npassword_file = \""+c.path+"\"\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cfg.BrokerPassword()
		if err == nil || !strings.HasPrefix(err.Error(), "p.toml:3:1: broker.password_file: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the message shows the secret: %v", name, err)
		}
		if err := cfg.Files(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Files says %v", name, err)
		}
	}
}

func TestWatsonDeviceFile(t *testing.T) {
	dir := t.TempDir()
	c := Default()
	c.Watson.Type = "override"
	c.Watson.DeviceFile = write(t, dir, "device.cfg", "[device]\norg=abc123\ntype=pi\nid=garden\nauth-method=token\nauth-token=s3cret\n#end\n", 0o600)
	d, err := c.WatsonDevice()
	if err != nil || d != (WatsonDevice{"abc123", "override", "garden", "s3cret"}) {
		t.Errorf("%+v, %v", d, err)
	}
	if s, err := c.WatsonToken(); s != "s3cret" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	c.Watson.TokenFile = write(t, dir, "token", "other\n", 0o600)
	if s, err := c.WatsonToken(); s != "other" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	c.Watson.DeviceFile = write(t, dir, "bad.cfg", "org=abc123\nid=a/b\n", 0o600)
	if _, err := c.WatsonDevice(); err == nil || !strings.Contains(err.Error(), `no usable "id"`) {
		t.Errorf("got %v", err)
	}
}
