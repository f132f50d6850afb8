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

// useOneCore keeps Go on one core at a time. The daemon's work is small and comes
// in turn, from reader to loop; with more cores Go wakes a second thread for each
// picture, which finds nothing to do, for a fifth of all CPU time. Developing
// pictures gives way to the loop every 10 ms. GOMAXPROCS in the environment wins.
func useOneCore() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
