package lamp

import (
	"strings"
	"testing"
)

// The line itself is tested on the kernel's chip, in test/lab.
func TestNoChip(t *testing.T) {
	l, err := Open(Options{Chip: "gpiochip-none", Line: 18})
	if err == nil || !strings.HasPrefix(err.Error(), "lamp: ") {
		t.Fatalf("Open: %v", err)
	}
	if l != nil {
		if err := l.Set(true); err == nil {
			t.Error("Set on a chip that is not there succeeds")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
