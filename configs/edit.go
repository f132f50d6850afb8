package configs

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"github.com/pelletier/go-toml/v2"
)

// Set writes a key's value into the text of a configuration and leaves all else
// as it stands: in place of the value there, of the commented default, or as a
// new line of the section. The value is a string, bool, int or float64, or one
// of this package's types.
func Set(text []byte, key string, value any) ([]byte, error) {
	out, err := set(text, key, value)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", key, err)
	}
	if err := toml.Unmarshal(out, &map[string]any{}); err != nil {
		return nil, fmt.Errorf("set %s: the file has no place for it; edit it by hand: %w", key, err)
	}
	return out, nil
}

func set(text []byte, key string, value any) ([]byte, error) {
	var line string
	switch v := value.(type) {
	case string:
		line = quote(v)
	case fmt.Stringer:
		line = quote(v.String())
	case bool, int:
		line = fmt.Sprint(v)
	case float64:
		line = show(v)
	default:
		return nil, fmt.Errorf("a value of type %T is not supported", value)
	}
	if err := toml.Unmarshal(text, &map[string]any{}); err != nil {
		return nil, fmt.Errorf("the file cannot be read; mend it first (pirwatch check tells where): %w", err)
	}
	table, name := section(key)
	for _, s := range outline(text) {
		if s.path == key {
			if s.from == s.to {
				return nil, errors.New("its value in the file is not one word; edit it by hand")
			}
			return splice(text, s.from, s.to, line), nil
		}
	}
	from, to := sectionOf(text, table)
	if from < 0 {
		added := fmt.Sprintf("\n[%s]\n%s = %s\n", table, name, line)
		if len(text) > 0 && text[len(text)-1] != '\n' {
			added = "\n" + added
		}
		return splice(text, len(text), len(text), added), nil
	}
	commented := regexp.MustCompile(`(?m)^#` + regexp.QuoteMeta(name) + ` *=.*$`)
	if at := commented.FindIndex(text[from:to]); at != nil {
		return splice(text, from+at[0], from+at[1], name+" = "+line), nil
	}
	return splice(text, from, from, name+" = "+line+"\n"), nil
}

// sectionOf returns where a section's lines begin and end, or -1; what stands
// before the first header is the section "".
func sectionOf(text []byte, table string) (from, to int) {
	from = -1
	if table == "" {
		from = 0
	}
	for _, s := range outline(text) {
		if !s.table {
			continue
		}
		if from >= 0 {
			return from, bytes.LastIndexByte(text[:s.key], '\n') + 1
		}
		if s.path == table {
			if from = len(text); bytes.IndexByte(text[s.key:], '\n') >= 0 {
				from = s.key + bytes.IndexByte(text[s.key:], '\n') + 1
			}
		}
	}
	return from, len(text)
}

func splice(text []byte, from, to int, with string) []byte {
	return bytes.Join([][]byte{text[:from], []byte(with), text[to:]}, nil)
}

// quote writes a string as TOML does: Go's escapes of control characters that
// TOML lacks are written as \u.
func quote(s string) string {
	var b []byte
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, fmt.Sprintf(`\u%04X`, r)...)
		default:
			b = append(b, string(r)...)
		}
	}
	return string(append(b, '"'))
}
