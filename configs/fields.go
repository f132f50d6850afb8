package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is one key of the configuration.
type field struct {
	path string // "broker.url"
	v    reflect.Value
	tag  reflect.StructTag
}

// env returns the name of the variable that overrides the key.
func (f field) env() string { return envName(f.path) }

func envName(path string) string {
	return "PIRWATCH_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// walk calls fn for every key, in the order of the struct; the spans of the
// schedule are one key.
func walk(c *Config, fn func(field)) { walkSection("", reflect.ValueOf(c).Elem(), fn) }

func walkSection(path string, v reflect.Value, fn func(field)) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		key := sf.Tag.Get("toml")
		if key == "" {
			continue
		}
		if isSection(sf.Type) {
			walkSection(join(path, key), v.Field(i), fn)
			continue
		}
		fn(field{path: join(path, key), v: v.Field(i), tag: sf.Tag})
	}
}

// isSection says whether a type is a section of keys rather than one value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fieldOf returns the field of a section with that key.
func fieldOf(v reflect.Value, key string) (reflect.Value, reflect.StructTag, bool) {
	for i := range v.NumField() {
		if sf := v.Type().Field(i); key != "" && sf.Tag.Get("toml") == key {
			return v.Field(i), sf.Tag, true
		}
	}
	return reflect.Value{}, "", false
}

// Diff returns the keys, such as "broker.url", whose values differ, in the order
// of the file.
func Diff(a, b *Config) []string {
	var others []field
	walk(b, func(f field) { others = append(others, f) })
	var keys []string
	i := 0
	walk(a, func(f field) {
		if !reflect.DeepEqual(f.v.Interface(), others[i].v.Interface()) {
			keys = append(keys, f.path)
		}
		i++
	})
	return keys
}

// unknown says what is wrong with a key that is not one: another spelling,
// another section, a password.
func unknown(table, key string, value any) string {
	_, isTable := value.(map[string]any)
	kind := "key"
	if isTable {
		kind = "section"
	}
	if key == "password" || key == "token" {
		return fmt.Sprintf("unknown key; a %s never stands in this file: put it into a file of its own (chmod 640) and name that in %s_file", key, key)
	}
	var siblings []string
	var elsewhere string
	walk(Default(), func(f field) {
		t, k := section(f.path)
		if t == table && !isTable {
			siblings = append(siblings, k)
		}
		if rest, ok := strings.CutPrefix(t, table); ok && rest != "" && (table == "" || rest[0] == '.') {
			siblings = append(siblings, strings.Split(strings.TrimPrefix(rest, "."), ".")[0])
		}
		if k == key && elsewhere == "" {
			elsewhere = "[" + t + "]"
			if t == "" {
				elsewhere = "the top, before the first section"
			}
		}
	})
	if table == "schedule.armed" || strings.HasPrefix(table, "schedule.armed[") {
		siblings = []string{"days", "from", "to"}
	}
	if near := nearest(key, siblings); near != "" {
		return fmt.Sprintf("unknown %s; did you mean %q?", kind, near)
	}
	if elsewhere != "" && !isTable {
		return fmt.Sprintf("unknown key here; %q belongs to %s", key, elsewhere)
	}
	if len(siblings) == 0 {
		return fmt.Sprintf("unknown %s", kind)
	}
	slices.Sort(siblings)
	return fmt.Sprintf("unknown %s; there are %s", kind, strings.Join(slices.Compact(siblings), ", "))
}

// unknownVariable says what is wrong with a variable that looks like ours.
func unknownVariable(name string, fields map[string]field) string {
	if strings.HasSuffix(name, "_PASSWORD") || strings.HasSuffix(name, "_TOKEN") {
		return "a secret does not stand in the environment, where other programs see it; put it into a file (chmod 640) and name that in " + name + "_FILE"
	}
	names := make([]string, 0, len(fields))
	for n := range fields {
		names = append(names, n)
	}
	slices.Sort(names)
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("unknown variable; did you mean %s?", near)
	}
	return "unknown variable; it is PIRWATCH_, the section and the key, such as PIRWATCH_BROKER_URL"
}

// nearest returns the word closest to a misspelt one, or "" where none is near:
// at most one edit in three letters.
func nearest(word string, words []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, w := range words {
		if n := distance(strings.ToLower(word), strings.ToLower(w)); n < least {
			best, least = w, n
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour (optimal string alignment) to make b of a.
func distance(a, b string) int {
	a, b = strings.ReplaceAll(a, "-", "_"), strings.ReplaceAll(b, "-", "_")
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
