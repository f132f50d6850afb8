//go:build peers

package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The completions of the package, loaded by the shells that they are for: a
// command, a flag, a flag of another command, and a file. Each asks its shell for
// the line that follows from a Tab.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	tool := filepath.Join(dir, "docs")
	build := exec.Command("go", "build", "-o", tool, "./docs")
	build.Dir = root + "/test/tools"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	program := built(t)
	run(t, time.Minute, tool, program, root+"/configs/pirwatch.toml", dir)
	if err := os.WriteFile(filepath.Join(dir, "clip.avi"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// What the shells run: the files' folder is the first argument, the line the second.
	shells := map[string][]string{
		"bash": {"--norc", "-c", `
			source "$1/pirwatch.bash"
			COMP_WORDS=($2) COMP_LINE=$2
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			read -r _ _ function _ <<< "$(complete -p pirwatch)"
			$function pirwatch "${COMP_WORDS[COMP_CWORD]}"
			[ ${#COMPREPLY[@]} = 1 ] && unset 'COMP_WORDS[COMP_CWORD]' && echo "${COMP_WORDS[*]} ${COMPREPLY[0]}"`, "bash"},
		// A terminal, in which ^X shows the line as Tab left it.
		"zsh": {"-f", "-c", `
			zmodload zsh/zpty
			zpty inner zsh -f -i
			zpty -w inner "PS1= TERM=dumb; fpath=($1 \$fpath); autoload -Uz compinit && compinit -D -u
				show() { print -r -- \"<\$BUFFER>\"; BUFFER=; }; zle -N show; bindkey '^X' show; bindkey '^I' complete-word; print rea''dy"
			zpty -r inner out '*ready*' && zpty -w -n inner "$2"$'\t\C-X' && zpty -r inner out '*<pirwatch*>*'
			print -r -- "${${out##*<}%%>*}"`, "zsh"},
		"fish": {"--no-config", "-c", `
			set fish_complete_path $argv[1]
			set offered (complete -C "$argv[2]" | string replace -r '\t.*' '')
			test (count $offered) = 1 && string replace -r -- '\S*$' $offered $argv[2]`},
	}
	for shell, args := range shells {
		t.Run(shell, func(t *testing.T) {
			shell := need(t, shell)
			for line, want := range map[string]string{
				"pirwatch dem":                           "pirwatch demo",
				"pirwatch --vers":                        "pirwatch --version",
				"pirwatch receive --brok":                "pirwatch receive --broker",
				"pirwatch detect --expl":                 "pirwatch detect --explain",
				"pirwatch detect cl":                     "pirwatch detect clip.avi",
				"pirwatch detect --suggest cl":           "pirwatch detect --suggest clip.avi",
				"pirwatch check --config cl":             "pirwatch check --config clip.avi",
				"pirwatch receive --broker mqtt://h --o": "pirwatch receive --broker mqtt://h --out",
			} {
				cmd := exec.Command(shell, append(args[:len(args):len(args)], dir, line)...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "HOME="+dir, "LC_ALL=C.UTF-8")
				out, err := cmd.CombinedOutput()
				// Some end a flag that takes a value with its =.
				if got := strings.TrimRight(string(out), " =\n"); got != want {
					t.Errorf("%q becomes %q, %v; want %q", line, got, err, want)
				}
			}
		})
	}
}
