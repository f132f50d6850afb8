package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// licenses returns the licence texts of the modules that are linked into a
// package, Go itself included, which they ask to be passed on with the binary.
func licenses(pkg string) (string, error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("list the modules of %s: %w", pkg, err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	modules := strings.Split(strings.TrimSpace(string(out)), "\n")
	modules = append(modules, "Go, its standard library\t"+strings.TrimSpace(string(root)))
	slices.Sort(modules)
	var b strings.Builder
	b.WriteString("The program contains these modules, under these licences.\n")
	for _, m := range slices.Compact(modules) {
		name, dir, _ := strings.Cut(m, "\t")
		found := false
		for _, pattern := range []string{"LICEN[CS]E*", "LICEN[CS]ES/*", "COPYING*", "NOTICE*", "edl-v10", "epl-v20"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, file := range files {
				if info, err := os.Stat(file); err == nil && info.IsDir() {
					continue
				}
				text, err := os.ReadFile(file)
				if err != nil {
					return "", err
				}
				found = true
				fmt.Fprintf(&b, "\n%s\n%s (%s)\n%s\n%s\n", strings.Repeat("=", 78), name, filepath.Base(file), strings.Repeat("-", 78), strings.TrimSpace(string(text)))
			}
		}
		if !found && dir == "" {
			return "", fmt.Errorf("%s: its source is not here; run go mod download", name)
		}
		if !found {
			return "", fmt.Errorf("%s has no licence file in %s", name, dir)
		}
	}
	return b.String(), nil
}
