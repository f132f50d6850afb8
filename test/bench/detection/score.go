//go:build linux

package main

import "math"

// The rules of the corpus's score.py, for the thousands of runs of a validation;
// the table itself is score.py's.

// result counts what score.py counts.
type result struct {
	events, hits, late, missed, blind, alarms, tp, fn, fp, tn int
}

type span struct{ a, b int }

// runs are the stretches of true.
func runs(mask []bool) []span {
	var out []span
	s := -1
	for i := 0; i <= len(mask); i++ {
		m := i < len(mask) && mask[i]
		if m && s < 0 {
			s = i
		} else if !m && s >= 0 {
			out = append(out, span{s, i - 1})
			s = -1
		}
	}
	return out
}

// score judges the decisions of one clip.
func (c *clip) score(on []bool) result {
	var r result
	n, fps := len(c.labels), c.fps
	warm := int(math.RoundToEven(2 * fps))
	no := make([]bool, n)
	last := -1 << 30
	yes := make([]bool, n)
	for i, l := range c.labels {
		yes[i] = l == 1
		if l != 0 {
			last = i
		} else if i >= warm && float64(i-last) > fps {
			no[i] = true
		}
	}
	var ev []span
	for _, s := range runs(yes) {
		if len(ev) > 0 && float64(s.a-ev[len(ev)-1].b-1) < fps {
			ev[len(ev)-1].b = s.b
		} else {
			ev = append(ev, s)
		}
	}
	for _, e := range ev {
		if float64(e.b-e.a+1) < 0.4*fps || e.b < warm {
			continue
		}
		r.events++
		before, bon := 0, 0
		for i := max(0, e.a-int(fps)); i < e.a; i++ {
			if no[i] {
				before++
				if on[i] {
					bon++
				}
			}
		}
		a := max(e.a, warm)
		first := -1
		for i := a; i <= e.b; i++ {
			if on[i] {
				first = i
				break
			}
		}
		switch {
		case first < 0:
			r.missed++
		case before > 0 && bon*2 > before:
			r.blind++
		case float64(first-a) > fps:
			r.late++
		default:
			r.hits++
		}
	}
	prev, began := -1, 0
	for i := range n {
		if c.labels[i] == 1 {
			prev = -1
		}
		if !(no[i] && on[i]) {
			continue
		}
		if prev < 0 || float64(i-prev) > 2*fps {
			r.alarms++
			began = i
		} else if float64(i-began) > 10*fps {
			r.alarms++
			began = i
		}
		prev = i
	}
	for i := range n {
		if i >= warm && c.labels[i] == 1 {
			if on[i] {
				r.tp++
			} else {
				r.fn++
			}
		}
		if no[i] {
			if on[i] {
				r.fp++
			} else {
				r.tn++
			}
		}
	}
	return r
}

func (r *result) add(o result) {
	r.events += o.events
	r.hits += o.hits
	r.late += o.late
	r.missed += o.missed
	r.blind += o.blind
	r.alarms += o.alarms
	r.tp += o.tp
	r.fn += o.fn
	r.fp += o.fp
	r.tn += o.tn
}

func (r result) f1() float64 { return 2 * float64(r.tp) / float64(2*r.tp+r.fp+r.fn) }
