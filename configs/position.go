package configs

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Position is where a key was set: in a file, or in the environment.
type Position struct {
	File         string
	Line, Column int    // from 1; 0 where the source has no lines
	Env          string // the variable, where it came from the environment
}

// String writes file:line:column, or the variable's name.
func (p Position) String() string {
	switch {
	case p.Env != "":
		return p.Env
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Where returns where a key, such as "broker.url", was set; where it was not,
// the file alone.
func (c *Config) Where(key string) Position {
	if p, ok := c.places[key]; ok {
		return p
	}
	return c.places[""]
}

// place returns the position of a byte in the text.
func place(file string, text []byte, offset int) Position {
	before := text[:min(offset, len(text))]
	line := bytes.Count(before, []byte("\n")) + 1
	return Position{File: file, Line: line, Column: len(before) - bytes.LastIndexByte(before, '\n')}
}

// span is a key and its value in the text, as offsets.
type span struct {
	path     string // "camera.v4l2.device", "schedule.armed[0].from"
	table    bool   // a header, not a key
	key      int    // where the key begins
	from, to int    // the value, where it is one plain word; else from == to
}

// outline lists the keys, tables and array tables of a TOML text, in order. The
// text must have been accepted by the decoder.
func outline(text []byte) []span {
	var p unstable.Parser
	p.Reset(text)
	var out []span
	table, count := "", map[string]int{}
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = ""
			at := -1
			for it := e.Key(); it.Next(); {
				n := it.Node()
				if at < 0 {
					at = int(n.Raw.Offset)
				}
				table = join(table, string(n.Data))
				if n := count[table]; n > 0 && (e.Kind == unstable.Table || !it.IsLast()) {
					table = fmt.Sprintf("%s[%d]", table, n-1)
				}
			}
			if e.Kind == unstable.ArrayTable {
				count[table]++
				table = fmt.Sprintf("%s[%d]", table, count[table]-1)
			}
			out = append(out, span{path: table, table: true, key: at})
		case unstable.KeyValue:
			out = outlineKey(out, table, e)
		}
	}
	return out
}

// outlineKey adds a key and, of an inline table, what is in it.
func outlineKey(out []span, table string, e *unstable.Node) []span {
	s := span{path: table, key: -1}
	for it := e.Key(); it.Next(); {
		if s.key < 0 {
			s.key = int(it.Node().Raw.Offset)
		}
		s.path = join(s.path, string(it.Node().Data))
	}
	v := e.Value()
	if v.Kind != unstable.InlineTable && v.Kind != unstable.Array {
		s.from, s.to = int(v.Raw.Offset), int(v.Raw.Offset+v.Raw.Length)
	}
	out = append(out, s)
	if v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				out = outlineKey(out, s.path, it.Node())
			}
		}
	}
	return out
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// section returns the part of a key path before its last dot, and the last word.
func section(path string) (table, key string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)], path[i+1:]
}
