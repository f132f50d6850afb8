package main

import (
	"context"
	"io"
	"os"

	"pirwatch/cmd/internal/detect"
	"pirwatch/configs"
)

type detectCommand struct {
	Config  string   `help:"A configuration file, for its sensitivity and masks; the defaults without one." type:"existingfile" placeholder:"FILE"`
	CSV     string   `help:"Where each frame's decision goes: a file or - for one clip, a folder for several." name:"csv" placeholder:"FILE|-|DIR"`
	Explain string   `help:"A folder for pictures of what the detector saw: background, noise, what changed, and the blobs over the frame." placeholder:"DIR"`
	Suggest bool     `help:"Take the clips for footage of your empty scene, and propose sensitivity and masks."`
	Clips   []string `arg:"" name:"clip" help:"Clips: AVI or MJPEG files, folders of JPEGs, or a folder of clips."`
}

// Run runs the detector over clips.
func (c *detectCommand) Run(ctx context.Context, s streams) error {
	config := configs.Default()
	if c.Config != "" {
		var err error
		if config, err = configs.Load(c.Config, os.Environ()); err != nil {
			return err
		}
	}
	settings := configured(config)
	return detect.Run(ctx, detect.Options{
		Clips: c.Clips, CSV: c.CSV, Explain: c.Explain, Suggest: c.Suggest,
		Detector: detectorOptions(config, settings.Sensitivity, settings.Masks),
		Stdout:   s.out, Stderr: s.err, Terminal: terminal(s.err),
	})
}

// terminal says whether a person looks on.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
