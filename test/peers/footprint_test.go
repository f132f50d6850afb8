//go:build peers

package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	mostProgram = 12_000_000 // bytes, as shipped
	mostRSS     = 25 << 20   // beside the frames of the pre-roll
)

// rss reads the resident set of a process, in bytes.
func rss(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("VmRSS:"))
	fields := strings.Fields(string(rest))
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// ship builds the program as it is released, for a target.
func ship(t testing.TB, target, version string) (path string) {
	t.Helper()
	arch, arm, _ := strings.Cut(target, "/")
	path = filepath.Join(t.TempDir(), "pirwatch")
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "test/tools/compile", path, version)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOARM="+arm)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile for %s: %v\n%s", target, err, out)
	}
	return path
}

// What is shipped fits its budget, and is the program that it says it is.
func TestShippedPrograms(t *testing.T) {
	for _, target := range []string{"amd64", "arm64", "arm/6"} {
		t.Run(strings.ReplaceAll(target, "/", "v"), func(t *testing.T) {
			program := ship(t, target, "9.8.7")
			info, err := os.Stat(program)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes", info.Size())
			if info.Size() >= mostProgram {
				t.Errorf("%d bytes, want less than %d", info.Size(), mostProgram)
			}
			if target != runtime.GOARCH {
				return
			}
			plain := built(t)
			if v := run(t, time.Minute, program, "--version"); !strings.Contains(v, "9.8.7") {
				t.Errorf("--version prints %q", v)
			}
			if got, want := run(t, time.Minute, program, "--help"), run(t, time.Minute, plain, "--help"); got != want {
				t.Errorf("--help prints %s\nand the plain program %s", got, want)
			}
			b := mosquitto(t)
			dir := t.TempDir()
			config := filepath.Join(dir, "pirwatch.toml")
			writeConfig(t, config, dir, b.addr, clipConfig(t, vehicles))
			check := func(program string) string {
				out := run(t, time.Minute, program, "check", "--config", config)
				return regexp.MustCompile(`[0-9.]+ ?(ms|µs|s|GB|MB|kB|°C)\b`).ReplaceAllString(out, "#")
			}
			if got, want := check(program), check(plain); got != want {
				t.Errorf("check prints %s\nand the plain program %s", got, want)
			}
			s := subscribe(t, b.addr, "pirwatch/front/#")
			p := start(t, program, "run", "--config", config)
			await(t, "an event", 2*time.Minute, func() bool { return strings.Contains(s.last("pirwatch/front/last_event"), `"closed"`) })
			p.stop()
			if state := p.cmd.ProcessState; state == nil || !state.Success() {
				t.Errorf("ended with %v", state)
			}
			await(t, "offline", time.Minute, func() bool { return s.last("pirwatch/front/status") == "offline" })
			if e := parse[summary](t, []byte(s.last("pirwatch/front/last_event"))); e.Frames == 0 || e.Published != e.Frames {
				t.Errorf("last event %+v", e)
			}
		})
	}
}

func writeConfig(t testing.TB, path, dir, brokerAddr, config string) {
	t.Helper()
	text := fmt.Sprintf("name = \"front\"\nstate_dir = %q\n[broker]\nurl = \"mqtt://%s\"\n%s", dir, brokerAddr, config)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A camera that watches, sends and archives stays small. The frames of the
// pre-roll are the owner's choice, so they are told apart.
func TestMemoryOfTheDaemon(t *testing.T) {
	b := mosquitto(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "pirwatch.toml")
	writeConfig(t, config, dir, b.addr, clipConfig(t, vehicles))
	s := subscribe(t, b.addr, "pirwatch/front/last_event", "pirwatch/front/history")
	p := start(t, ship(t, runtime.GOARCH, ""), "run", "--config", config)
	var most int64
	await(t, "three events", 3*time.Minute, func() bool {
		most = max(most, rss(t, p.cmd.Process.Pid))
		return len(s.on("pirwatch/front/history")) >= 3
	})
	var bytesOfRing int64
	for _, jpeg := range footage(t)[:20] { // 2 s at 10 a second
		bytesOfRing += int64(len(jpeg))
	}
	t.Logf("RSS %.1f MB at most, of which the pre-roll is %.1f MB", float64(most)/(1<<20), float64(bytesOfRing)/(1<<20))
	if most-bytesOfRing >= mostRSS {
		t.Errorf("RSS %d, want less than %d beside the pre-roll's %d", most, mostRSS, bytesOfRing)
	}
}
