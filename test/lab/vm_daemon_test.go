//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDaemon installs the package in the virtual machine and lets it live there:
// sensor, cameras, full disk, kill; then a power cut, and what was safe arrives.
func TestDaemon(t *testing.T) {
	vmNeeds(t, "qemu-system-x86_64", "mmdebstrap", "mke2fs")
	root := vmBuild(t, "vm", "vm-root.sh")
	script, err := os.ReadFile("vm-daemon-job.sh")
	if err != nil {
		t.Fatal(err)
	}
	job := vmJob(t, string(script))
	vmCompile(t, filepath.Join(job, "guest.test"), "pirwatch/test/lab/guest", "GOARCH=amd64")
	command(t, 10*time.Minute, []string{"DIST=" + job, "VERSION=99.0.0"}, "../../systemd/deb/build", "amd64")
	if err := os.Rename(filepath.Join(job, "pirwatch_99.0.0_amd64.deb"), filepath.Join(job, "pirwatch.deb")); err != nil {
		t.Fatal(err)
	}
	drive := filepath.Join(job, "state.ext4")
	if err := os.WriteFile(drive, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(drive, 64<<20); err != nil {
		t.Fatal(err)
	}
	command(t, time.Minute, nil, "mke2fs", "-q", "-t", "ext4", drive)

	vmCut(t, root, job)
	first, _ := os.ReadFile(filepath.Join(job, "job.log"))
	vmChecks(t, "before", first)
	if _, err := os.Stat(filepath.Join(job, "cut")); err != nil {
		t.Fatalf("the power was never cut; journal:\n%s", vmFile(job, "journal1.log"))
	}
	second := vmRun(t, root, job, 15*time.Minute)
	vmChecks(t, "after", second)
	if t.Failed() {
		t.Logf("journals:\n%s\n%s\nreceiver:\n%s", vmFile(job, "journal1.log"), vmFile(job, "journal2.log"), vmFile(job, "receive.log"))
	}
}

// vmCut boots the machine and kills it as soon as the guest asks for it.
func vmCut(t *testing.T, root, job string) {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "vm-run.sh", root, job, "1500")
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	for {
		if _, err := os.Stat(filepath.Join(job, "cut")); err == nil {
			break
		}
		select {
		case <-ended:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(vmFile(job, "qemu.pid"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("cut the power: %v", err)
	}
	<-ended
}

func vmFile(job, name string) []byte {
	b, _ := os.ReadFile(filepath.Join(job, name))
	return vmTail(b, 6000)
}

var vmCheck = regexp.MustCompile(`(?m)^(ok|NOT OK) +(.*)$`)

// vmChecks turns a job's lines into subtests.
func vmChecks(t *testing.T, when string, log []byte) {
	t.Helper()
	lines := vmCheck.FindAllSubmatch(log, -1)
	t.Run(when, func(t *testing.T) {
		for _, m := range lines {
			t.Run(string(m[2][:min(len(m[2]), 60)]), func(t *testing.T) {
				if !bytes.Equal(m[1], []byte("ok")) {
					t.Error(string(m[2]))
				}
			})
		}
	})
	fmt.Printf("%s the power cut:\n%s\n", when, log)
	if len(lines) < 8 {
		t.Errorf("only %d checks %s the cut", len(lines), when)
	}
}
