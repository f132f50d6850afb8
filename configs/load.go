package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Load reads the configuration from a file and then from the environment
// ("NAME=value" strings, as [os.Environ] returns them), and checks all of it.
// An empty path means no file: the defaults. The error, where something is
// wrong with the content, is a [Problems] with everything that is.
func Load(path string, environ []string) (*Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, Problems{{At: Position{File: path}, Text: "there is no such file; \"pirwatch setup\" writes one, or name yours with --config"}}
			}
			return nil, Problems{{At: Position{File: path}, Text: fmt.Sprintf("cannot be read: %v", cause(err))}}
		}
	}
	return Parse(path, text, environ)
}

// Parse is [Load] for a text at hand; path names it in messages.
func Parse(path string, text []byte, environ []string) (*Config, error) {
	c := Default()
	c.places = map[string]Position{"": {File: path}}
	values, problems := parse(path, text)
	d := decoder{places: c.places, problems: problems}
	d.config(values, c)
	d.environ(environ, c)
	d.problems = append(d.problems, c.validate()...)
	return c, d.problems.err()
}

// maxSize bounds a configuration file; the annotated one has some 20 kB.
const maxSize = 1 << 20

// mistakes bounds how many syntax errors are told at once.
const mistakes = 20

// parse reads TOML. After a mistake in the syntax it goes on without that line,
// so that the next one is told, too.
func parse(path string, text []byte) (tree, Problems) {
	if len(text) > maxSize {
		return tree{}, Problems{{At: Position{File: path}, Text: "is larger than 1MB; that is no configuration of pirwatch"}}
	}
	text = bytes.Clone(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	var problems Problems
	for seen := map[int]bool{}; ; {
		values := map[string]any{}
		err := toml.Unmarshal(text, &values)
		if err == nil {
			t := tree{values: values, places: map[string]Position{}}
			for _, s := range outline(text) {
				if _, ok := t.places[s.path]; !ok {
					t.places[s.path] = place(path, text, s.key)
				}
			}
			return t, problems
		}
		var bad *toml.DecodeError
		if !errors.As(err, &bad) {
			return tree{}, append(problems, Problem{At: Position{File: path}, Text: err.Error()})
		}
		line, column := bad.Position()
		from, to := lineOf(text, line)
		problems = append(problems, Problem{
			At:   Position{File: path, Line: line, Column: column},
			Text: explain(strings.TrimSpace(string(text[from:to])), strings.TrimPrefix(bad.Error(), "toml: ")),
		})
		if seen[line] || len(problems) == mistakes {
			return tree{}, problems
		}
		seen[line] = true
		text = without(text, from, to)
	}
}

var sectionName = regexp.MustCompile(`^\s*(\[+)\s*([A-Za-z0-9_.-]+)\]*\s*$`)

// without takes a mistaken line out of the text. A header is mended where its
// name can be read, else all that stands below it goes, too, rather than into
// the section before. Lines keep their numbers.
func without(text []byte, from, to int) []byte {
	line := text[from:to]
	if bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")) {
		m := sectionName.FindSubmatch(line)
		mended := []byte{}
		if m != nil {
			mended = append(append(append(mended, m[1]...), m[2]...), strings.Repeat("]", len(m[1]))...)
		}
		if m != nil && !bytes.Equal(mended, bytes.TrimSpace(line)) {
			return splice(text, from, to, string(mended))
		}
		if i := bytes.Index(text[to:], []byte("\n[")); i >= 0 {
			to += i
		} else {
			to = len(text)
		}
	}
	for i := from; i < to; i++ {
		if text[i] != '\n' {
			text[i] = ' '
		}
	}
	return text
}

// tree is a parsed text and where its keys stand.
type tree struct {
	values map[string]any
	places map[string]Position
}

// lineOf returns where a line (from 1) begins and ends in the text.
func lineOf(text []byte, line int) (from, to int) {
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[from:], '\n')
		if i < 0 {
			break
		}
		from += i + 1
	}
	to = len(text)
	if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
		to = from + i
	}
	return from, to
}

var (
	assignment = regexp.MustCompile(`^([A-Za-z0-9_.-]+)\s*=\s*(.*)$`)
	colon      = regexp.MustCompile(`^([A-Za-z0-9_.-]+)\s*:\s*(.*)$`)
	zeros      = regexp.MustCompile(`^0[0-9]+$`)
	bareText   = regexp.MustCompile(`^[^"'\[{#,]+$`)
)

// explain says what is wrong with a line in the words of somebody who edits a
// configuration rather than those of the parser.
func explain(line, message string) string {
	if strings.Contains(message, "invalid UTF-8") {
		return "a character here is not UTF-8; save the file in that encoding"
	}
	if m := assignment.FindStringSubmatch(line); m != nil {
		key, value := m[1], strings.TrimSpace(strings.SplitN(m[2], " #", 2)[0])
		word := strings.ToLower(value)
		switch {
		case strings.Contains(message, "already"):
			return key + " is set twice; keep one of the two"
		case value == "":
			return fmt.Sprintf("%s has no value; write %s = and a value, or put \"#\" before it", key, key)
		case word == "yes" || word == "on" || (word == "true" && value != word):
			return fmt.Sprintf("%s is no value; write %s = true", value, key)
		case word == "no" || word == "off" || (word == "false" && value != word):
			return fmt.Sprintf("%s is no value; write %s = false, or %s = \"%s\" where it is a word", value, key, key, word)
		case zeros.MatchString(value):
			return fmt.Sprintf("numbers have no leading zeros; write %s = %s", key, strings.TrimLeft(value[:len(value)-1], "0")+value[len(value)-1:])
		case strings.HasPrefix(value, `"`) && strings.Count(value, `"`) == 1:
			return fmt.Sprintf("the closing quote is missing; write %s = %s\"", key, value)
		case bareText.MatchString(value):
			return fmt.Sprintf("text stands in quotes; write %s = %q", key, value)
		}
	}
	if strings.HasPrefix(line, "[") {
		if strings.Contains(message, "already") {
			return "section " + line + " is there twice; put all its keys under one of the two"
		}
		return "a section is a name in brackets on a line of its own, such as [broker] (" + message + ")"
	}
	if m := colon.FindStringSubmatch(line); m != nil {
		return fmt.Sprintf("key and value are joined by \"=\"; write %s = %s", m[1], m[2])
	}
	return "a line is key = value, [section] or # comment (" + message + ")"
}

// cause drops the operation and path that the os package puts before its errors.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
