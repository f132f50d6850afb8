//go:build lab

package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// machine is the virtual machine: a kernel that is a program of this machine, a
// drive with Debian that is thrown away with the test, a smaller one for the
// daemon's state, and a folder that both sides see, /lab inside, with the tests of
// package guest as guest.test. No network.
type machine struct {
	kernel string // folder of kernel.sh
	drives string // folder with root.ext4 and state.ext4
	lab    string
}

func newMachine(t *testing.T, files map[string][]byte) *machine {
	t.Helper()
	needs(t, "mmdebstrap", "mke2fs", "gcc", "make", "flex", "bison", "bc")
	m := &machine{kernel: built(t, "kernel", "kernel.sh"), drives: t.TempDir(), lab: job(t, files)}
	write(t, filepath.Join(m.lab, "machine.sh"), read(t, "machine.sh"))
	compile(t, filepath.Join(m.lab, "guest.test"), "pirwatch/test/lab/guest", "amd64")
	root := built(t, "root-trixie", "root.sh", "trixie")
	mkfs := func(name, size string, more ...string) {
		args := append([]string{"-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1"}, more...)
		command(t, 5*time.Minute, ".", nil, "mke2fs", append(args, filepath.Join(m.drives, name), size)...)
	}
	mkfs("root.ext4", "1G", "-d", filepath.Join(root, "rootfs"))
	mkfs("state.ext4", "64M")
	command(t, time.Minute, ".", nil, "cp", "-r", filepath.Join(m.kernel, "modules"), m.lab)
	return m
}

// boot runs the job and returns what it printed. A job that makes the file
// /lab/cut has the power cut: nothing of the machine runs on, and what it had not
// written is lost; the file is /lab/was-cut in the next boot.
func (m *machine) boot(t *testing.T, limit time.Duration) []byte {
	t.Helper()
	for _, name := range []string{"job.rc", "job.log"} {
		os.Remove(filepath.Join(m.lab, name))
	}
	console, err := os.Create(filepath.Join(m.lab, "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(m.kernel, "linux"), "mem=1G", "uml_dir="+m.drives+"/", "umid=lab",
		"ubd0="+filepath.Join(m.drives, "root.ext4"), "ubd1="+filepath.Join(m.drives, "state.ext4"), "root=/dev/ubda", "rw",
		"hostfs="+m.lab, "con=null", "con0=null,fd:1", "panic=1", "quiet", "systemd.show_status=1", "lab.job")
	cmd.Stdout, cmd.Stderr = console, console
	// Each process in the machine is one of this machine's, too; one signal kills all.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	cut := false
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(20 * time.Millisecond):
			if os.Rename(filepath.Join(m.lab, "cut"), filepath.Join(m.lab, "was-cut")) == nil {
				cut = true
				cancel()
			}
		}
	}
	log, readErr := os.ReadFile(filepath.Join(m.lab, "job.log"))
	if _, rcErr := os.Stat(filepath.Join(m.lab, "job.rc")); readErr != nil || (rcErr != nil && !cut) {
		t.Fatalf("the machine did not finish its job: %v\n%s", err, shown(m.lab, "console.log", "job.log"))
	}
	return log
}

// TestDrivers runs the tests of package guest in the machine; PIRWATCH_LAB_RUN
// chooses some of them as -run does.
func TestDrivers(t *testing.T) {
	t.Parallel()
	m := newMachine(t, map[string][]byte{"job.sh": []byte(`
. ./machine.sh
export PIRWATCH_LAB_GUEST=1
exec ./guest.test -test.v -test.timeout 20m -test.skip '^TestFeed$' -test.run '` + os.Getenv("PIRWATCH_LAB_RUN") + `'
`)})
	results(t, m.boot(t, 25*time.Minute))
}

// daemon installs the package in the machine and lets it live there: sensor,
// cameras, full disk, kill; then a power cut, and what was safe arrives.
func daemon(t *testing.T, pkg []byte) {
	m := newMachine(t, map[string][]byte{"pirwatch.deb": pkg, "checks.sh": read(t, "checks.sh"), "job.sh": read(t, "daemon-job.sh")})
	checks(t, m.boot(t, 20*time.Minute), 40)
	if _, err := os.Stat(filepath.Join(m.lab, "was-cut")); err != nil {
		t.Fatalf("the power was not cut: %s", shown(m.lab, "journal1.log", "console.log"))
	}
	checks(t, m.boot(t, 10*time.Minute), 8)
	if t.Failed() {
		t.Log(shown(m.lab, "journal1.log", "journal2.log", "receive.log", "feed.log", "apt.log", "console.log"))
	}
}
