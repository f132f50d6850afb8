package queue

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var kills = flag.Int("kills", 25, "processes that TestKill kills")

// childDir makes the test binary the process that TestKill kills.
const childDir = "PIRWATCH_TEST_QUEUE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func killOptions(dir string) Options {
	return Options{Dir: dir, DiskBytes: 64 << 20, Deadline: 20 * time.Millisecond}
}

// child queues and delivers until it is killed, and says so: "safe" when a
// picture is, "done" before it is delivered.
func child(dir string) {
	o := killOptions(dir)
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	if rng.IntN(2) == 0 {
		o.Spool = Always
	}
	q, err := open(o, nil, osFS{}, hooks{synced: func(k key, _ loc) { fmt.Println("safe", k.id) }})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	go q.Run(context.Background())
	for n := 0; ; n++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), n)
		if err := q.Put(filled(id, "e", Picture, 1+rng.IntN(50000))); err != nil {
			fmt.Println("failed", err)
			return
		}
		if rng.IntN(3) > 0 {
			if it, ok := q.Next(); ok {
				fmt.Println("done", it.ID)
				q.Done(it.ID, it.Kind)
			}
		}
		time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
	}
}

// TestKill kills a process at random moments. What it had said to be safe and
// not delivered the next process has.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	safe, done, again := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for range *kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n, last := 0, 1+rng.IntN(150); lines.Scan(); n++ {
			what, id, _ := strings.Cut(lines.Text(), " ")
			switch what {
			case "safe":
				safe[id] = true
			case "done":
				done[id] = true
			default:
				t.Errorf("child: %s", lines.Text())
			}
			if n == last {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()

		q := mustOpen(t, killOptions(dir))
		found := map[string]bool{}
		for {
			it, ok := q.Next()
			if !ok {
				break
			}
			found[it.ID] = true
			if !bytes.Equal(it.Body, filled(it.ID, "e", Picture, len(it.Body)).Body) {
				t.Errorf("%s came back changed", it.ID)
			}
			if done[it.ID] {
				again[it.ID] = true
			}
		}
		for id := range safe {
			if !done[id] && !found[id] {
				t.Errorf("%s was safe and is lost", id)
			}
		}
		if s := q.Stats(); s.Lost != 0 {
			t.Errorf("%+v", s)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d kills, %d pictures safe, %d of them delivered, %d seen again after delivery", *kills, len(safe), len(done), len(again))
}
