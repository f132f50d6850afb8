//go:build linux

package main

import (
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"time"

	"pirwatch/motion/frames"
)

// knob is a constant that was tuned, and the values it was tried with.
type knob struct {
	name   string
	set    func(*frames.Options, float64)
	values []float64
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

// knobs are all constants that were chosen by looking at the figures.
var knobs = []knob{
	{"min size", func(o *frames.Options, v float64) { o.MinSize = v }, []float64{0.0006, 0.0008, 0.001, 0.0012, 0.0015}},
	{"learn", func(o *frames.Options, v float64) { o.Fine.Learn = seconds(v) }, []float64{1, 1.25, 1.5, 2}},
	{"background", func(o *frames.Options, v float64) { o.Fine.Background = seconds(v) }, []float64{5, 6.5, 8, 10, 14}},
	{"still", func(o *frames.Options, v float64) { o.Fine.Still = seconds(v) }, []float64{3, 5, 8}},
	{"hold", func(o *frames.Options, v float64) { o.Fine.Hold = seconds(v) }, []float64{0.3, 0.4, 0.5, 0.6, 0.8}},
	{"floor", func(o *frames.Options, v float64) { o.Fine.Floor = v }, []float64{2, 2.5, 3, 4, 5}},
	{"noise", func(o *frames.Options, v float64) { o.Fine.Noise = v }, []float64{4, 4.5, 5, 5.5, 6}},
	{"shake", func(o *frames.Options, v float64) { o.Fine.Shake = v }, []float64{0.25, 0.32, 0.4, 0.5, 0.6}},
	{"trust", func(o *frames.Options, v float64) { o.Fine.Trust = v }, []float64{0.2, 0.35, 0.5, 0.65}},
	{"evidence", func(o *frames.Options, v float64) { o.Fine.Evidence = v }, []float64{2.5, 3, 3.5, 4, 5}},
	{"travel", func(o *frames.Options, v float64) { o.Fine.Travel = v }, []float64{0.15, 0.2, 0.25, 0.3, 0.4}},
	{"clutter", func(o *frames.Options, v float64) { o.Fine.Clutter = v }, []float64{1, 1.25, 1.5, 1.75, 2}},
	{"caution", func(o *frames.Options, v float64) { o.Fine.Caution = v }, []float64{0, 0.5, 1, 1.5, 2.5}},
	{"crowd", func(o *frames.Options, v float64) { o.Fine.Crowd = v }, []float64{6, 7, 8, 10, 14}},
	{"flat", func(o *frames.Options, v float64) { o.Fine.Flat = v }, []float64{0.65, 0.7, 0.75, 0.8, 0.9}},
	{"outline", func(o *frames.Options, v float64) { o.Fine.Outline = v }, []float64{0.1, 0.15, 0.2, 0.25, 0.3}},
	{"scene", func(o *frames.Options, v float64) { o.Fine.Scene = v }, []float64{0.35, 0.5, 0.65}},
	{"switch", func(o *frames.Options, v float64) { o.Fine.Switch = v }, []float64{1.25, 1.4, 1.6}},
}

// tries is how many random configurations are drawn besides the one-step ones.
const tries = 100

// trial is one configuration and what it reached on each clip.
type trial struct {
	o       frames.Options
	results []result
}

// crossValidate asks what the constants would have been, had one clip not been
// seen, and how those do on that clip: for each clip the configuration that is
// best on all others, out of the default, every single step from it and random
// mixtures of steps. It then says how the figures move with each constant.
func crossValidate(clips []clip) error {
	for i := range clips {
		if err := clips[i].keep(); err != nil {
			return err
		}
	}
	trials := []trial{{o: frames.Defaults()}}
	for _, k := range knobs {
		for _, v := range k.values {
			o := frames.Defaults()
			k.set(&o, v)
			trials = append(trials, trial{o: o})
		}
	}
	rng := rand.New(rand.NewSource(1))
	single := len(trials)
	for range tries {
		o := frames.Defaults()
		for _, k := range knobs {
			if rng.Float64() < 0.3 {
				k.set(&o, k.values[rng.Intn(len(k.values))])
			}
		}
		trials = append(trials, trial{o: o})
	}
	if err := runAll(clips, trials); err != nil {
		return err
	}
	fmt.Println("default        ", total(trials[0].results, -1))
	i := 1
	for _, k := range knobs {
		fmt.Println(k.name)
		for _, v := range k.values {
			fmt.Printf("  %-12g ", v)
			fmt.Println(total(trials[i].results, -1))
			i++
		}
	}
	fmt.Printf("leave one out, among %d single steps:          %s\n", single, leaveOneOut(clips, trials[:single]))
	fmt.Printf("leave one out, among these and %d random ones: %s\n", tries, leaveOneOut(clips, trials))
	return nil
}

// runAll fills in the results, on all processors.
func runAll(clips []clip, trials []trial) error {
	var wg sync.WaitGroup
	work := make(chan *trial)
	failed := make(chan error, 1)
	for range runtime.NumCPU() {
		wg.Go(func() {
			for t := range work {
				for i := range clips {
					on, err := decide(t.o, &clips[i], clips[i].kept)
					if err != nil {
						select {
						case failed <- err:
						default:
						}
					}
					t.results = append(t.results, clips[i].score(on))
				}
			}
		})
	}
	for i := range trials {
		work <- &trials[i]
	}
	close(work)
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// leaveOneOut adds up, over the clips, what the configuration that is best
// without the clip reaches on it.
func leaveOneOut(clips []clip, trials []trial) result {
	var sum result
	for c := range clips {
		best := 0
		for i := range trials {
			if goal(total(trials[i].results, c)) > goal(total(trials[best].results, c)) {
				best = i
			}
		}
		sum.add(trials[best].results[c])
	}
	return sum
}

// total adds up all clips but one.
func total(results []result, skip int) result {
	var t result
	for i, r := range results {
		if i != skip {
			t.add(r)
		}
	}
	return t
}

// goal is what a configuration is chosen by: a hit is worth two false alarms, and
// so is a thirtieth of F1.
func goal(r result) float64 { return 2*float64(r.hits) - float64(r.alarms) + 60*r.f1() }

func (r result) String() string {
	return fmt.Sprintf("%2d/%d hit, %2d late, %2d missed, %d blind, %2d false alarms, F1 %.3f",
		r.hits, r.events, r.late, r.missed, r.blind, r.alarms, r.f1())
}
