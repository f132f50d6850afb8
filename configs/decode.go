package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// decoder puts parsed values into a Config and collects what does not fit. It
// is our own, because go-toml's stops at the first value that does not.
type decoder struct {
	places   map[string]Position // where each value came from
	problems Problems
}

func (d *decoder) problem(at Position, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{At: at, Key: key, Text: fmt.Sprintf(format, args...)})
}

// config decodes a whole file.
func (d *decoder) config(t tree, c *Config) {
	for path, at := range t.places {
		d.places[path] = at
	}
	d.table("", t.values, reflect.ValueOf(c).Elem())
}

// table decodes one section.
func (d *decoder) table(path string, values map[string]any, v reflect.Value) {
	for key, value := range values {
		full := join(path, key)
		field, _, ok := fieldOf(v, key)
		if !ok {
			d.problem(d.places[full], full, "%s", unknown(path, key, value))
			delete(d.places, full)
			continue
		}
		d.value(full, value, field)
	}
}

// value decodes one value, a section or a list of sections included.
func (d *decoder) value(path string, value any, v reflect.Value) {
	at := d.places[path]
	_, key := section(path)
	if isSection(v.Type()) {
		values, ok := value.(map[string]any)
		if !ok {
			d.problem(at, path, "is a section; write [%s] on a line of its own and its keys below", path)
			return
		}
		d.table(path, values, v)
		return
	}
	if v.Kind() == reflect.Slice && isSection(v.Type().Elem()) {
		list, ok := value.([]any)
		if !ok {
			d.problem(at, path, "is a list of sections; write [[%s]] in double brackets before each", path)
			return
		}
		out := reflect.MakeSlice(v.Type(), len(list), len(list))
		for i, item := range list {
			d.value(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))
		}
		v.Set(out)
		return
	}
	if err := assign(value, v); err != nil {
		d.problem(at, path, "%s", strings.ReplaceAll(err.Error(), "KEY", key))
	}
}

// assign puts one value into a field of its type. The word KEY in its errors
// stands for the key's name.
func assign(value any, v reflect.Value) error {
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("wants %s in quotes, but %s is not; write KEY = %s", noun(v), show(value), example(v))
		}
		return text.UnmarshalText([]byte(s))
	}
	switch v.Kind() {
	case reflect.String:
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("wants text in quotes; write KEY = %q", strings.Trim(show(value), `"`))
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := value.(bool)
		if !ok {
			return fmt.Errorf("wants true or false without quotes, not %s", show(value))
		}
		v.SetBool(b)
	case reflect.Int:
		n, ok := value.(int64)
		if !ok || int64(int(n)) != n {
			return fmt.Errorf("wants a whole number without quotes, not %s", show(value))
		}
		v.SetInt(n)
	case reflect.Float64:
		switch n := value.(type) {
		case float64:
			v.SetFloat(n)
		case int64:
			v.SetFloat(float64(n))
		default:
			return fmt.Errorf("wants a number without quotes, not %s", show(value))
		}
	case reflect.Slice:
		return assignList(value, v)
	case reflect.Array:
		list, ok := value.([]any)
		if !ok || len(list) != v.Len() {
			return fmt.Errorf("wants corners of two numbers each, [x, y], not %s", show(value))
		}
		for i, item := range list {
			if err := assign(item, v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		m, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("wants names and whole numbers; write KEY = { name = 1 }")
		}
		out := reflect.MakeMapWithSize(v.Type(), len(m))
		for name, item := range m {
			n, ok := item.(int64)
			if !ok {
				return fmt.Errorf("%s wants a whole number without quotes, not %s", name, show(item))
			}
			out.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(int(n)))
		}
		if len(m) > 0 {
			v.Set(out)
		}
	}
	return nil
}

// assignList decodes a list; an empty one is nil, as in the defaults.
func assignList(value any, v reflect.Value) error {
	list, ok := value.([]any)
	if !ok {
		return fmt.Errorf("wants a list in brackets; write KEY = [%s]", show(value))
	}
	if len(list) == 0 {
		v.SetZero()
		return nil
	}
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, item := range list {
		if err := assign(item, out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// environ applies PIRWATCH_SECTION_KEY variables. One that begins with a
// section's name must name a key of it; others are not the configuration's.
func (d *decoder) environ(environ []string, c *Config) {
	fields := map[string]field{}
	sections := []string{}
	walk(c, func(f field) {
		fields[f.env()] = f
		if table, _ := section(f.path); table != "" {
			sections = append(sections, envName(table)+"_")
		}
	})
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "PIRWATCH_") {
			continue
		}
		at := Position{Env: name}
		f, ok := fields[name]
		if !ok {
			if slices.ContainsFunc(sections, func(s string) bool { return strings.HasPrefix(name, s) }) {
				d.problem(at, "", "%s", unknownVariable(name, fields))
			}
			continue
		}
		value, err := fromText(text, f.v)
		if err == nil {
			err = assign(value, f.v)
		}
		if err != nil {
			d.problem(at, f.path, "%s", strings.ReplaceAll(strings.ReplaceAll(err.Error(), "KEY = ", name+"="), " without quotes", ""))
		}
		d.places[f.path] = at
	}
}

// fromText makes a value such as the parser does of a variable's text; lists and
// tables are written as in the file.
func fromText(text string, v reflect.Value) (any, error) {
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return text, nil
	}
	switch v.Kind() {
	case reflect.String:
		return text, nil
	case reflect.Bool:
		if b, err := strconv.ParseBool(text); err == nil {
			return b, nil
		}
		return text, nil
	case reflect.Int:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		return text, nil
	case reflect.Float64:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n, nil
		}
		return text, nil
	}
	values := map[string]any{}
	if err := toml.Unmarshal([]byte("v = "+text), &values); err != nil {
		return nil, fmt.Errorf("%q cannot be read; write it as in the configuration file", text)
	}
	return values["v"], nil
}

// noun names what a field of its own type holds.
func noun(v reflect.Value) string {
	switch v.Interface().(type) {
	case Duration:
		return "a duration"
	case Size:
		return "a size"
	case Dimensions:
		return "a picture size"
	}
	return "a time of day"
}

// example shows a value of a field's type.
func example(v reflect.Value) string {
	switch v.Interface().(type) {
	case Duration:
		return `"5s"`
	case Size:
		return `"64MB"`
	case Dimensions:
		return `"500x281"`
	}
	return `"22:30"`
}

// show writes a parsed value much as it stood in the file, but briefly.
func show(value any) string {
	s := ""
	switch x := value.(type) {
	case string:
		s = strconv.Quote(x)
	case []any:
		parts := make([]string, len(x))
		for i, item := range x {
			parts[i] = show(item)
		}
		s = "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		return "a section"
	case float64:
		s = strconv.FormatFloat(x, 'f', -1, 64)
		if !strings.ContainsAny(s, ".IN") {
			s += ".0"
		}
	default:
		s = fmt.Sprint(x)
	}
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}
