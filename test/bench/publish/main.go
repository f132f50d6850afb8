//go:build linux

// Command publish measures how pirwatch gets pictures to a broker, beside
// others: stock paho.mqtt.golang, a raw socket writer, and paho as most people
// use it, waiting for every message. Every round runs every arm once, each in a
// process of its own, against a real Mosquitto; ratios are medians of the
// rounds' own ratios.
//
//	go run ./test/bench/publish [-rounds 5] [-pieces 20000] [-check]
//
// All arms send the same bytes with the same window, but for the one named
// "wait". "link" is pirwatch's link under the rivals' loop. -check makes it fail where a goal of the issue is missed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// result is what one run of an arm prints.
type result struct {
	Pieces  int     // acknowledged
	Seconds float64 // from the first to the last
	CPU     float64 // seconds of this process, all of it
	RSS     float64 // peak, MB
	Wire    float64 // bytes to the broker for each JPEG byte; 0 = not counted
}

func main() {
	var (
		rounds = flag.Int("rounds", 5, "interleaved rounds")
		pieces = flag.Int("pieces", 20_000, "pieces in each run")
		window = flag.Int("window", 100, "unacknowledged pieces, on the local broker")
		check  = flag.Bool("check", false, "exit with 1 where a goal is missed")
		arm    = flag.String("arm", "", "run one arm in this process, and print its result (internal)")
		addr   = flag.String("addr", "", "broker for -arm")
		size   = flag.Int("size", 100_000, "bytes of one picture for -arm")
	)
	flag.Parse()
	if *arm != "" {
		runArm(*arm, job{addr: *addr, pieces: *pieces, window: *window, size: *size})
		return
	}
	if err := same(); err != nil {
		fail(err)
	}
	b, err := startMosquitto()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	g := &goals{check: *check}
	building(g)
	local(g, b.addr, *rounds, *pieces, *window)
	slow(g, b.addr, *rounds)
	b.stop()
	if g.missed > 0 && *check {
		os.Exit(1)
	}
}

// goals notes which of the goals were reached.
type goals struct {
	check  bool
	missed int
}

func (g *goals) atMost(what string, got, limit float64) {
	g.line(what, got, limit, got <= limit, "at most")
}
func (g *goals) atLeast(what string, got, limit float64) {
	g.line(what, got, limit, got >= limit, "at least")
}

func (g *goals) line(what string, got, limit float64, ok bool, how string) {
	verdict := "reached"
	if !ok {
		verdict = "MISSED"
		g.missed++
	}
	fmt.Printf("  goal: %-58s %7.3f, %s %.2f: %s\n", what, got, how, limit, verdict)
}

// local compares all arms on the broker of this machine.
func local(g *goals, addr string, rounds, pieces, window int) {
	arms := []string{"raw", "paho", "link", "pirwatch", "wait"}
	got := collect(arms, rounds, func(arm string) job {
		n := pieces
		if arm == "wait" {
			n /= 10
		}
		return job{addr: addr, pieces: n, window: window, size: 100_000}
	})
	fmt.Printf("\nPieces of 3000 characters, QoS 1, Mosquitto on loopback, window %d, %d rounds of %d pieces\n", window, rounds, pieces)
	table(arms, got)
	rate := func(r result) float64 { return float64(r.Pieces) / r.Seconds }
	cpu := func(r result) float64 { return r.CPU / float64(r.Pieces) }
	for _, arm := range []string{"link", "pirwatch"} {
		fmt.Printf("  %s to raw: rate %.2f, CPU a piece %.2f\n", arm, ratio(got[arm], got["raw"], rate), ratio(got[arm], got["raw"], cpu))
	}
	g.atMost("CPU a piece, pirwatch to stock paho", ratio(got["pirwatch"], got["paho"], cpu), 0.70)
	g.atLeast("pieces a second, pirwatch to stock paho", ratio(got["pirwatch"], got["paho"], rate), 1.25)
	g.atMost("wire bytes for each JPEG byte", median(each(got["pirwatch"], func(r result) float64 { return r.Wire })), 1.39)
}

// slow compares on a link of 20 Mbit/s and 20 ms.
func slow(g *goals, addr string, rounds int) {
	link, err := newSlowLink(addr, 20_000_000/8, 10*time.Millisecond)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer link.Close()
	arms := []string{"raw", "paho", "pirwatch"}
	got := collect(arms, rounds, func(string) job {
		return job{addr: link.Addr().String(), pieces: 1334, window: 32, size: 3_000_000}
	})
	fmt.Printf("\nOne picture of 3 MB over 20 Mbit/s with 20 ms round trip, window 32, %d rounds\n", rounds)
	table(arms, got)
	g.atLeast("rate, pirwatch to the raw writer", ratio(got["pirwatch"], got["raw"], func(r result) float64 { return float64(r.Pieces) / r.Seconds }), 0.98)
	g.atMost("peak RSS of pirwatch, MB", median(each(got["pirwatch"], func(r result) float64 { return r.RSS })), 20)
}

// collect runs every arm once a round.
func collect(arms []string, rounds int, of func(arm string) job) map[string][]result {
	got := map[string][]result{}
	for range rounds {
		for _, arm := range arms {
			j := of(arm)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			cmd := exec.CommandContext(ctx, os.Args[0], "-arm", arm, "-addr", j.addr, fmt.Sprintf("-pieces=%d", j.pieces), fmt.Sprintf("-window=%d", j.window), fmt.Sprintf("-size=%d", j.size))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			cancel()
			var r result
			if err == nil {
				err = json.Unmarshal(out, &r)
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "arm %s: %v\n", arm, err)
				os.Exit(1)
			}
			got[arm] = append(got[arm], r)
		}
	}
	return got
}

func table(arms []string, got map[string][]result) {
	fmt.Printf("  %-10s %12s %14s %10s\n", "arm", "pieces/s", "CPU us/piece", "RSS MB")
	for _, arm := range arms {
		rs := got[arm]
		fmt.Printf("  %-10s %12.0f %14.2f %10.1f\n", arm,
			median(each(rs, func(r result) float64 { return float64(r.Pieces) / r.Seconds })),
			median(each(rs, func(r result) float64 { return r.CPU / float64(r.Pieces) * 1e6 })),
			median(each(rs, func(r result) float64 { return r.RSS })))
	}
}

func each(rs []result, f func(result) float64) (out []float64) {
	for _, r := range rs {
		out = append(out, f(r))
	}
	return out
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// ratio is the median of the rounds' ratios.
func ratio(a, b []result, f func(result) float64) float64 {
	var r []float64
	for i := range a {
		r = append(r, f(a[i])/f(b[i]))
	}
	return median(r)
}

// mosquitto is a broker of this run's own.
type mosquitto struct {
	addr string
	dir  string
	cmd  *exec.Cmd
}

func startMosquitto() (*mosquitto, error) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			return nil, fmt.Errorf("this needs Mosquitto: %w", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &mosquitto{addr: l.Addr().String()}
	l.Close()
	if b.dir, err = os.MkdirTemp("", "pirwatch-bench-"); err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(b.addr, ":")
	conf := filepath.Join(b.dir, "mosquitto.conf")
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nlog_dest none\n"
	if os.Geteuid() == 0 {
		text += "user root\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	b.cmd = exec.Command(program, "-c", conf)
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		if c, err := net.Dial("tcp", b.addr); err == nil {
			c.Close()
			return b, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.stop()
	return nil, fmt.Errorf("mosquitto does not listen on %s", b.addr)
}

func (b *mosquitto) stop() {
	b.cmd.Process.Signal(syscall.SIGTERM)
	b.cmd.Wait()
	os.RemoveAll(b.dir)
}
