package configs

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	At   Position
	Key  string // "motion.sensitivity"; empty where it is not about one key
	Text string // what is wrong and what would be right
}

// String writes the problem on one line.
func (p Problem) String() string {
	s := p.At.String()
	if s != "" {
		s += ": "
	}
	if p.Key != "" {
		s += p.Key + ": "
	}
	return s + p.Text
}

// Problems is everything that is wrong with a configuration, in the order of the
// file. It is the error that [Load] returns.
type Problems []Problem

// Error writes one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// err returns the problems in order, or nil where there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.At.Env, b.At.Env), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
	return ps
}
