//go:build linux

// Command live runs the whole daemon beside Debian's motion on the same MJPEG
// stream, served over HTTP at 15 frames a second, and compares what they take.
// Run it from the project's root:
//
//	go run ./test/bench/live
//
// The daemon watches, sends its pictures to a Mosquitto and archives them;
// motion only detects. All read the stream at the same time; a round is a
// window in which the CPU time of each is read, so that they suffer the same from
// whatever else runs. Ratios are medians of the rounds' own ratios, with the least
// and the most of them. The exit code is 1 where the daemon with its own defaults takes more than a third of motion's CPU time a frame at
// 640x480, a fifth at 1920x1080, or a quarter of its memory; the frames of the
// pre-roll, which motion does not keep, are told apart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

const fps = 15

func main() {
	rounds := flag.Int("rounds", 9, "windows of measuring")
	window := flag.Duration("window", 10*time.Second, "length of each")
	warm := flag.Duration("warm", 8*time.Second, "before the first")
	profile := flag.String("profile", "", "write CPU and heap profiles of the daemon into this folder")
	only := flag.Int("only", 0, "measure this width alone: 640 or 1920")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *rounds, *window, *warm, *profile, *only); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, rounds int, window, warm time.Duration, profile string, only int) error {
	for _, program := range []string{"motion", "ffmpeg", "mosquitto"} {
		if _, err := exec.LookPath(program); err != nil && program != "mosquitto" {
			return fmt.Errorf("%w: install Debian's %s", err, program)
		}
	}
	dir, err := os.MkdirTemp("", "live")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "pirwatch")
	if out, err := exec.Command("test/tools/compile", program).CombinedOutput(); err != nil {
		return fmt.Errorf("compile: %w: %s", err, out)
	}
	broker, err := startBroker(ctx, dir)
	if err != nil {
		return err
	}
	defer broker.end()

	fmt.Printf("%s, GOARCH=%s; %d frames a second; medians of %d rounds of %v\n", runtime.Version(), runtime.GOARCH, fps, rounds, window)
	fmt.Printf("%-10s %-21s %8s %7s %-17s %7s %9s %-17s\n", "size", "", "frames/s", "CPU ms", "/ motion", "RSS MB", "pre-roll", "the rest / motion")
	bad := false
	for _, size := range []size{{640, 480, 1.0 / 3}, {1920, 1080, 1.0 / 5}} {
		if only != 0 && only != size.w {
			continue
		}
		jpegs, err := frames(ctx, size.w, size.h)
		if err != nil {
			return err
		}
		ok, err := size.measure(ctx, dir, program, broker.addr, jpegs, rounds, window, warm, profile)
		if err != nil {
			return err
		}
		bad = bad || !ok
	}
	if bad {
		return errors.New("a ratio is above its limit")
	}
	return nil
}

// size is a picture size, and the most of motion's CPU time that the daemon may take.
type size struct {
	w, h  int
	limit float64
}

const rssLimit = 1.0 / 4

// arm is a program under measurement.
type arm struct {
	name   string
	stream string // its path at the server
	*process
	cpu []float64 // ms a frame, of each round
	fps []float64
	rss []float64 // MB
}

func (s size) measure(ctx context.Context, dir, program, broker string, jpegs [][]byte, rounds int, window, warm time.Duration, profile string) (ok bool, err error) {
	server, err := serve(jpegs)
	if err != nil {
		return false, err
	}
	defer server.Close()
	arms := []*arm{{name: "motion", stream: "/motion"}, {name: "pirwatch, detector 5", stream: "/pirwatch5"}, {name: "pirwatch, detector 15", stream: "/pirwatch15"}}
	defer func() {
		for _, a := range arms {
			if a.process != nil {
				a.end()
			}
		}
	}()
	for i, a := range arms {
		url := server.URL + a.stream
		if i == 0 {
			a.process, err = s.startMotion(ctx, dir, url)
		} else {
			a.process, err = s.startPirwatch(ctx, dir, program, broker, url, fmt.Sprintf("s%d-%d", s.w, i), []float64{0, 5, fps}[i], profile != "")
		}
		if err != nil {
			return false, err
		}
	}
	deadline := time.Now().Add(time.Minute)
	for _, a := range arms {
		for server.sent(a.stream) < fps {
			if err := a.alive(); err != nil {
				return false, err
			}
			if time.Now().After(deadline) {
				return false, fmt.Errorf("%s does not read its stream: %s", a.name, a.out.String())
			}
			if err := sleep(ctx, 100*time.Millisecond); err != nil {
				return false, err
			}
		}
	}
	if err := sleep(ctx, warm); err != nil {
		return false, err
	}
	for range rounds {
		var sent, cpu [3]int64
		for i, a := range arms {
			sent[i], cpu[i] = server.sent(a.stream), a.cpuTime()
		}
		if err := sleep(ctx, window); err != nil {
			return false, err
		}
		for i, a := range arms {
			if err := a.alive(); err != nil {
				return false, err
			}
			n := server.sent(a.stream) - sent[i]
			a.cpu = append(a.cpu, float64(a.cpuTime()-cpu[i])/1e6/float64(n))
			a.fps = append(a.fps, float64(n)/window.Seconds())
			a.rss = append(a.rss, a.residentMB())
		}
	}
	if profile != "" {
		for _, a := range arms[1:] {
			if err := a.profile(filepath.Join(profile, fmt.Sprintf("%s-%d", a.stream[1:], s.w)), window); err != nil {
				return false, err
			}
		}
	}
	ok = true
	for i, a := range arms {
		fmt.Printf("%-10s %-21s %8.1f %7.2f ", fmt.Sprintf("%dx%d", s.w, s.h), a.name, median(a.fps), median(a.cpu))
		if i == 0 {
			fmt.Printf("%17s %7.1f\n", "", median(a.rss))
			continue
		}
		ring := preRoll(jpegs)
		cpu, rss := make([]float64, rounds), make([]float64, rounds)
		for r := range rounds {
			cpu[r] = a.cpu[r] / arms[0].cpu[r]
			rss[r] = (a.rss[r] - ring) / arms[0].rss[r]
		}
		fmt.Printf("%-17s %7.1f %9.1f %-17s\n", spread(cpu), median(a.rss), ring, spread(rss))
		if i == 1 && (median(cpu) > s.limit || median(rss) > rssLimit) {
			fmt.Printf("%10s above its limit: CPU %.2f, RSS %.2f\n", "", s.limit, rssLimit)
			ok = false
		}
	}
	return ok, nil
}

// preRoll is how many MB of frames the daemon keeps with its defaults: two seconds, 16 MB at most.
func preRoll(jpegs [][]byte) float64 {
	total := 0
	for _, j := range jpegs {
		total += len(j)
	}
	return min(16e6, float64(total)/float64(len(jpegs))*2*fps) / (1 << 20)
}

// spread is the median, and what it lies between.
func spread(v []float64) string {
	return fmt.Sprintf("%.2f [%.2f..%.2f]", median(v), slices.Min(v), slices.Max(v))
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
