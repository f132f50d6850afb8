//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The life of the package on real systems in containers: trixie's systemd 257 and
// bookworm's 252. Needs root; the roots are built at the first run (two minutes
// each) and kept under $PIRWATCH_CACHE.
func TestContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"systemd-nspawn", "mmdebstrap", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			unavailable(t, program)
		}
	}
	old, new := packages(t)
	for _, suite := range []string{"trixie", "bookworm"} {
		t.Run(suite, func(t *testing.T) {
			root := vmBuild(t, "container-"+suite, "container-root.sh", suite)
			t.Run("life", func(t *testing.T) { container(t, root, "container-job.sh", 20*time.Minute, old, new) })
			t.Run("chroot", func(t *testing.T) { container(t, root, "chroot-job.sh", 10*time.Minute, old, new, "--chroot") })
		})
	}
}

// unavailable skips, or fails where CI demands the lab.
func unavailable(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PIRWATCH_REQUIRE_PEERS") != "" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("missing: %s", what)
}

// packages builds this machine's package twice: as it is, and as an older version
// for it to be upgraded from.
func packages(t *testing.T) (old, new string) {
	t.Helper()
	dist := t.TempDir()
	build := func(version string) string {
		dir := filepath.Join(dist, version)
		command(t, 10*time.Minute, []string{"DIST=" + dir, "VERSION=" + version}, "../../systemd/deb/build", "amd64")
		return filepath.Join(dir, "pirwatch_"+version+"_amd64.deb")
	}
	return build("0.0.1"), build("99.0.0")
}

// container runs a job in a throw-away copy of the root and reports its lines.
func container(t *testing.T, root, job string, limit time.Duration, old, new string, options ...string) {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{job: "job.sh", old: "old.deb", new: "new.deb"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./container-run.sh", append(options, root, dir, fmt.Sprint(int(limit.Seconds())))...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	log, _ := os.ReadFile(filepath.Join(dir, "job.log"))
	t.Logf("%s", log)
	if err == nil {
		return
	}
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, "NOT OK") {
			t.Error(strings.TrimSpace(line))
		}
	}
	for _, name := range []string{"journal.txt", "console.log"} {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		t.Logf("%s:\n%s", name, text[max(0, len(text)-12_000):])
	}
	t.Fatalf("%v %s", err, said.String())
}

// command runs a program that must succeed.
func command(t *testing.T, limit time.Duration, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
