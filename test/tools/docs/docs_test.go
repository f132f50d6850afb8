package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const topHelp = `Usage: pirwatch <command> [flags]

A watchman. Sees motion.

Flags:
  -h, --help       Show context-sensitive help.
      --version    Print the version.

Commands:
  run       Watch: the daemon.
  detect    Run the detector.

Run "pirwatch <command> --help" for more information on a command.
`

const detectHelp = `Usage: pirwatch detect <clip> ... [flags]

Run the detector.

Arguments:
  <clip> ...    The clips.

Flags:
  -h, --help         Show context-sensitive help.
      --version      Print the version.

      --csv=FILE     Write here: it's a file, or [-].
      --[no-]loop    Again.
  -o, --out=DIR      Where.
      --n=3          How many.
`

func sample() program {
	top, detect := parse(topHelp), parse(detectHelp)
	return program{help: top.help, flags: top.flags, commands: []command{
		{name: "run", help: "Watch: the daemon.", usage: "pirwatch run [flags]", flags: top.flags},
		{"detect", detect.help, detect.usage, detect.args, detect.flags},
	}}
}

func TestHelpIsUnderstood(t *testing.T) {
	top := parse(topHelp)
	if top.help != "A watchman. Sees motion." || len(top.commands) != 2 || top.commands[1].name != "detect" || len(top.flags) != 2 {
		t.Errorf("%+v", top)
	}
	detect := parse(detectHelp)
	want := []flag{{"h", "help", "", "Show context-sensitive help."}, {"", "version", "", "Print the version."},
		{"", "csv", "FILE", "Write here: it's a file, or [-]."}, {"", "loop", "", "Again."}, {"o", "out", "DIR", "Where."}, {"", "n", "3", "How many."}}
	if !slices.Equal(detect.flags, want) || len(detect.args) != 1 || detect.usage != "pirwatch detect <clip> ... [flags]" {
		t.Errorf("%+v", detect)
	}
}

// What bash offers, asked as bash asks.
func TestBashCompletes(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "clip.avi"), nil, 0o600)
	os.Mkdir(filepath.Join(dir, "clips"), 0o700)
	script := filepath.Join(dir, "done.bash")
	if err := os.WriteFile(script, []byte(bash(sample())), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"pirwatch ":                  "run detect --help --version",
		"pirwatch r":                 "run",
		"pirwatch detect --c":        "--csv",
		"pirwatch detect --csv cl":   "clip.avi clips",
		"pirwatch detect --csv = cl": "clip.avi clips",
		"pirwatch detect --out cl":   "clips",
		"pirwatch detect --n ":       "",
		"pirwatch detect cl":         "clip.avi clips",
		"pirwatch run --v":           "--version",
		"pirwatch --version r":       "run",
	} {
		cmd := exec.Command("bash", "-c", `source "$1"; COMP_WORDS=($2); [[ $2 == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _pirwatch; echo "${COMPREPLY[*]}"`, "bash", script, line)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		offered := strings.Fields(string(out))
		if strings.Contains(want, "clip") {
			slices.Sort(offered) // files come in the folder's order
		}
		if got := strings.Join(offered, " "); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestManualsHaveEverything(t *testing.T) {
	page := manual(sample(), "2026-11-29")
	for _, part := range []string{".TH PIRWATCH 1 2026-11-29", `\-\-csv=FILE`, `it\(aqs a file`, ".SS pirwatch detect", ".B 78"} {
		if !strings.Contains(page, part) {
			t.Errorf("pirwatch(1) lacks %q", part)
		}
	}
	text, err := os.ReadFile("../../../configs/pirwatch.toml")
	if err != nil {
		t.Fatal(err)
	}
	page = configManual(string(text), "2026-11-29")
	for line := range strings.Lines(string(text)) {
		if m := keyLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && !strings.Contains(page, ".BR "+m[1]+" ") {
			t.Errorf("pirwatch.toml(5) lacks %s", m[1])
		}
		if m := sectionLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && !strings.Contains(page, ".SH ["+m[1]+"]") {
			t.Errorf("pirwatch.toml(5) lacks [%s]", m[1])
		}
	}
}
