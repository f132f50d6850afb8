//go:build linux

// Command decode measures what detection pays for a JPEG frame: the luma decoder
// of capture/mjpeg beside libjpeg-turbo at scale 1/8 in gray, the same frames in
// turn, and says whether their output is the same to the bit. Run it from the
// project's root:
//
//	go run ./test/bench/decode
//
// Times are CPU times of one thread; ratios are medians over rounds in which
// every arm runs once. The 32-bit reader's time is that of GOARCH=386; its output
// is compared on an emulated ARMv6, too. Exit code 1 when a ratio is above the limit or the output
// differs.
package main

import (
	"bufio"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"pirwatch/test/bench/decode/footage"
)

// perClip is how many frames of each clip are measured.
const perClip = 20

//go:embed peer/libjpeg.c
var peerSource []byte

func main() {
	rounds := flag.Int("rounds", 9, "rounds in which each arm runs once")
	limit := flag.Float64("limit", 0.55, "largest ratio to libjpeg-turbo on 64 bits")
	whole := flag.Bool("image-jpeg", true, "measure image/jpeg too")
	worker := flag.String("worker", "", "measure this set of frames, on request (internal)")
	std := flag.Bool("std", false, "the worker decodes with image/jpeg (internal)")
	flag.Parse()
	err := error(nil)
	if *worker != "" {
		err = work(*worker, *std)
	} else {
		err = bench(*rounds, *limit, *whole)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "decode:", err)
		os.Exit(1)
	}
}

func bench(rounds int, limit float64, whole bool) error {
	dir, err := os.MkdirTemp("", "decode")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	peer := buildPeer(dir)
	narrow := filepath.Join(dir, "decode386")
	build := exec.Command("go", "build", "-o", narrow, "./test/bench/decode")
	build.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("no 32-bit arm: %v: %s\n", err, out)
		narrow = ""
	}

	emulated, qemu := buildARM(dir)

	fmt.Printf("%s, GOARCH=%s; CPU ms a frame (ratio to libjpeg-turbo), median of %d rounds\n", runtime.Version(), runtime.GOARCH, rounds)
	fmt.Printf("%-14s %-8s %6s %8s  %-14s %-14s %-14s %7s %s\n",
		"frames", "from", "bytes", "libjpeg", "pirwatch", "pirwatch 386", "image/jpeg", "allocs", "output")
	bad := false
	for _, size := range [][2]int{{640, 480}, {1280, 720}, {1920, 1080}} {
		rgb, from := footage.Frames(size[0], size[1], perClip)
		for _, vs := range []int{2, 1} {
			if vs == 1 && peer == "" {
				continue
			}
			set := filepath.Join(dir, "set")
			if err := writeSet(set, peer, rgb, size[0], size[1], 2, vs); err != nil {
				return err
			}
			arms := []*arm{nil, {name: self, args: []string{"-worker", set}}, nil, nil}
			if peer != "" {
				arms[0] = &arm{name: peer, args: []string{"decode", set}}
			}
			if narrow != "" {
				arms[2] = &arm{name: narrow, args: []string{"-worker", set}}
			}
			if whole {
				arms[3] = &arm{name: self, args: []string{"-worker", set, "-std"}}
			}
			if err := measure(arms, rounds); err != nil {
				return err
			}
			ok := report(fmt.Sprintf("%dx%d 42%d", size[0], size[1], 4-2*vs), from, set, arms, limit)
			bad = bad || !ok
			if emulated != "" {
				cmd := exec.Command(qemu, emulated, "-worker", set)
				out, err := cmd.Output()
				same := err == nil && strings.TrimSpace(string(out)) == arms[1].sum
				fmt.Printf("%14s ARMv6 under %s: identical %t\n", "", filepath.Base(qemu), same)
				bad = bad || !same
			}
		}
	}
	if bad {
		return errors.New("a ratio is above the limit, or the output differs")
	}
	return nil
}

// buildARM builds the worker for an ARMv6, to be run for its output alone.
func buildARM(dir string) (name, qemu string) {
	for _, q := range []string{"qemu-arm", "qemu-arm-static"} {
		if p, err := exec.LookPath(q); err == nil {
			qemu = p
		}
	}
	if qemu == "" {
		fmt.Println("no ARMv6 output: qemu-arm is missing (package qemu-user-static)")
		return "", ""
	}
	name = filepath.Join(dir, "decodearm")
	build := exec.Command("go", "build", "-o", name, "./test/bench/decode")
	build.Env = append(os.Environ(), "GOARCH=arm", "GOARM=6", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("no ARMv6 output: %v: %s\n", err, out)
		return "", ""
	}
	return name, qemu
}

func buildPeer(dir string) string {
	src, out := filepath.Join(dir, "libjpeg.c"), filepath.Join(dir, "libjpeg")
	if err := os.WriteFile(src, peerSource, 0o600); err != nil {
		fmt.Println("no peer:", err)
		return ""
	}
	if _, err := exec.LookPath("cc"); err != nil {
		fmt.Println("no peer: cc is missing (package gcc); pirwatch alone is measured")
		return ""
	}
	if b, err := exec.Command("cc", "-O2", "-o", out, src, "-ljpeg").CombinedOutput(); err != nil {
		fmt.Printf("no peer: it does not build, which takes package libjpeg62-turbo-dev; pirwatch alone is measured\n%s", b)
		return ""
	}
	return out
}

// arm is one of the programs that are compared.
type arm struct {
	name   string
	args   []string
	sum    string
	times  []float64 // ns a pass
	allocs int
}

// measure starts the arms and lets each make one pass a round, in turn.
func measure(arms []*arm, rounds int) error {
	var ins []io.WriteCloser
	var outs []*bufio.Scanner
	var cmds []*exec.Cmd
	var running []*arm
	defer func() {
		for i, in := range ins {
			in.Close()
			cmds[i].Wait()
		}
	}()
	for _, a := range arms {
		if a == nil {
			continue
		}
		cmd := exec.Command(a.name, a.args...)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		ins, outs, cmds, running = append(ins, in), append(outs, bufio.NewScanner(out)), append(cmds, cmd), append(running, a)
		last := outs[len(outs)-1]
		if !last.Scan() {
			return fmt.Errorf("%s ended", filepath.Base(a.name))
		}
		a.sum = strings.TrimSpace(last.Text())
	}
	for round := range rounds + 1 {
		for i, a := range running {
			fmt.Fprintln(ins[i])
			if !outs[i].Scan() {
				return fmt.Errorf("%s ended", filepath.Base(a.name))
			}
			var ns float64
			var allocs int
			fmt.Sscan(outs[i].Text(), &ns, &allocs)
			if round > 0 { // the first warms up
				a.times, a.allocs = append(a.times, ns), max(a.allocs, allocs)
			}
		}
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// report prints a line and says whether it is good.
func report(name, from, set string, arms []*arm, limit float64) bool {
	pics, err := readSet(set)
	if err != nil {
		return false
	}
	bytes := 0
	for _, p := range pics {
		bytes += len(p)
	}
	ms := func(a *arm) float64 { return median(a.times) / 1e6 / float64(len(pics)) }
	fmt.Printf("%-14s %-8.8s %6d ", name, from, bytes/len(pics))
	base, good, verdict := arms[0], true, "no peer"
	if base != nil {
		fmt.Printf("%8.3f  ", ms(base))
		verdict = "identical"
	} else {
		fmt.Printf("%8s  ", "-")
	}
	for i, a := range arms[1:] {
		if a == nil {
			fmt.Printf("%-14s ", "-")
			continue
		}
		cell := fmt.Sprintf("%.3f", ms(a))
		if base != nil {
			ratios := make([]float64, len(a.times))
			for j := range ratios {
				ratios[j] = a.times[j] / base.times[j]
			}
			cell += fmt.Sprintf(" (%.2f)", median(ratios))
			if i == 0 && median(ratios) > limit {
				good = false
			}
			if a.sum != base.sum {
				verdict, good = "DIFFERENT", false
			}
		}
		fmt.Printf("%-14s ", cell)
	}
	fmt.Printf("%7d %s\n", arms[1].allocs, verdict)
	return good
}
