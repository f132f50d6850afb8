package configs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var regenerate = flag.Bool("regenerate", false, "write the messages of testdata/wrong anew")

// Every file in testdata/wrong has its mistakes told in exactly these words. A
// file NAME.env beside it is its environment.
func TestWrongConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.toml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d wrong configurations, want 30 at least (%v)", len(files), err)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".toml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			env, _ := os.ReadFile(base + ".env")
			_, err = Parse(filepath.Base(file), text, strings.Split(string(env), "\n"))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("accepted, or another error: %v", err)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "secret") && !strings.Contains(string(env), "secret") {
				t.Errorf("the message shows the password:\n%s", got)
			}
			if *regenerate {
				if err := os.WriteFile(base+".txt", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(base + ".txt")
			if err != nil {
				t.Fatalf("%v (go test ./configs -regenerate writes it)", err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestLoadTellsAFileThatIsNotThere(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"), nil)
	if err == nil || !strings.Contains(err.Error(), "there is no such file; \"pirwatch setup\" writes one") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/wrong/*.toml")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		f.Add(text)
	}
	f.Add(Annotated)
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f.toml", text, nil)
		if err == nil {
			for _, key := range Diff(c, Default()) {
				if c.Where(key).Line == 0 && key != "camera.v4l2.controls" && key != "schedule.armed" {
					t.Errorf("%s was set nowhere", key)
				}
			}
		}
		for _, p := range []string{"broker.url", "motion.trigger", "name"} {
			if set, err := Set(text, p, "mqtt://x"); err == nil {
				if _, problems := parse("f.toml", set); problems != nil {
					t.Errorf("after Set: %v\n%s", problems, set)
				}
			}
		}
	})
}
