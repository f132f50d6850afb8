//go:build lab

package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// vmNeeds skips where the virtual machine cannot be had, or fails where it must be.
func vmNeeds(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			unavailable(t, p)
		}
	}
}

// vmCache is where what takes long to build is kept: PIRWATCH_CACHE, else the
// user's cache directory; never inside the checkout.
func vmCache(t *testing.T) string {
	dir := os.Getenv("PIRWATCH_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(base, "pirwatch-lab")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// vmBuild runs script with a directory of the cache, named for the script's own
// text, unless it is ready there. One at a time on a machine.
func vmBuild(t *testing.T, name, script string, args ...string) string {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(text, strings.Join(args, " ")...))
	dir := filepath.Join(vmCache(t), name+"-"+hex.EncodeToString(sum[:4]))
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
		return dir
	}
	t.Logf("building %s with %s, some minutes", dir, script)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{script}, append(args, dir)...)...)
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, vmTail(out, 4000))
	}
	return dir
}

func vmTail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// vmCompile builds a static test binary of a package of this module.
func vmCompile(t *testing.T, out, pkg string, env ...string) {
	t.Helper()
	cmd := exec.Command("go", "test", "-c", "-tags", "lab", "-o", out, pkg)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", pkg, err, out)
	}
}

// vmJob makes a folder with a job for the guest.
func vmJob(t *testing.T, script string) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "job.sh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// vmRun boots the machine with a job and returns the job's output. A guest that
// hangs is given up after limit, and tried once more: an emulated machine may be
// starved by its host, and that is not what is tested.
func vmRun(t *testing.T, root, job string, limit time.Duration) []byte {
	t.Helper()
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), limit+time.Minute)
		cmd := exec.CommandContext(ctx, "bash", "vm-run.sh", root, job, strconv.Itoa(int(limit.Seconds())))
		cmd.WaitDelay = 10 * time.Second
		out, err := cmd.CombinedOutput()
		cancel()
		log, readErr := os.ReadFile(filepath.Join(job, "job.log"))
		_, rcErr := os.Stat(filepath.Join(job, "job.rc"))
		if readErr == nil && rcErr == nil {
			return log
		}
		console, _ := os.ReadFile(filepath.Join(job, "console.log"))
		if try == 2 {
			t.Fatalf("the machine did not finish its job: %v %s\nconsole:\n%s\njob:\n%s", err, out, vmTail(console, 3000), vmTail(log, 3000))
		}
		t.Logf("try %d: the machine did not finish its job; once more", try)
	}
}

var vmResult = regexp.MustCompile(`(?m)^\s*--- (PASS|FAIL|SKIP): (\S+)`)

// vmReport turns the results of a test binary's output into subtests.
func vmReport(t *testing.T, log []byte) {
	t.Helper()
	seen := 0
	for _, m := range vmResult.FindAllSubmatch(log, -1) {
		seen++
		result := string(m[1])
		t.Run(string(m[2]), func(t *testing.T) {
			switch result {
			case "FAIL":
				t.Fail()
			case "SKIP":
				t.Error("skipped in the machine")
			}
		})
	}
	if seen == 0 || t.Failed() || !bytes.Contains(log, []byte("\nPASS\n")) {
		t.Errorf("%d results in the machine's output:\n%s", seen, vmTail(log, 20000))
	}
}

// TestDrivers runs the tests of package guest in one boot of the machine;
// PIRWATCH_LAB_RUN chooses some of them as -run does.
func TestDrivers(t *testing.T) {
	vmNeeds(t, "qemu-system-x86_64", "mmdebstrap", "mke2fs")
	root := vmBuild(t, "vm", "vm-root.sh")
	job := vmJob(t, "export PIRWATCH_LAB_GUEST=1\nudevadm settle\n./guest.test -test.v -test.timeout 20m -test.skip '^TestFeed$' -test.run '"+os.Getenv("PIRWATCH_LAB_RUN")+"'\nrc=$?\ndmesg > dmesg.log\nexit $rc\n")
	vmCompile(t, filepath.Join(job, "guest.test"), "pirwatch/test/lab/guest", "GOARCH=amd64")
	vmReport(t, vmRun(t, root, job, 25*time.Minute))
}
