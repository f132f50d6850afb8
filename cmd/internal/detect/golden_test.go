package detect

import (
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden decisions anew")

// golden clips are short, and between them walk, crawl, drive, shake and switch
// the light.
var golden = []string{"yz_walk", "th_small", "nest_atv3", "xm_light_wall", "bomy_wall", "fall_room", "syn_d_night_walk"}

// TestGoldenDecisions shows when the detector decides otherwise than it did.
// Better or worse is not said here: test/bench/detection measures that. The file
// holds decisions only, no footage.
func TestGoldenDecisions(t *testing.T) {
	corpus := os.Getenv("PIRWATCH_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "..", "..", "..", "shared", "corpus", "dev")
	}
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("no footage at", corpus, "(set PIRWATCH_CORPUS)")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("floating point may round otherwise on", runtime.GOARCH)
	}
	var got strings.Builder
	for _, name := range golden {
		var out, errs bytes.Buffer
		o := options(&out, &errs, filepath.Join(corpus, name, "clip.avi"))
		o.CSV = "-"
		if err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s: %d frames, motion %s\n", name, len(rows)-1, strings.Join(stretches(rows[1:]), " "))
	}
	file := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the decisions changed; if that is meant, run test/bench/detection and then go test -update\ngot:\n%swant:\n%s", got.String(), want)
	}
}

// stretches are the frames with motion, as from-to.
func stretches(rows [][]string) []string {
	var all []string
	from := -1
	for i := 0; i <= len(rows); i++ {
		on := i < len(rows) && rows[i][1] == "1"
		if on && from < 0 {
			from = i
		}
		if !on && from >= 0 {
			all = append(all, fmt.Sprintf("%d-%d", from, i-1))
			from = -1
		}
	}
	return all
}
