// Package layers keeps the arrows of docs/architecture.md straight: who may
// import whom, and the one place that knows each library.
package layers

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed lists, for each part of the program, the other parts of it that it
// may import. A part may always import its own sub-packages and is allowed none
// besides where it is not listed. The longest prefix counts.
var allowed = map[string][]string{
	"configs":       nil,
	"systemd":       nil,
	"motion":        nil,
	"capture":       nil,
	"publish":       nil,
	"receive":       {"publish/chunk", "publish/mqtt"},
	"cmd":           {"configs", "systemd", "motion", "capture", "publish", "receive"},
	"cmd/internal":  {"configs", "systemd", "motion", "capture", "publish", "receive"},
	"test":          {"configs", "systemd", "motion", "capture", "publish", "receive", "cmd"},
	"publish/chunk": {}, // the wire format stands alone: receivers use it without a sender
	"publish/mqtt":  {},
	"publish/queue": {},
	"publish/hass":  {},
}

// home lists the packages that alone may know a library, so that changing it is
// a change in one place.
var home = map[string][]string{
	"github.com/alecthomas/kong":          {"cmd/pirwatch"},
	"github.com/blackjack/webcam":         {"capture/v4l2"},
	"github.com/coder/websocket":          {"receive/view", "publish/mqtt"},
	"github.com/coreos/go-systemd/v22":    {"systemd"},
	"github.com/eclipse/paho.mqtt.golang": {"publish/mqtt"},
	"github.com/mochi-mqtt/server/v2":     {"cmd/internal/broker"},
	"github.com/nathan-osman/go-sunrise":  {"cmd/internal/schedule"},
	"github.com/pelletier/go-toml/v2":     {"configs"},
	"github.com/stianeikeland/go-rpio/v4": {"motion/pir"},
	"github.com/warthog618/go-gpiocdev":   {"motion/pir", "capture/lamp"},
	"golang.org/x/image":                  {"capture/picture", "capture/scene"},
	"golang.org/x/net/dns/dnsmessage":     {"cmd/internal/setup"},
	"golang.org/x/time/rate":              {"publish"},
}

func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "pirwatch/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(p.ImportPath, "pirwatch/")
		if strings.HasPrefix(from, "test/") {
			continue // tests and benchmarks look into everything
		}
		seen++
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, "pirwatch/"); ours {
				if !mayImport(from, to) {
					t.Errorf("%s imports %s: imports run one way, see docs/architecture.md", from, to)
				}
			} else if homes, lib := homesOf(imported); lib != "" && !slices.Contains(homes, from) {
				t.Errorf("%s imports %s: only %s knows %s", from, imported, strings.Join(homes, " and "), lib)
			}
		}
	}
	if seen < 20 {
		t.Errorf("looked at %d packages only", seen)
	}
}

// part returns the longest prefix of a path that the table knows.
func part(path string) string {
	for p := path; ; {
		if _, ok := allowed[p]; ok {
			return p
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			return p
		}
		p = p[:i]
	}
}

func mayImport(from, to string) bool {
	top, _, _ := strings.Cut(to, "/")
	own, _, _ := strings.Cut(from, "/")
	if top == own {
		strict := slices.Contains([]string{"publish/chunk", "publish/mqtt", "publish/queue", "publish/hass"}, part(from))
		return !strict || part(from) == part(to)
	}
	for _, ok := range allowed[part(from)] {
		if to == ok || strings.HasPrefix(to, ok+"/") {
			return true
		}
	}
	return false
}

func homesOf(imported string) ([]string, string) {
	for lib, homes := range home {
		if imported == lib || strings.HasPrefix(imported, lib+"/") {
			return homes, lib
		}
	}
	return nil, ""
}
