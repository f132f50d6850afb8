// Package detect runs the motion detector over clips at full speed: decisions as
// CSV, a summary for people, pictures of what the detector saw, and a proposal
// of settings from footage of an empty scene.
package detect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"pirwatch/motion/frames"
)

// Options say what to run and what to write.
type Options struct {
	// Clips are AVI or MJPEG files, folders of JPEGs, or folders of clips.
	Clips []string
	// CSV is where decisions go: a file or "-" for a single clip, a folder for
	// several. Empty: nowhere.
	CSV string
	// Explain is a folder for pictures of what the detector saw. Empty: none.
	Explain string
	// Suggest takes the clips for footage of an empty scene and proposes
	// sensitivity and masks.
	Suggest bool
	// Detector is what to run.
	Detector frames.Options
	// Stdout takes the CSV of "-" and what Suggest proposes, Stderr the rest.
	Stdout, Stderr io.Writer
	// Terminal shows progress on Stderr.
	Terminal bool
}

// footage is a clip and the name that its results go under.
type footage struct{ name, path string }

// Run does it, clip after clip. The error of one clip does not keep the others
// from being run.
func Run(ctx context.Context, o Options) error {
	clips, err := expand(o.Clips)
	if err != nil {
		return err
	}
	// Wrong settings are told once, not for each clip.
	if _, err := frames.New(o.Detector); err != nil {
		return err
	}
	if o.Suggest {
		return suggest(ctx, o, clips)
	}
	out, err := openOutput(o, clips)
	if err != nil {
		return err
	}
	var failed []error
	for _, c := range clips {
		if err := one(ctx, o, c, out); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(failed...)
}

// one runs the detector over one clip.
func one(ctx context.Context, o Options, c footage, out *output) error {
	d, err := frames.New(o.Detector)
	if err != nil {
		return err
	}
	table, err := out.table(c.name)
	if err != nil {
		return err
	}
	var explain *explainer
	if o.Explain != "" {
		if explain, err = newExplainer(filepath.Join(o.Explain, c.name)); err != nil {
			return err
		}
	}
	sum := summary{name: c.name}
	bar := progress{w: o.Stderr, on: o.Terminal, name: c.name}
	err = each(ctx, c.path, func(f frame) error {
		var dec frames.Decision
		if f.err == nil {
			dec = d.Observe(f.at, f.luma)
			explain.see(f, dec, d)
		}
		sum.add(f, dec)
		bar.show(f.n + 1)
		return table.row(f.n, dec)
	})
	bar.clear()
	err = errors.Join(err, table.close(), explain.close())
	if err != nil {
		return fmt.Errorf("detect in %s: %w", c.path, err)
	}
	sum.print(o.Stderr)
	return nil
}

// expand turns what was named into clips with names of their own: a file is
// named for itself, but clip.avi for its folder; a folder without JPEGs stands
// for the clips in it.
func expand(paths []string) ([]footage, error) {
	var clips []footage
	for _, p := range paths {
		more, err := expandOne(p, true)
		if err != nil {
			return nil, err
		}
		clips = append(clips, more...)
	}
	by := map[string]string{}
	for _, c := range clips {
		if other, ok := by[c.name]; ok {
			return nil, fmt.Errorf("detect: %s and %s would both be called %q; name one of them otherwise", other, c.path, c.name)
		}
		by[c.name] = c.path
	}
	if len(clips) == 0 {
		return nil, errors.New("detect: no clip named; name AVI or MJPEG files, or folders of JPEGs")
	}
	return clips, nil
}

func expandOne(path string, deep bool) ([]footage, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	if !info.IsDir() {
		return []footage{{nameOf(path), path}}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("detect: %w", err)
	}
	var clips []footage
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		switch ext := strings.ToLower(filepath.Ext(e.Name())); {
		case ext == ".jpg" || ext == ".jpeg":
			return []footage{{nameOf(path), path}}, nil
		case ext == ".avi" || ext == ".mjpeg" || ext == ".mjpg":
			clips = append(clips, footage{nameOf(name), name})
		case e.IsDir() && deep:
			more, err := expandOne(name, false)
			if err != nil {
				return nil, err
			}
			clips = append(clips, more...)
		}
	}
	if len(clips) == 0 && deep {
		return nil, fmt.Errorf("detect: %s holds neither clips nor JPEG pictures", path)
	}
	return clips, nil
}

func nameOf(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	base := filepath.Base(path)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	if name == "clip" {
		return filepath.Base(filepath.Dir(path))
	}
	return name
}
