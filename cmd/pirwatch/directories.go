package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"pirwatch/configs"
)

// checkDirectories looks whether what must outlive a restart can be written.
func checkDirectories(_ context.Context, config *configs.Config) (string, error) {
	dirs := []string{config.State()}
	if config.Archive.On {
		dirs = append(dirs, config.ArchiveDir())
	}
	if config.Queue.Disk > 0 {
		dirs = append(dirs, config.QueueDir())
	}
	for _, dir := range dirs {
		if err := writable(dir); err != nil {
			return "", fmt.Errorf("%w; the service runs as user pirwatch: try \"sudo -u pirwatch pirwatch check\"", err)
		}
	}
	return "ok: " + config.State(), nil
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
