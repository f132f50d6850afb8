package setup

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every message that the instructions quote is one that the program prints.
func TestTheInstructionsQuoteRealMessages(t *testing.T) {
	const root = "../../.."
	doc, err := os.ReadFile(filepath.Join(root, "docs/install.md"))
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "dist" || d.Name() == "test") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			text, err := os.ReadFile(path)
			source.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The sources quote with ` where the table has ', and log "sensor "+state.
	said := strings.NewReplacer("`", "'", `"sensor "+state`, "sensor warming sensor chattering sensor stuck").Replace(source.String())
	_, tables, _ := strings.Cut(string(doc), "## When something is wrong")
	quoted := 0
	for line := range strings.Lines(tables) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			if quoted++; m[1] != "suppressed" && m[1] != "health" && !strings.Contains(said, m[1]) {
				t.Errorf("nothing prints %q", m[1])
			}
		}
	}
	if quoted < 30 {
		t.Errorf("only %d messages found in the tables", quoted)
	}
}
