//go:build lab

package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needs skips where a system of the lab cannot be had, or fails where CI demands it.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("PIRWATCH_REQUIRE_PEERS") != "" {
			t.Fatalf("missing: %s", program)
		}
		t.Skipf("missing: %s", program)
	}
}

// cached returns a folder of the cache that make has filled: a new one for every
// id, one at a time on a machine. What has not been used for two weeks goes.
func cached(t *testing.T, name, id string, make func(dir string)) string {
	t.Helper()
	cache := os.Getenv("PIRWATCH_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(base, "pirwatch-lab")
	}
	sum := sha256.Sum256([]byte(id))
	dir := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:4]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(dir, "ready")
	now := time.Now()
	if err := os.Chtimes(ready, now, now); err == nil {
		return dir
	}
	begun := time.Now()
	make(dir)
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s made in %d s", filepath.Base(dir), int(time.Since(begun).Seconds()))
	others, _ := filepath.Glob(filepath.Join(cache, "*", "ready"))
	for _, other := range others {
		if info, err := os.Stat(other); err == nil && now.Sub(info.ModTime()) > 14*24*time.Hour {
			os.RemoveAll(filepath.Dir(other))
			os.Remove(filepath.Dir(other) + ".lock")
		}
	}
	return dir
}

// built is a folder that a script of this package has filled, anew when the
// script changes.
func built(t *testing.T, name, script string, args ...string) string {
	t.Helper()
	id := string(read(t, script)) + string(read(t, "apt.sh")) + strings.Join(args, " ")
	return cached(t, name, id, func(dir string) {
		command(t, 30*time.Minute, ".", nil, "bash", append(append([]string{script}, args...), dir)...)
	})
}

// command runs a program that must succeed in dir; a variable of env replaces the
// environment's.
func command(t *testing.T, limit time.Duration, dir string, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(out, 6000))
	}
}

// compile builds a static test binary of a package of this module.
func compile(t *testing.T, out, pkg, arch string) {
	t.Helper()
	command(t, 10*time.Minute, ".", []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch}, "go", "test", "-c", "-tags", "lab", "-o", out, pkg)
}

// deb builds this machine's package from the checkout in dir, as a version.
func deb(t *testing.T, dir, version string) []byte {
	t.Helper()
	dist := t.TempDir()
	command(t, 15*time.Minute, dir, []string{"DIST=" + dist, "VERSION=" + version, "SOURCE_DATE_EPOCH=1700000000"}, "systemd/deb/build", "amd64")
	return read(t, filepath.Join(dist, "pirwatch_"+version+"_amd64.deb"))
}

// job makes the folder that is /lab on a system of the lab.
func job(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var checkLine = regexp.MustCompile(`(?m)^(ok|NOT OK) +(.*)$`)

// checks turns the lines of a job into a test's results: at least least of them,
// none of them NOT OK.
func checks(t *testing.T, log []byte, least int) {
	t.Helper()
	t.Logf("%s", log)
	lines := checkLine.FindAllSubmatch(log, -1)
	for _, line := range lines {
		if string(line[1]) != "ok" {
			t.Error(string(line[2]))
		}
	}
	if len(lines) < least {
		t.Errorf("only %d checks, want %d or more", len(lines), least)
	}
}

var testLine = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+)`)

// results turns what a test binary printed on a system of the lab into subtests.
func results(t *testing.T, log []byte) {
	t.Helper()
	seen := 0
	for _, m := range testLine.FindAllSubmatch(log, -1) {
		seen++
		result := string(m[1])
		t.Run(string(m[2]), func(t *testing.T) {
			switch result {
			case "FAIL":
				t.Fail()
			case "SKIP":
				t.Error("skipped on the lab's system")
			}
		})
	}
	if seen == 0 || t.Failed() || !strings.Contains(string(log), "\nPASS\n") {
		t.Errorf("%d results:\n%s", seen, tail(log, 20000))
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// shown is the end of a file of a job that may be missing.
func shown(dir string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		b.WriteString(name + ":\n" + string(tail(data, 12_000)) + "\n")
	}
	return b.String()
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
