//go:build linux

package main

import (
	"fmt"
	"time"

	"pirwatch/motion/frames"
)

// steps are the detector's steps that a constant can switch off.
var steps = []struct {
	name string
	off  func(*frames.Options)
}{
	{"all steps", func(*frames.Options) {}},
	{"noise not learnt (floor of 8 levels)", func(o *frames.Options) { o.Fine.Noise, o.Fine.Floor = 1, 8 }},
	{"no allowance for shaking", func(o *frames.Options) { o.Fine.Shake = 0 }},
	{"light corrections fully trusted", func(o *frames.Options) { o.Fine.Trust = 0 }},
	{"no texture test", func(o *frames.Options) { o.Fine.Flat = 1 }},
	{"no outline test", func(o *frames.Options) { o.Fine.Outline = 0 }},
	{"no clutter memory", func(o *frames.Options) { o.Fine.Clutter = 0 }},
	{"crowds do not count", func(o *frames.Options) { o.Fine.Crowd = 1000 }},
	{"no caution after learning", func(o *frames.Options) { o.Fine.Caution = 0 }},
	{"no way to go", func(o *frames.Options) { o.Fine.Travel = 0 }},
	{"no evidence gathered", func(o *frames.Options) { o.Fine.Evidence = 1 }},
	{"scene changes not known", func(o *frames.Options) { o.Fine.Scene, o.Fine.Switch = 1, 10 }},
	{"what holds still is never absorbed", func(o *frames.Options) { o.Fine.Still = time.Hour }},
	{"gaps not bridged", func(o *frames.Options) { o.Fine.Hold = time.Nanosecond }},
}

// ablation prints what is left without each step.
func ablation(clips []clip) error {
	var trials []trial
	for i := range clips {
		if err := clips[i].keep(); err != nil {
			return err
		}
	}
	for _, s := range steps {
		o := frames.Defaults()
		s.off(&o)
		trials = append(trials, trial{o: o})
	}
	if err := runAll(clips, trials); err != nil {
		return err
	}
	for i, s := range steps {
		fmt.Printf("%-38s %s\n", s.name, total(trials[i].results, -1))
	}
	return nil
}
