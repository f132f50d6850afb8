package status

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CPUTemperature returns the processor's temperature in degrees Celsius, from the
// kernel's thermal zone of that name, else the first; nil where there is none.
func CPUTemperature() *float64 { return temperature("/sys/class/thermal") }

func temperature(dir string) *float64 {
	zones, err := filepath.Glob(filepath.Join(dir, "thermal_zone*"))
	if err != nil {
		return nil
	}
	var first *float64
	for _, zone := range zones {
		text, err := os.ReadFile(filepath.Join(zone, "temp"))
		if err != nil {
			continue
		}
		milli, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || milli < -100_000 || milli > 250_000 {
			continue
		}
		c := float64(milli/100) / 10
		name, _ := os.ReadFile(filepath.Join(zone, "type"))
		if strings.Contains(string(name), "cpu") || strings.Contains(string(name), "x86_pkg") {
			return &c
		}
		if first == nil {
			first = &c
		}
	}
	return first
}
