//go:build linux

// Command detection measures motion detectors on labelled footage: pirwatch's,
// Debian's motion (as it comes, and tuned) and OpenCV's MOG2, scored by the
// corpus's own score.py, in one table. Run it from the project's root:
//
//	go run ./test/bench/detection
//
// The footage is looked for in $PIRWATCH_CORPUS, else ../shared/corpus/dev.
// OpenCV comes from PyPI into a virtual environment in the user's cache. motion
// plays every clip at its own pace, three at a time: some minutes. A rival that
// is not there is left out with a line that says why.
//
//	-validate   leave one clip out: see validate.go
//	-ablate     without one step each: see ablate.go
//	-only NAME  one detector
package main

import (
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"pirwatch/motion/frames"
)

//go:embed rivals
var rivals embed.FS

func main() {
	validate := flag.Bool("validate", false, "cross-validate the constants, leaving one clip out")
	ablate := flag.Bool("ablate", false, "measure what each step buys")
	only := flag.String("only", "", "run only the detector of this `name`")
	flag.Parse()
	if err := run(*only, *validate, *ablate); err != nil {
		fmt.Fprintln(os.Stderr, "detection:", err)
		os.Exit(1)
	}
}

func run(only string, validate, ablate bool) error {
	corpus := os.Getenv("PIRWATCH_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "shared", "corpus", "dev")
	}
	clips, err := load(corpus)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Println("skipped: no footage at", corpus, "(set PIRWATCH_CORPUS)")
		return nil
	}
	if err != nil {
		return err
	}
	if validate {
		return crossValidate(clips)
	}
	if ablate {
		return ablation(clips)
	}
	work, err := os.MkdirTemp("", "detection")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, rivals); err != nil {
		return err
	}
	b := bench{corpus: corpus, work: work, clips: clips}
	fmt.Printf("%-15s  %6s  %4s  %6s  %5s  %7s  %12s  %7s  %6s  %9s\n",
		"detector", "events", "late", "missed", "blind", "latency", "false alarms", "an hour", "F1", "CPU ms/fr")
	for _, d := range []struct {
		name string
		run  func(out string) (float64, error)
	}{
		{"pirwatch", b.pirwatch},
		{"motion", func(out string) (float64, error) { return b.python(out, "motion.py", "motion-default.conf") }},
		{"motion, tuned", func(out string) (float64, error) { return b.python(out, "motion.py", "motion-tuned.conf") }},
		{"OpenCV MOG2", func(out string) (float64, error) { return b.python(out, "mog2.py") }},
	} {
		if only != "" && only != d.name {
			continue
		}
		out := filepath.Join(work, strings.ReplaceAll(d.name, " ", "-"))
		if err := os.Mkdir(out, 0o755); err != nil {
			return err
		}
		cpu, err := d.run(out)
		if err != nil {
			fmt.Printf("%-15s  left out: %v\n", d.name, err)
			continue
		}
		if err := b.score(d.name, out, cpu); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	corpus, work string
	clips        []clip
}

// pirwatch runs the daemon's own decoder and detector; decisions are written as
// pirwatch detect writes them.
func (b *bench) pirwatch(out string) (float64, error) {
	var n int
	before := cpuTime()
	for i := range b.clips {
		c := &b.clips[i]
		on, err := decide(frames.Defaults(), c, c.decode)
		if err != nil {
			return 0, err
		}
		n += len(on)
		var rows strings.Builder
		rows.WriteString("frame,motion\n")
		for i, m := range on {
			fmt.Fprintf(&rows, "%d,%t\n", i, m)
		}
		if err := os.WriteFile(filepath.Join(out, c.name+".csv"), []byte(rows.String()), 0o644); err != nil {
			return 0, err
		}
	}
	return (cpuTime() - before).Seconds() * 1000 / float64(n), nil
}

// python runs a rival's script, which prints its CPU milliseconds a frame.
func (b *bench) python(out, script string, args ...string) (float64, error) {
	if script == "motion.py" {
		if _, err := exec.LookPath("motion"); err != nil {
			return 0, errors.New("motion is not installed (apt-get install motion)")
		}
	}
	python, err := environment()
	if err != nil {
		return 0, err
	}
	for i, a := range args {
		args[i] = filepath.Join(b.work, "rivals", a)
	}
	args = append([]string{filepath.Join(b.work, "rivals", script)}, args...)
	args = append(args, b.corpus, out)
	for _, c := range b.clips {
		args = append(args, c.name)
	}
	cmd := exec.Command(python, args...)
	cmd.Stderr = os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", script, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(printed)), 64)
}

// environment makes the virtual environment with OpenCV once and returns its
// Python.
func environment() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "pirwatch-bench-opencv")
	python := filepath.Join(dir, "bin", "python")
	if exec.Command(python, "-c", "import cv2").Run() == nil {
		return python, nil
	}
	for _, cmd := range [][]string{
		{"python3", "-m", "venv", dir},
		{python, "-m", "pip", "install", "--quiet", "opencv-python-headless"},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd, " "), err, out)
		}
	}
	return python, nil
}

// score lets the corpus's own program judge, so that no figure is ours.
func (b *bench) score(name, out string, cpu float64) error {
	result := filepath.Join(out, "score.json")
	cmd := exec.Command("python3", filepath.Join(b.corpus, "..", "score.py"), b.corpus, out, "--quiet", "--json", result)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("score.py: %w: %s", err, text)
	}
	raw, err := os.ReadFile(result)
	if err != nil {
		return err
	}
	var table map[string]struct {
		Events, Hits, Late, Missed, Blind int
		LatencyMedian                     *float64 `json:"latency_median"`
		FalseAlarms                       int      `json:"false_alarms"`
		PerHour                           float64  `json:"fa_per_hour"`
		F1                                float64
	}
	if err := json.Unmarshal(raw, &table); err != nil {
		return fmt.Errorf("score.py: %w", err)
	}
	t := table["TOTAL"]
	latency := "-"
	if t.LatencyMedian != nil {
		latency = fmt.Sprintf("%.0f", *t.LatencyMedian)
	}
	fmt.Printf("%-15s  %3d/%2d  %4d  %6d  %5d  %7s  %12d  %7.0f  %6.3f  %9.3f\n",
		name, t.Hits, t.Events, t.Late, t.Missed, t.Blind, latency, t.FalseAlarms, t.PerHour, t.F1, cpu)
	return nil
}
