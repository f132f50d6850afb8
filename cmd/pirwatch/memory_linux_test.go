package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestTheStartsMemoryIsGivenBack(t *testing.T) {
	resident := func() (kb int) {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "RssFile:")
		fmt.Sscan(rest, &kb)
		return kb
	}
	before := resident()
	if err := unmapProgram(); err != nil {
		t.Fatal(err)
	}
	if after := resident(); after >= before {
		t.Errorf("%d kB of files mapped before, %d after", before, after)
	}
}
