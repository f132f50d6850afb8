package detect

import (
	"context"
	"fmt"
	"io"
	"strings"

	"pirwatch/motion/frames"
)

// What suggest tries and how far it goes.
const (
	gridX, gridY = 16, 12 // parts of the picture that a mask is made of
	most         = 0.3    // of the picture that a proposed mask may cover
	boldest      = 75     // sensitivity that is proposed at most
	margin       = 5      // below the highest that stayed quiet
	shortest     = 60.0   // seconds of footage below which the proposal is called weak
)

// tried are the sensitivities, from the highest.
var tried = [...]int{80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5, 1}

// heat counts, for each part of the picture, the false motion seen there.
type heat [gridY][gridX]int

// suggest runs the detector at many sensitivities over footage in which nothing
// is to be seen, and proposes what would have stayed quiet.
func suggest(ctx context.Context, o Options, clips []footage) error {
	first, length, hot, err := trial(ctx, o, clips)
	if err != nil {
		return err
	}
	best, masks := quiet(first), [][][2]float64(nil)
	if best < o.Detector.Sensitivity {
		masks = hot.polygons()
		if share := hot.share(); share > most {
			fmt.Fprintf(o.Stderr, "false motion all over (%.0f %% of the picture): no mask helps\n", 100*share)
			masks = nil
		} else if len(masks) > 0 {
			o.Detector.Ignore = append(append([][][2]float64(nil), o.Detector.Ignore...), masks...)
			second, _, _, err := trial(ctx, o, clips)
			if err != nil {
				return err
			}
			if with := quiet(second); with > best {
				best = with
			} else {
				masks = nil
			}
		}
	}
	explainTrial(o.Stderr, first, length)
	if best == 0 {
		fmt.Fprintln(o.Stderr, "even the lowest sensitivity sees motion: is the scene empty?")
		return nil
	}
	propose(o.Stdout, min(max(best-margin, 1), boldest), masks)
	return nil
}

// trial counts the false alarms at each sensitivity, and where those at the
// sensitivity of now were.
func trial(ctx context.Context, o Options, clips []footage) (alarms [len(tried)]int, length float64, hot heat, err error) {
	for _, c := range clips {
		var ds [len(tried)]*frames.Detector
		var was [len(tried)]bool
		for i, s := range tried {
			set := o.Detector
			set.Sensitivity = s
			if ds[i], err = frames.New(set); err != nil {
				return alarms, length, hot, err
			}
		}
		bar := progress{w: o.Stderr, on: o.Terminal, name: c.name}
		err = each(ctx, c.path, func(f frame) error {
			bar.show(f.n + 1)
			length += 1 / f.fps
			if f.err != nil {
				return nil
			}
			for i, d := range ds {
				dec := d.Observe(f.at, f.luma)
				if dec.Motion && !was[i] {
					alarms[i]++
				}
				was[i] = dec.Motion
				if dec.Motion && tried[i] >= o.Detector.Sensitivity-margin && tried[i] <= o.Detector.Sensitivity+margin {
					hot.add(dec.Box)
				}
			}
			return nil
		})
		bar.clear()
		if err != nil {
			return alarms, length, hot, fmt.Errorf("detect in %s: %w", c.path, err)
		}
	}
	return alarms, length, hot, nil
}

// quiet is the highest sensitivity below which none had an alarm, 0 if none.
func quiet(alarms [len(tried)]int) int {
	best := 0
	for i := len(tried) - 1; i >= 0 && alarms[i] == 0; i-- {
		best = tried[i]
	}
	return best
}

func (h *heat) add(box [4]float64) {
	if box[2] == 0 {
		return
	}
	for y := int(box[1] * gridY); y < gridY && float64(y) < (box[1]+box[3])*gridY; y++ {
		for x := int(box[0] * gridX); x < gridX && float64(x) < (box[0]+box[2])*gridX; x++ {
			h[y][x]++
		}
	}
}

// share is the part of the picture with false motion.
func (h *heat) share() float64 {
	n := 0
	for y := range h {
		for x := range h[y] {
			if h[y][x] > 0 {
				n++
			}
		}
	}
	return float64(n) / (gridX * gridY)
}

// polygons covers the parts with false motion by rectangles: runs along a row,
// joined with the same run of the row above.
func (h *heat) polygons() [][][2]float64 {
	type run struct{ x0, x1, y0, y1 int }
	var done, open []run
	for y := range gridY {
		var now []run
		for x := 0; x < gridX; x++ {
			if h[y][x] == 0 {
				continue
			}
			r := run{x0: x, y0: y, y1: y + 1}
			for x < gridX && h[y][x] > 0 {
				x++
			}
			r.x1 = x
			now = append(now, r)
		}
		for _, o := range open {
			same := false
			for i := range now {
				if now[i].x0 == o.x0 && now[i].x1 == o.x1 {
					now[i].y0, same = o.y0, true
				}
			}
			if !same {
				done = append(done, o)
			}
		}
		open = now
	}
	var polys [][][2]float64
	for _, r := range append(done, open...) {
		x0, x1 := float64(r.x0)/gridX, float64(r.x1)/gridX
		y0, y1 := float64(r.y0)/gridY, float64(r.y1)/gridY
		polys = append(polys, [][2]float64{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}})
	}
	return polys
}

func explainTrial(w io.Writer, alarms [len(tried)]int, length float64) {
	fmt.Fprintf(w, "%.0f s of footage that is taken to be empty\n  sensitivity  false motion\n", length)
	for i, s := range tried {
		fmt.Fprintf(w, "  %11d  %12d\n", s, alarms[i])
	}
	if length < shortest {
		fmt.Fprintln(w, "that is short: better take some minutes, with the weather and the light that trouble you")
	}
}

// propose prints the lines for the configuration.
func propose(w io.Writer, sensitivity int, masks [][][2]float64) {
	fmt.Fprintf(w, "[motion]\nsensitivity = %d\n", sensitivity)
	if len(masks) == 0 {
		return
	}
	fmt.Fprint(w, "\n[masks]\nignore = [\n")
	for _, p := range masks {
		var corners []string
		for _, c := range p {
			corners = append(corners, fmt.Sprintf("[%.4f, %.4f]", c[0], c[1]))
		}
		fmt.Fprintf(w, "  [%s],\n", strings.Join(corners, ", "))
	}
	fmt.Fprintln(w, "]")
}
