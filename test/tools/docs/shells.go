package main

import (
	"fmt"
	"strings"
)

// bash completes commands, flags and file names.
func bash(p program) string {
	var b strings.Builder
	b.WriteString("# bash completion for pirwatch, made from its --help\n_pirwatch() {\n")
	b.WriteString("\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev= command= word\n\tCOMPREPLY=()\n")
	b.WriteString("\t[ \"$COMP_CWORD\" -gt 0 ] && prev=${COMP_WORDS[COMP_CWORD-1]}\n")
	b.WriteString("\t# --flag=value comes in three words\n")
	b.WriteString("\tif [ \"$cur\" = = ]; then cur=; elif [ \"$prev\" = = ] && [ \"$COMP_CWORD\" -gt 1 ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n")
	b.WriteString("\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase $word in -*) ;; *) command=$word; break ;; esac\n\tdone\n")
	b.WriteString("\tcase $prev in\n")
	for _, kind := range []string{"file", "dir"} {
		if names := flagsOf(p, kind); len(names) > 0 {
			fmt.Fprintf(&b, "\t--%s) mapfile -t COMPREPLY < <(compgen -%c -- \"$cur\"); compopt -o filenames 2> /dev/null; return ;;\n", strings.Join(names, "|--"), kind[0])
		}
	}
	if names := flagsOf(p, "other"); len(names) > 0 {
		fmt.Fprintf(&b, "\t--%s) return ;;\n", strings.Join(names, "|--"))
	}
	b.WriteString("\tesac\n\tlocal words files=\n\tcase $command in\n")
	for _, c := range p.commands {
		fmt.Fprintf(&b, "\t%s) words='%s'", c.name, dashed(c.flags))
		if c.wantsFiles() {
			b.WriteString(" files=1")
		}
		b.WriteString(" ;;\n")
	}
	fmt.Fprintf(&b, "\t*) words='%s %s' ;;\n\tesac\n", strings.Join(names(p), " "), dashed(p.flags))
	b.WriteString("\tif [ -n \"$files\" ] && [[ $cur != -* ]]; then\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n\t\tcompopt -o filenames 2> /dev/null\n\telse\n")
	b.WriteString("\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n\tfi\n}\ncomplete -F _pirwatch pirwatch\n")
	return b.String()
}

// zsh completes commands and flags with their help.
func zsh(p program) string {
	var b strings.Builder
	b.WriteString("#compdef pirwatch\n# zsh completion for pirwatch, made from its --help\n\n_pirwatch() {\n\tlocal line state\n")
	fmt.Fprintf(&b, "\t_arguments -C %s '1:command:->command' '*::argument:->arguments'\n", zshFlags(p.flags))
	b.WriteString("\tcase $state in\n\tcommand)\n\t\tlocal -a commands=(\n")
	for _, c := range p.commands {
		fmt.Fprintf(&b, "\t\t\t%s\n", single(c.name+":"+strings.ReplaceAll(c.help, ":", "\\:")))
	}
	b.WriteString("\t\t)\n\t\t_describe command commands\n\t\t;;\n\targuments)\n\t\tcase $line[1] in\n")
	for _, c := range p.commands {
		fmt.Fprintf(&b, "\t\t%s) _arguments %s", c.name, zshFlags(c.flags))
		if c.wantsFiles() {
			b.WriteString(" '*:file:_files'")
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("\t\tesac\n\t\t;;\n\tesac\n}\n\n_pirwatch \"$@\"\n")
	return b.String()
}

func zshFlags(flags []flag) string {
	var out []string
	for _, f := range flags {
		help := strings.NewReplacer("[", "\\[", "]", "\\]", ":", "\\:").Replace(f.help)
		spec := "--" + f.long
		if f.value != "" {
			spec += "="
		}
		spec += "[" + help + "]"
		switch f.kind() {
		case "file":
			spec += ":file:_files"
		case "dir":
			spec += ":folder:_files -/"
		default:
			if f.value != "" {
				spec += ":value: "
			}
		}
		out = append(out, single(spec))
	}
	return strings.Join(out, " ")
}

// fish completes commands and flags with their help.
func fish(p program) string {
	var b strings.Builder
	b.WriteString("# fish completion for pirwatch, made from its --help\ncomplete -c pirwatch -f\n")
	line := func(condition string, f flag) {
		fmt.Fprintf(&b, "complete -c pirwatch -n %s -l %s", single(condition), f.long)
		if f.short != "" {
			fmt.Fprintf(&b, " -s %s", f.short)
		}
		switch {
		case f.kind() != "":
			b.WriteString(" -r -F")
		case f.value != "":
			b.WriteString(" -x")
		}
		fmt.Fprintf(&b, " -d %s\n", fishQuote(f.help))
	}
	for _, f := range p.flags {
		line("__fish_use_subcommand", f)
	}
	for _, c := range p.commands {
		fmt.Fprintf(&b, "complete -c pirwatch -n __fish_use_subcommand -a %s -d %s\n", c.name, fishQuote(c.help))
		for _, f := range c.flags {
			line("__fish_seen_subcommand_from "+c.name, f)
		}
		if c.wantsFiles() {
			fmt.Fprintf(&b, "complete -c pirwatch -n '__fish_seen_subcommand_from %s' -F\n", c.name)
		}
	}
	return b.String()
}

// single quotes for bash and zsh.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishQuote quotes for fish, whose quotes know two escapes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

func names(p program) []string {
	var out []string
	for _, c := range p.commands {
		out = append(out, c.name)
	}
	return out
}

func dashed(flags []flag) string {
	var out []string
	for _, f := range flags {
		out = append(out, "--"+f.long)
	}
	return strings.Join(out, " ")
}

// flagsOf lists the flags with values of a kind, each once; "other" are those
// that nothing can be offered for.
func flagsOf(p program, kind string) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range append([]command{{flags: p.flags}}, p.commands...) {
		for _, f := range c.flags {
			k := f.kind()
			if k == "" && f.value != "" {
				k = "other"
			}
			if k == kind && !seen[f.long] {
				seen[f.long] = true
				out = append(out, f.long)
			}
		}
	}
	return out
}
