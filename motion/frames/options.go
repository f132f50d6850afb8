package frames

import (
	"fmt"
	"math"
	"time"
)

// Options is what a user sets. The zero value is not valid: start from Defaults.
type Options struct {
	// Sensitivity is 1 (only what is large and plain) to 100 (everything above
	// the noise). 50 is the setting that the corpus figures are measured with.
	Sensitivity int
	// Watch and Ignore are polygons of [x, y] in fractions of the picture.
	// Without Watch all of the picture is watched; Ignore is taken off that.
	Watch, Ignore [][][2]float64
	// MinSize is the smallest object that counts, as a fraction of the watched
	// area. It is a floor: the detector raises its own limit where the scene is
	// restless.
	MinSize float64
	// Fine holds the constants behind the steps.
	Fine Fine
}

// Fine are the detector's constants. Rates are times, so that they mean the
// same at 1 and at 15 frames a second. docs/detection.md tells how each was
// found and what it buys.
type Fine struct {
	// Learn is how long the first background is gathered before anything is
	// reported.
	Learn time.Duration
	// Background is the time constant of the background where nothing moves.
	Background time.Duration
	// Still is how long a changed place must hold still before it becomes
	// background (a parked car, the ghost of one that left).
	Still time.Duration
	// Floor is the smallest difference that counts, in grey levels of 255.
	Floor float64
	// Noise is the threshold in multiples of a cell's own noise.
	Noise float64
	// Shake is how much of a cell's contrast with its neighbours is added to its
	// threshold, which forgives a picture that shakes by that part of a cell.
	Shake float64
	// Trust is the part of a light correction that is added to the threshold of
	// the cells it was made to: a large correction is a rough one.
	Trust float64
	// Evidence is how much an object must show before it is motion: a tenth of a
	// second of an object of the smallest size counts 1, of a larger one up to 3.
	Evidence float64
	// Caution is how many times larger still an object must be just after the
	// first background, or that of a changed scene, was gathered: how restless
	// the scene is shows only with time.
	Caution float64
	// Travel is how far an object must get from where it was first seen, as a
	// multiple of the square root of its area; what is much larger than the
	// smallest object needs less.
	Travel float64
	// Clutter is how far an object must stand out of the restless things that
	// were seen lately in its part of the picture, as a multiple of their size.
	Clutter float64
	// Crowd is how many things may change at once before it is taken for weather
	// or a restless scene, and an object must be larger to count.
	Crowd float64
	// Flat is the share of textured cells that keep their texture above which a
	// change is taken for light.
	Flat float64
	// Outline is how many sharp steps of the difference an object must have, as
	// a share of its box's outline; light has few.
	Outline float64
	// Scene is the changed share of the picture above which the scene, and not
	// something in it, has changed.
	Scene float64
	// Switch is how many times brighter or darker the picture must become at
	// once to count as a light that was switched.
	Switch float64
	// Hold bridges gaps in which a moving object is not seen.
	Hold time.Duration
}

// Defaults returns the one configuration that all figures are measured with.
func Defaults() Options {
	return Options{
		Sensitivity: 50,
		MinSize:     0.001,
		Fine: Fine{
			Learn:      1500 * time.Millisecond,
			Background: 8 * time.Second,
			Still:      5 * time.Second,
			Floor:      3,
			Noise:      5,
			Shake:      0.4,
			Trust:      0.5,
			Evidence:   3.5,
			Caution:    1,
			Travel:     0.25,
			Clutter:    1.5,
			Crowd:      8,
			Flat:       0.75,
			Outline:    0.2,
			Scene:      0.5,
			Switch:     1.4,
			Hold:       500 * time.Millisecond,
		},
	}
}

// check reports the first value that cannot work.
func (o Options) check() error {
	if o.Sensitivity < 1 || o.Sensitivity > 100 {
		return fmt.Errorf("frames: sensitivity %d is outside 1 to 100", o.Sensitivity)
	}
	if !(o.MinSize > 0 && o.MinSize < 1) {
		return fmt.Errorf("frames: min size %v is not a fraction between 0 and 1", o.MinSize)
	}
	for _, zone := range []struct {
		name  string
		polys [][][2]float64
	}{{"watch", o.Watch}, {"ignore", o.Ignore}} {
		for i, p := range zone.polys {
			if len(p) < 3 {
				return fmt.Errorf("frames: %s polygon %d has %d corners, it takes at least 3", zone.name, i+1, len(p))
			}
			for _, c := range p {
				if !(c[0] >= 0 && c[0] <= 1 && c[1] >= 0 && c[1] <= 1) {
					return fmt.Errorf("frames: %s polygon %d has corner %v outside 0 to 1", zone.name, i+1, c)
				}
			}
		}
	}
	f := o.Fine
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"learn", f.Learn}, {"background", f.Background}, {"still", f.Still}, {"hold", f.Hold}} {
		if d.v <= 0 {
			return fmt.Errorf("frames: %s time %v is not above zero", d.name, d.v)
		}
	}
	for _, n := range []struct {
		name      string
		v, lo, hi float64
	}{
		{"floor", f.Floor, 0.5, 100}, {"noise", f.Noise, 1, 50}, {"shake", f.Shake, 0, 2}, {"trust", f.Trust, 0, 2},
		{"evidence", f.Evidence, 1, 100}, {"caution", f.Caution, 0, 20}, {"travel", f.Travel, 0, 5}, {"clutter", f.Clutter, 0, 20},
		{"crowd", f.Crowd, 1, 1000}, {"flat", f.Flat, 0.1, 1}, {"outline", f.Outline, 0, 4}, {"scene", f.Scene, 0.05, 1}, {"switch", f.Switch, 1.05, 10},
	} {
		if !(n.v >= n.lo && n.v <= n.hi) {
			return fmt.Errorf("frames: %s %v is outside %v to %v", n.name, n.v, n.lo, n.hi)
		}
	}
	return nil
}

// strictness is the factor on thresholds that Sensitivity stands for: 2 at 1, 1
// at 50, 0.7 at 100, in equal steps of ratio on either side. Sizes take its
// square: 4 to 0.5.
func (o Options) strictness() float64 {
	if o.Sensitivity <= 50 {
		return math.Pow(2, float64(50-o.Sensitivity)/49)
	}
	return math.Pow(0.7, float64(o.Sensitivity-50)/50)
}
