//go:build linux

// Command picture measures what a smaller picture costs, 1920x1080 to 500x281:
// capture/picture beside image/jpeg with x/image's ApproxBiLinear, and beside
// djpeg -scale 3/8 and cjpeg of libjpeg-turbo (whose picture is 720x405, for they
// cannot scale to any size). Run it from the project's root:
//
//	go run ./test/bench/picture
//
// A second pair puts a line of text into the picture at its full size.
//
// Times are CPU times of whole processes; ratios are medians over rounds in which
// every arm runs once. Exit code 1 when the ratio to the standard library is above
// the limit.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"pirwatch/test/bench/decode/footage"
)

const width, height = 500, 281

func main() {
	rounds := flag.Int("rounds", 9, "rounds in which each arm runs once")
	limit := flag.Float64("limit", 0.25, "largest ratio to image/jpeg and x/image")
	arm := flag.String("worker", "", "be this arm (internal)")
	dir := flag.String("dir", "", "of the worker's files (internal)")
	flag.Parse()
	var err error
	switch *arm {
	case "":
		err = bench(*rounds, *limit)
	case "frames": // in a process of its own, for it takes much memory
		err = writeFiles(*dir)
	default:
		err = work(*arm, *dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// arm is one of the ways that are compared.
type arm struct {
	name string
	run  func() (ns, peak float64, err error)

	times []float64
	peak  float64
}

func bench(rounds int, limit float64) error {
	dir, err := os.MkdirTemp("", "picture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	frames := exec.Command(self, "-worker", "frames", "-dir", dir)
	frames.Stderr = os.Stderr
	from, err := frames.Output()
	if err != nil {
		return fmt.Errorf("make the frames: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil {
		return err
	}
	arms := []*arm{}
	for _, name := range []string{"none", "pirwatch", "standard", "pirwatch-text", "standard-text"} {
		run, stop, err := worker(self, name, dir)
		if err != nil {
			return err
		}
		defer stop()
		arms = append(arms, &arm{name: name, run: run})
	}
	if missing := lacks("djpeg", "cjpeg"); missing != "" {
		fmt.Printf("no libjpeg-turbo arm: %s is missing (package libjpeg-turbo-progs)\n", missing)
	} else {
		arms = append(arms, &arm{name: "djpeg+cjpeg", run: func() (float64, float64, error) { return pipeline(files) }})
	}
	for round := range rounds + 1 {
		for _, a := range arms {
			ns, peak, err := a.run()
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
			a.peak = max(a.peak, peak)
			if round > 0 { // the first warms up
				a.times = append(a.times, ns)
			}
		}
	}

	fmt.Printf("%s, GOARCH=%s, 1920x1080 to %dx%d, %d frames (%s), median of %d rounds\n", runtime.Version(), runtime.GOARCH, width, height, len(files), from, rounds)
	fmt.Printf("%-14s %8s %8s %12s %8s\n", "", "CPU ms", "ratio", "peak RSS MB", "bytes")
	worst := 0.0
	for _, a := range arms {
		base := arms[2]
		if strings.HasSuffix(a.name, "-text") {
			base = arms[4]
		}
		ratios := make([]float64, len(a.times))
		for i := range ratios {
			ratios[i] = a.times[i] / base.times[i]
		}
		if a.name == "pirwatch" {
			worst = median(ratios)
		}
		fmt.Printf("%-14s %8.2f %8.3f %12.1f %8d\n", a.name, median(a.times)/1e6/float64(len(files)), median(ratios), a.peak/1e6, results(dir, a.name)/len(files))
	}
	fmt.Println("-text: a line of text in a picture of full size; standard-text decodes and encodes alone, without the text")
	fmt.Println("none: reads the files alone, in the same program; its peak is the floor of the others")
	if worst > limit {
		return errors.New("the ratio to the standard library is above the limit")
	}
	return nil
}

// writeFiles encodes the frames at quality 80, 4:2:0, and prints where they are
// from.
func writeFiles(dir string) error {
	const w, h = 1920, 1080
	rgb, from := footage.Frames(w, h, 8)
	for i := 0; len(rgb) >= 3*w*h; i, rgb = i+1, rgb[3*w*h:] {
		m := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range w * h {
			copy(m.Pix[4*i:], rgb[3*i:3*i+3])
		}
		var pic bytes.Buffer
		if err := jpeg.Encode(&pic, m, &jpeg.Options{Quality: 80}); err != nil {
			return err
		}
		name := filepath.Join(dir, fmt.Sprintf("%02d.jpg", i))
		if err := os.WriteFile(name, pic.Bytes(), 0o600); err != nil {
			return err
		}
	}
	fmt.Print(from)
	return nil
}

func lacks(names ...string) string {
	for _, n := range names {
		if _, err := exec.LookPath(n); err != nil {
			return n
		}
	}
	return ""
}

// worker starts an arm of this program.
func worker(self, name, dir string) (run func() (float64, float64, error), stop func(), err error) {
	cmd := exec.Command(self, "-worker", name, "-dir", dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	lines := bufio.NewScanner(out)
	run = func() (ns, peak float64, err error) {
		fmt.Fprintln(in)
		if !lines.Scan() {
			return 0, 0, io.ErrUnexpectedEOF
		}
		_, err = fmt.Sscan(lines.Text(), &ns, &peak)
		return ns, peak, err
	}
	return run, func() { in.Close(); cmd.Wait() }, nil
}

// pipeline runs djpeg and cjpeg over the files.
func pipeline(files []string) (ns, most float64, err error) {
	for _, name := range files {
		var pnm, out bytes.Buffer
		t, p, err := filter(exec.Command("djpeg", "-scale", "3/8", name), nil, &pnm)
		if err != nil {
			return 0, 0, err
		}
		t2, p2, err := filter(exec.Command("cjpeg", "-quality", "80"), pnm.Bytes(), &out)
		if err != nil {
			return 0, 0, err
		}
		ns, most = ns+t+t2, max(most, p, p2)
		if err := os.WriteFile(name+".djpeg+cjpeg", out.Bytes(), 0o600); err != nil {
			return 0, 0, err
		}
	}
	return ns, most, nil
}

// filter runs a program from in to out; its peak memory is looked up while it
// waits: for the last bytes of in, or for out to be read on.
func filter(cmd *exec.Cmd, in []byte, out *bytes.Buffer) (ns, most float64, err error) {
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	last := max(0, len(in)-100)
	if _, err := stdin.Write(in[:last]); err != nil {
		return 0, 0, err
	}
	if in == nil {
		io.CopyN(out, stdout, 1000)
	}
	hwm, err := peak(cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	stdin.Write(in[last:])
	stdin.Close()
	if _, err := io.Copy(out, stdout); err != nil {
		return 0, 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, 0, err
	}
	return float64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()), float64(hwm), nil
}

// results is how many bytes the arm's pictures have together.
func results(dir, arm string) (total int) {
	names, _ := filepath.Glob(filepath.Join(dir, "*.jpg."+arm))
	for _, n := range names {
		if s, err := os.Stat(n); err == nil {
			total += int(s.Size())
		}
	}
	return total
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
