//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPackage lets this machine's package live on real systems: in containers on
// trixie's systemd 257 and bookworm's 252, and in the virtual machine, where it
// has a sensor and cameras. Roots and kernel are built at the first run (minutes)
// and kept.
func TestPackage(t *testing.T) {
	t.Parallel()
	needs(t, "mmdebstrap")
	old, new := previous(t), deb(t, "../..", "99.0.0")
	for _, suite := range []string{"trixie", "bookworm"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			needs(t, "systemd-nspawn", "unshare")
			root := built(t, "root-"+suite, "root.sh", suite)
			files := map[string][]byte{"old.deb": old, "new.deb": new, "checks.sh": read(t, "checks.sh")}
			t.Run("life", func(t *testing.T) { container(t, root, "container-job.sh", 60, files) })
			t.Run("chroot", func(t *testing.T) { container(t, root, "chroot-job.sh", 0, files, "--chroot") })
		})
	}
	t.Run("daemon", func(t *testing.T) {
		t.Parallel()
		daemon(t, new)
	})
}

// previous is the package that owners upgrade from: what was released last, built
// from the history, with the file "previous" naming commit and version. Where the
// history does not reach back so far, this tree under an older version takes its
// place.
func previous(t *testing.T) []byte {
	t.Helper()
	commit, version, ok := strings.Cut(strings.TrimSpace(string(read(t, "previous"))), " ")
	if !ok {
		t.Fatal(`the file "previous" has no commit and version`)
	}
	if err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		t.Logf("upgrade from 0.0.1, which is this tree: the history lacks %s (%s)", commit, version)
		return deb(t, "../..", "0.0.1")
	}
	t.Logf("upgrade from %s, which is %s", version, commit)
	dir := cached(t, "previous", commit+version, func(dir string) {
		tree := t.TempDir()
		command(t, time.Minute, "../..", nil, "git", "archive", "--output="+filepath.Join(tree, "tree.tar"), commit)
		command(t, time.Minute, tree, nil, "tar", "-xf", "tree.tar")
		write(t, filepath.Join(dir, "pirwatch.deb"), deb(t, tree, version))
	})
	return read(t, filepath.Join(dir, "pirwatch.deb"))
}

// container runs a job in a throw-away copy of the root; its exit code counts the
// checks that failed.
func container(t *testing.T, root, script string, least int, files map[string][]byte, options ...string) {
	t.Helper()
	const limit = 20 * time.Minute
	dir := job(t, files)
	write(t, filepath.Join(dir, "job.sh"), read(t, script))
	ctx, cancel := context.WithTimeout(t.Context(), limit+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./container-run.sh", append(options, root, dir, fmt.Sprint(int(limit.Seconds())))...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Errorf("%v %s", err, said.String())
	}
	checks(t, read(t, filepath.Join(dir, "job.log")), least)
	if t.Failed() {
		t.Log(shown(dir, "journal.txt", "console.log", "apt.log"))
	}
}
