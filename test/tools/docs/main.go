// Command docs writes the manual pages and shell completions of pirwatch. What
// the program has it asks the program itself, through --help, and what the
// configuration has it reads from the annotated file, so that none can lag behind.
//
//	docs PROGRAM pirwatch.toml OUTDIR
//	docs licenses PACKAGE > FILE
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "licenses" {
		text, err := licenses(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, "docs:", err)
			os.Exit(1)
		}
		fmt.Print(text)
		return
	}
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: docs PROGRAM pirwatch.toml OUTDIR | docs licenses PACKAGE")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(program, config, out string) error {
	p, err := ask(program)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"pirwatch.1": manual(p, date()), "pirwatch.toml.5": configManual(string(text), date()),
		"pirwatch.bash": bash(p), "_pirwatch": zsh(p), "pirwatch.fish": fish(p),
	} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// date is the day that the pages carry: that of SOURCE_DATE_EPOCH, so that they
// come out the same again.
func date() string {
	var epoch int64
	if _, err := fmt.Sscan(os.Getenv("SOURCE_DATE_EPOCH"), &epoch); err != nil {
		epoch = time.Now().Unix()
	}
	return time.Unix(epoch, 0).UTC().Format("2006-01-02")
}

// program is what pirwatch says of itself.
type program struct {
	help     string
	flags    []flag
	commands []command
}

type command struct {
	name, help, usage string
	args              []argument
	flags             []flag
}

type argument struct{ name, help string }

type flag struct {
	short, long string // without dashes
	value       string // "" for a switch
	help        string
}

// ask runs the program with --help, and each of its commands.
func ask(path string) (program, error) {
	help := func(args ...string) (string, error) {
		cmd := exec.Command(path, append(args, "--help")...)
		cmd.Env = append(os.Environ(), "COLUMNS=10000")
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
		}
		return string(out), nil
	}
	text, err := help()
	if err != nil {
		return program{}, err
	}
	top := parse(text)
	p := program{help: top.help, flags: top.flags}
	for _, c := range top.commands {
		text, err := help(c.name)
		if err != nil {
			return program{}, err
		}
		got := parse(text)
		p.commands = append(p.commands, command{c.name, got.help, got.usage, got.args, got.flags})
	}
	if len(p.commands) == 0 {
		return program{}, fmt.Errorf("%s --help names no commands:\n%s", path, text)
	}
	return p, nil
}

// page is one --help text.
type page struct {
	usage, help string
	args        []argument
	flags       []flag
	commands    []command
}

// parse reads a help text of kong's: "Usage:", a paragraph, then sections of
// lines whose parts stand two spaces or more apart.
func parse(text string) page {
	var p page
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		switch {
		case strings.HasPrefix(line, "Usage: "):
			p.usage = strings.TrimPrefix(line, "Usage: ")
		case line == "Arguments:" || line == "Flags:" || line == "Commands:":
			section = line
		case line == "" || strings.HasPrefix(line, "Run \""):
		case !strings.HasPrefix(line, " "):
			if section == "" {
				p.help = strings.TrimSpace(p.help + " " + line)
			}
		default:
			left, help, _ := strings.Cut(strings.TrimLeft(line, " "), "  ")
			help = strings.TrimSpace(help)
			switch section {
			case "Arguments:":
				p.args = append(p.args, argument{left, help})
			case "Flags:":
				p.flags = append(p.flags, parseFlag(left, help))
			case "Commands:":
				p.commands = append(p.commands, command{name: strings.Fields(left)[0], help: help})
			}
		}
	}
	return p
}

// parseFlag reads "-h, --help" or "--config=FILE".
func parseFlag(left, help string) flag {
	f := flag{help: help}
	if short, rest, ok := strings.Cut(left, ", "); ok {
		f.short, left = strings.TrimPrefix(short, "-"), rest
	}
	left = strings.TrimPrefix(left, "--")
	f.long, f.value, _ = strings.Cut(left, "=")
	f.long = strings.TrimPrefix(f.long, "[no-]")
	return f
}

// kind says what a shell may offer as a value: "file", "dir", or "" for nothing.
func (f flag) kind() string {
	v := strings.Trim(f.value, `"`)
	switch {
	case f.value == "":
		return ""
	case strings.HasPrefix(v, "/") || strings.Contains(v, "FILE"):
		return "file"
	case strings.Contains(v, "DIR"):
		return "dir"
	}
	return ""
}

// wantsFiles says whether a command takes files as arguments.
func (c command) wantsFiles() bool { return len(c.args) > 0 }
