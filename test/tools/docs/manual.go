package main

import (
	"fmt"
	"regexp"
	"strings"
)

// roff escapes text for a manual page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// manual is pirwatch(1).
func manual(p program, date string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH PIRWATCH 1 %s pirwatch\n.SH NAME\npirwatch \\- motion\\-triggered pictures over MQTT\n.SH SYNOPSIS\n", date)
	for i, c := range p.commands {
		if i > 0 {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(&b, ".B %s\n", roff(c.usage))
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(p.help))
	for _, c := range p.commands {
		fmt.Fprintf(&b, ".SS pirwatch %s\n%s\n", c.name, roff(c.help))
		for _, a := range c.args {
			fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(a.name), roff(or(a.help, "See above.")))
		}
		for _, f := range c.flags {
			if f.long != "help" && f.long != "version" {
				writeFlag(&b, f)
			}
		}
	}
	b.WriteString(".SH OPTIONS\nThese are known to every command.\n")
	for _, f := range p.flags {
		writeFlag(&b, f)
	}
	b.WriteString(strings.TrimLeft(`
.SH EXIT STATUS
.TP
.B 0
Good.
.TP
.B 1
Failed.
.TP
.B 64
Wrong usage.
.TP
.B 78
Wrong configuration. The service does not start again until it is mended.
.SH ENVIRONMENT
Any key of the configuration can be set by a variable:
.B PIRWATCH_BROKER_URL
is
.I url
in the section
.I broker .
.TP
.B CREDENTIALS_DIRECTORY
Where systemd put the credentials
.IR pirwatch.mqtt_password ,
.IR pirwatch.netcam_password ,
.I pirwatch.view_password
and
.IR pirwatch.watson_token .
.SH FILES
.TP
.I /etc/pirwatch/pirwatch.toml
The configuration.
.TP
.I /etc/pirwatch/NAME.toml
The configuration of a further camera, for the service
.BR pirwatch@NAME .
.TP
.I /etc/credstore/
Secrets that the service reads as systemd credentials.
.TP
.I /var/lib/pirwatch
Queue, archive, and settings made over MQTT.
.SH SEE ALSO
.BR pirwatch.toml (5),
.BR systemctl (1),
.BR journalctl (1)
`, "\n"))
	return b.String()
}

func writeFlag(b *strings.Builder, f flag) {
	b.WriteString(".TP\n.B ")
	if f.short != "" {
		b.WriteString(roff("-"+f.short) + ", ")
	}
	b.WriteString(roff("--" + f.long))
	if f.value != "" {
		b.WriteString(roff("=" + strings.Trim(f.value, `"`)))
	}
	b.WriteString("\n" + roff(or(f.help, "See above.")) + "\n")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

var (
	keyLine     = regexp.MustCompile(`^#?([a-z0-9_]+) = (.*)$`)
	sectionLine = regexp.MustCompile(`^\[([a-z0-9_.]+)\]$`)
)

// configManual is pirwatch.toml(5): the annotated file, section by section, each
// group of keys with the comment above it.
func configManual(text, date string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH PIRWATCH.TOML 5 %s pirwatch\n.SH NAME\npirwatch.toml \\- configuration of pirwatch\n.SH DESCRIPTION\n", date)
	var prose []string
	var keys [][2]string
	begun := false
	paragraph := func() {
		for _, line := range prose {
			if strings.HasPrefix(line, "  ") {
				fmt.Fprintf(&b, ".br\n%s\n", roff(strings.TrimSpace(line)))
			} else if line == "" {
				b.WriteString(".PP\n")
			} else {
				b.WriteString(roff(line) + "\n")
			}
		}
		prose = nil
	}
	flush := func() {
		if len(keys) == 0 {
			if begun || len(prose) > 0 {
				paragraph()
			}
			return
		}
		for i, k := range keys {
			if i > 0 {
				b.WriteString(".TQ\n")
			} else {
				b.WriteString(".TP\n")
			}
			fmt.Fprintf(&b, ".BR %s \" = %s\"\n", roff(k[0]), strings.ReplaceAll(roff(k[1]), `"`, `\(dq`))
		}
		paragraph()
		keys = nil
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		switch {
		case sectionLine.MatchString(line):
			held := prose
			prose = nil
			flush()
			prose = held
			fmt.Fprintf(&b, ".SH [%s]\n", sectionLine.FindStringSubmatch(line)[1])
			begun = true
			paragraph()
		case keyLine.MatchString(line):
			m := keyLine.FindStringSubmatch(line)
			keys = append(keys, [2]string{m[1], m[2]})
		case strings.HasPrefix(line, "#"):
			if len(keys) > 0 {
				flush()
			}
			prose = append(prose, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
		case line == "":
			if len(keys) > 0 {
				flush()
			} else if len(prose) > 0 && !sectionFollows(lines[i:]) {
				flush()
				b.WriteString(".PP\n")
			}
		}
	}
	flush()
	b.WriteString(".SH SEE ALSO\n.BR pirwatch (1)\n")
	return b.String()
}

// sectionFollows says whether the next line with something on it is a header.
func sectionFollows(lines []string) bool {
	for _, line := range lines {
		if line != "" {
			return sectionLine.MatchString(line)
		}
	}
	return false
}
