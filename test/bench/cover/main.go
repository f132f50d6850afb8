// Command cover measures how good the picture is that stands for an event: over
// the labelled footage it lets the detector and the burst work as the daemon
// does, and compares the cover that capture.Cover chooses with the first
// picture after the trigger, and with the last. Run it from the project's root:
//
//	go run ./test/bench/cover
//
// Events are triggered in two ways: by the detector, and as a PIR would, whose
// field is wider than the camera's, some time before the thing comes into
// sight. A picture is good when its label says motion; pictures labelled
// "ignore" are left out of that count. In an event that is the detector's false
// alarm no picture can be good. Size is the detector's box as a fraction
// of the picture, truth the moving pixels where the footage has them, sharpness
// the mean squared difference of neighbours at full resolution inside the box.
package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/clip"
	"pirwatch/capture/mjpeg"
	"pirwatch/motion/frames"
)

// holdOff is how long after the last motion the daemon ends an event.
const holdOff = 10 * time.Second

func main() {
	corpus := flag.String("corpus", cmpOr(os.Getenv("PIRWATCH_CORPUS"), "../shared/corpus/dev"), "folder of labelled footage")
	early := flag.Duration("early", time.Second, "how long before it is seen the PIR notices something")
	verbose := flag.Bool("v", false, "a line for each event")
	flag.Parse()
	if err := bench(*corpus, *early, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "cover:", err)
		os.Exit(1)
	}
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func bench(corpus string, early time.Duration, verbose bool) error {
	data, err := os.ReadFile(filepath.Join(corpus, "manifest.json"))
	if err != nil {
		return fmt.Errorf("no labelled footage: %w", err)
	}
	var clips []struct{ Clip string }
	if err := json.Unmarshal(data, &clips); err != nil {
		return err
	}
	var byDetector, byPIR tally
	for _, c := range clips {
		shots, err := look(filepath.Join(corpus, c.Clip))
		if err != nil {
			return fmt.Errorf("%s: %w", c.Clip, err)
		}
		for _, e := range detected(shots) {
			byDetector.add(c.Clip, shots, e, verbose)
		}
		for _, e := range labelled(shots, early) {
			byPIR.add(c.Clip, shots, e, verbose)
		}
	}
	fmt.Println("| events | triggered by | picture | shows motion | size | truth | sharpness |")
	fmt.Println("|---|---|---|---|---|---|---|")
	byDetector.print("detector")
	byPIR.print(fmt.Sprintf("PIR, %v early", early))
	return nil
}

// shot is a frame, what its label says, and what the detector made of it.
type shot struct {
	capture.Frame
	label string
	truth float64 // −1: unknown
	frames.Decision
	sharpness float64
}

// look reads a clip and runs the detector over it.
func look(dir string) ([]shot, error) {
	r, err := clip.Open(filepath.Join(dir, "clip.avi"))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	file, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	labels, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	detector, err := frames.New(frames.Defaults())
	if err != nil {
		return nil, err
	}
	var decoder mjpeg.Decoder
	start := time.Now()
	var shots []shot
	for i := 0; ; i++ {
		j, err := r.Next()
		if errors.Is(err, io.EOF) {
			return shots, nil
		}
		if err != nil {
			return nil, err
		}
		plane, err := decoder.Luma(j)
		if err != nil {
			return nil, err
		}
		s := shot{Frame: capture.Frame{At: start.Add(time.Duration(float64(i) / r.FPS() * float64(time.Second))), Data: j}, truth: -1}
		s.Decision = detector.Observe(s.At, plane)
		s.Motion = s.Motion && s.Ready
		s.sharpness = capture.Sharpness(plane, s.Box)
		if i+1 < len(labels) {
			s.label = labels[i+1][1]
			if v, err := strconv.ParseFloat(labels[i+1][2], 64); err == nil {
				s.truth = v
			}
		}
		shots = append(shots, s)
	}
}

// event is when one begins and when motion ends in it.
type event struct{ begin, end time.Time }

// detected are the events as the detector sees them.
func detected(shots []shot) (events []event) {
	var last time.Time
	for _, s := range shots {
		if s.Motion {
			if n := len(events); n == 0 || s.At.Sub(last) > holdOff {
				events = append(events, event{begin: s.At})
			}
			last = s.At
			events[len(events)-1].end = last.Add(holdOff)
		}
	}
	return events
}

// labelled are the events as the labels have them, begun early.
func labelled(shots []shot, early time.Duration) (events []event) {
	var last time.Time
	for _, s := range shots {
		if s.label == "yes" {
			if n := len(events); n == 0 || s.At.Sub(last) > holdOff {
				events = append(events, event{begin: s.At.Add(-early)})
			}
			last = s.At
			events[len(events)-1].end = last.Add(holdOff)
		}
	}
	return events
}

// burst returns the pictures of an event, as indexes, and which of them is the
// first after the trigger and which the cover.
func burst(shots []shot, e event) (sent []int, first, cover int, why string) {
	ring := capture.NewRing(64<<20, 4*time.Second)
	index := map[time.Time]int{}
	b := capture.NewBurst(capture.BurstOptions{}, e.begin)
	var c capture.Cover
	first = -1
	offer := func(i int, seen bool) {
		view := capture.View{AfterTrigger: !shots[i].At.Before(e.begin)}
		if seen { // the daemon does not compare the pre-roll's frames again
			view.Score, view.Box, view.Sharpness = shots[i].Score, shots[i].Box, shots[i].sharpness
		}
		c.Offer(len(sent), view)
		sent = append(sent, i)
	}
	for i, s := range shots {
		index[s.At] = i
		if s.At.Before(e.begin) {
			ring.Add(s.Frame)
			continue
		}
		if first < 0 {
			first = i
			for _, f := range b.Pre(ring.Since(time.Time{})) {
				offer(index[f.At], false)
			}
		}
		if !s.At.Before(e.end) {
			b.End(e.end)
		}
		if b.Offer(s.At) {
			offer(i, true)
		}
		if b.Done(s.At) {
			break
		}
	}
	if n, text, ok := c.Best(); ok {
		cover, why = sent[n], text
	}
	return sent, first, cover, why
}

// tally sums up one way of triggering.
type tally struct {
	events             int
	first, last, cover figures
}

type figures struct {
	yes, no          int
	size, truth, fin []float64
}

func (t *tally) add(name string, shots []shot, e event, verbose bool) {
	sent, first, cover, why := burst(shots, e)
	if first < 0 || len(sent) == 0 {
		return
	}
	t.events++
	last := sent[len(sent)-1]
	t.first.add(shots[first])
	t.last.add(shots[last])
	t.cover.add(shots[cover])
	if verbose {
		fmt.Printf("%-22s of %2d pictures: first %d (%s), cover %d (%s): %s\n", name, len(sent), first, shots[first].label, cover, shots[cover].label, why)
	}
}

func (f *figures) add(s shot) {
	switch s.label {
	case "yes":
		f.yes++
	case "no":
		f.no++
	}
	f.size = append(f.size, s.Box[2]*s.Box[3])
	if s.truth >= 0 {
		f.truth = append(f.truth, s.truth)
	}
	if s.Box[2] > 0 {
		f.fin = append(f.fin, sharp(s))
	}
}

// sharp measures a picture at full resolution, inside the box.
func sharp(s shot) float64 {
	img, err := jpeg.Decode(bytes.NewReader(s.Data))
	if err != nil {
		return 0
	}
	var g image.Gray
	switch img := img.(type) {
	case *image.YCbCr:
		g = image.Gray{Pix: img.Y, Stride: img.YStride, Rect: img.Rect}
	case *image.Gray:
		g = *img
	}
	return capture.Sharpness(&g, s.Box)
}

func (t *tally) print(by string) {
	for i, arm := range []struct {
		name string
		f    *figures
	}{{"first after the trigger", &t.first}, {"last", &t.last}, {"cover", &t.cover}} {
		events := ""
		if i == 0 {
			events = strconv.Itoa(t.events)
		} else {
			by = ""
		}
		n := max(arm.f.yes+arm.f.no, 1)
		fmt.Printf("| %s | %s | %s | %d of %d (%.0f %%) | %.2f %% | %.2f %% | %.0f |\n", events, by, arm.name,
			arm.f.yes, arm.f.yes+arm.f.no, 100*float64(arm.f.yes)/float64(n), 100*mean(arm.f.size), 100*mean(arm.f.truth), median(arm.f.fin))
	}
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(len(v), 1))
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
