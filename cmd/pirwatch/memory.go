package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"pirwatch/configs"
)

// spareMemory must be called before anything large is made. Almost all of the
// heap is frames, which hold no pointers: collecting more often than Go does by
// itself costs next to nothing and saves megabytes. GOGC in the environment wins.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	runtime.MemProfileRate = 0 // its table takes 1.4 MB
}

// profileMemory is for those who hunt memory, and asked for the profiler.
func profileMemory(c *configs.Config) {
	if c.Metrics.PProf != "" {
		runtime.MemProfileRate = 512 << 10
	}
}
