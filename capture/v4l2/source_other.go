//go:build !linux

package v4l2

import (
	"context"
	"errors"
	"log/slog"

	"pirwatch/capture"
)

var errOnlyLinux = errors.New("v4l2: USB cameras work only on Linux")

// Source is only to be had on Linux.
type Source struct{}

// New makes a source whose Run fails.
func New(Options, *slog.Logger) *Source { return &Source{} }

// Run fails: USB cameras work only on Linux.
func (*Source) Run(context.Context, func(capture.Frame)) error { return errOnlyLinux }

// Set does nothing.
func (*Source) Set(map[string]int) {}

// List finds no camera.
func List() []Camera { return nil }
