//go:build peers

package peers

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// edit changes a camera's configuration and has it read again.
func (c *camera) edit(t testing.TB, old, new string) {
	t.Helper()
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("no %q in the configuration", old)
	}
	if err := os.WriteFile(c.config, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.cmd.Process.Signal(syscall.SIGHUP)
}

// A reload: what MQTT can change, too, is changed at once; a mistake changes
// nothing; another camera means new parts, and no picture is lost over it.
func TestReload(t *testing.T) {
	b := mosquitto(t)
	sub := subscribe(t, b.addr, "pirwatch/front/#")
	cam := watch(t, b.addr, sceneConfig(320, 180)+"[log]\nformat = \"text\"\n")
	said := func(what string) {
		t.Helper()
		await(t, what, time.Minute, func() bool { return strings.Contains(cam.out.String(), what) })
	}
	said("link to the broker is up")
	cam.edit(t, `cooldown = "1s"`, `cooldown = "7s"`)
	await(t, "the new cool-down", time.Minute, func() bool { return sub.last("pirwatch/front/cooldown") == "7" })
	cam.edit(t, "width = 320", "width = -1")
	said("configuration not reloaded, the old one stays")
	await(t, "an event", time.Minute, func() bool { return len(sub.on("pirwatch/front/event")) > 0 })
	cam.edit(t, "width = -1", "width = 480")
	said("are started anew")
	await(t, "an event of the new camera", 2*time.Minute, func() bool { return len(sub.on("pirwatch/front/history")) >= 2 })
	cam.stop()
	if code := cam.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
	// The broker has taken everything over; the subscriber may still be reading.
	listed := 0
	await(t, "every picture that a history lists", time.Minute, func() bool {
		got := assemble(t, sub.on("pirwatch/front/chunk"))
		listed = 0
		for _, m := range sub.on("pirwatch/front/history") {
			for _, id := range parse[summary](t, m.payload).PicIDs {
				listed++
				if got.pictures[id] == nil {
					return false
				}
			}
		}
		return true
	})
	if listed < 4 {
		t.Errorf("only %d pictures in the histories", listed)
	}
}

// Killed in the middle of a movement: the will says offline, the next start
// says OFF, and the pictures of the torn event arrive.
func TestKilledInMidMotion(t *testing.T) {
	b := mosquitto(t)
	sub := subscribe(t, b.addr, "pirwatch/front/#")
	cam := watch(t, b.addr, sceneConfig(320, 180)+"[queue]\nspool = \"always\"\n")
	await(t, "motion", time.Minute, func() bool { return sub.last("pirwatch/front/motion") == "ON" })
	await(t, "a picture", time.Minute, func() bool { return len(sub.on("pirwatch/front/chunk")) > 0 })
	cam.kill()
	await(t, "the last will", time.Minute, func() bool { return sub.last("pirwatch/front/status") == "offline" })
	cam.start(t)
	await(t, "online and OFF", time.Minute, func() bool {
		return sub.last("pirwatch/front/status") == "online" && sub.last("pirwatch/front/motion") == "OFF"
	})
	cam.stop()
}

// What an owner reads who set nothing: the service runs, and says what to do.
func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	config := dir + "/pirwatch.toml"
	if err := os.WriteFile(config, []byte("state_dir = \""+dir+"\"\n[camera]\nretry_first = \"200ms\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, built(t), "run", "--config", config)
	for _, what := range []string{"no broker is configured", "pirwatch setup", "no camera"} {
		await(t, what, time.Minute, func() bool { return strings.Contains(p.out.String(), what) })
	}
	p.stop()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
	if n := len(regexp.MustCompile(`(?m)^.*no camera found.*$`).FindAllString(p.out.String(), -1)); n > 5 {
		t.Errorf("says %d times that there is no camera", n)
	}
}
