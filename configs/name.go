package configs

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
)

// stockNames are what machines are called before anybody has named them.
var stockNames = []string{"raspberrypi", "raspberry", "raspi", "pi", "localhost", "debian", "ubuntu", "dietpi", "localdomain", "host"}

// CameraName returns the camera's name: as configured, else from the host's.
func (c *Config) CameraName() string {
	if c.Name != "" {
		return c.Name
	}
	host, _ := os.Hostname()
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		id, _ = os.ReadFile("/var/lib/dbus/machine-id")
	}
	return NameOf(host, strings.TrimSpace(string(id)))
}

// NameOf makes a camera's name of a host's, as the protocol has it: reduced to
// a-z 0-9 _ -, at most 40; where that is a stock name, "-" and four hex digits of
// the hashed machine id are added, so that two fresh cards differ.
func NameOf(host, machineID string) string {
	host, _, _ = strings.Cut(host, ".")
	name := reduce(host)
	if name == "" {
		name = "camera"
	} else if !slices.Contains(stockNames, name) {
		return name
	}
	if machineID == "" {
		return name
	}
	// Hashed with a word of our own, since a machine id is not to be shown
	// (machine-id(5)).
	sum := sha256.Sum256([]byte("pirwatch camera name " + machineID))
	return fmt.Sprintf("%s-%x", name, sum[:2])
}

// reduce makes a name of any text: what it may not hold becomes "-".
func reduce(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	out := strings.Trim(b.String(), "-")
	return strings.TrimRight(out[:min(len(out), 40)], "-")
}
