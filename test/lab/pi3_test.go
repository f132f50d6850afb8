//go:build lab

package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPi3 runs the tests of package pi3 on qemu's Raspberry Pi 3: Debian's arm64
// kernel and an initial file system that holds nothing but the test binary.
func TestPi3(t *testing.T) {
	t.Parallel()
	needs(t, "qemu-system-aarch64", "dpkg-deb")
	kernel := built(t, "pi3", "pi3-kernel.sh")
	dir := t.TempDir()
	binary := filepath.Join(dir, "init")
	compile(t, binary, "pirwatch/test/lab/pi3", "arm64")
	initrd := filepath.Join(dir, "initrd")
	write(t, initrd, newc("init", read(t, binary)))
	for try := 1; ; try++ {
		log, ended := pi3Boot(t, kernel, initrd)
		if ended {
			results(t, log)
			return
		}
		if try == 2 {
			t.Fatalf("the Pi 3 did not finish:\n%s", tail(log, 6000))
		}
		t.Logf("try %d: the Pi 3 did not finish; once more", try)
	}
}

// pi3Boot returns what the machine printed, and whether the tests came to an end.
// The machine hangs when told to reboot: it is switched off as soon as they did.
func pi3Boot(t *testing.T, kernel, initrd string) (log []byte, ended bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", "raspi3b", "-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", filepath.Join(kernel, "vmlinuz"), "-dtb", filepath.Join(kernel, "pi3.dtb"), "-initrd", initrd,
		"-append", "console=ttyAMA0,115200 iomem=relaxed panic=-1 quiet rdinit=/init", "-serial", "stdio")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		log = append(append(log, line...), '\n')
		if strings.HasPrefix(line, "lab: exit ") || strings.Contains(line, "Kernel panic") {
			return log, !strings.Contains(line, "Kernel panic")
		}
	}
	return append(log, complaint.Bytes()...), false
}

// newc packs one executable file as the kernel wants an initial file system: cpio
// in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst).
func newc(name string, data []byte) []byte {
	var b bytes.Buffer
	entry := func(name string, mode int, data []byte) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", b.Len()+1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		b.Write(make([]byte, -b.Len()&3))
		b.Write(data)
		b.Write(make([]byte, -b.Len()&3))
	}
	entry(name, 0o100755, data)
	entry("TRAILER!!!", 0, nil)
	return b.Bytes()
}
