package status

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Metric is one number for Prometheus. Those of one name follow each other.
type Metric struct {
	Name   string // without the leading "pirwatch_"
	Help   string
	Kind   string // counter or gauge
	Labels [][2]string
	Value  float64
}

// states lists every word of the states that are told as one gauge a word.
var states = []struct {
	name  string
	help  string
	words []string
	of    func(Health) string
}{
	{"camera_state", "What the camera is: 1 for the state that holds.", []string{"ok", "starting", "stalled", "missing", "off"}, func(h Health) string { return h.Camera }},
	{"sensor_state", "What the sensor is: 1 for the state that holds.", []string{"ok", "warming", "chattering", "stuck", "missing", "off"}, func(h Health) string { return h.Sensor }},
	{"disk_state", "What the disk is: 1 for the state that holds.", []string{"ok", "full", "readonly", "failing"}, func(h Health) string { return h.Disk }},
}

// Metrics returns the health message as numbers.
func (h Health) Metrics() []Metric {
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	out := []Metric{
		{"up", "1, and the version as a label.", "gauge", [][2]string{{"version", h.Version}}, 1},
		{"uptime_seconds", "Time since the program started.", "gauge", nil, float64(h.UptimeS)},
		{"broker_connected", "Whether the broker is connected.", "gauge", nil, flag(h.Broker == "ok")},
		{"clock_synced", "Whether the machine was told the time.", "gauge", nil, flag(h.Clock == "synced")},
		{"camera_frames_per_second", "Frames a second that the camera delivers.", "gauge", nil, h.FPS},
		{"queue_pictures", "Pictures waiting for the broker's acknowledgement.", "gauge", nil, float64(h.QueuePictures)},
		{"queue_bytes", "Bytes of those.", "gauge", nil, float64(h.QueueBytes)},
		{"queue_oldest_seconds", "Age of the oldest of those.", "gauge", nil, float64(h.OldestS)},
		{"pictures_dropped_total", "Pictures that a full queue had to give up.", "counter", nil, float64(h.Dropped)},
		{"triggers_suppressed_total", "Triggers that rate limiting swallowed.", "counter", nil, float64(h.Suppressed)},
		{"resends_incomplete_total", "Requests for pieces that could not be met.", "counter", nil, float64(h.IncompleteResends)},
	}
	for _, s := range states {
		for _, word := range s.words {
			out = append(out, Metric{s.name, s.help, "gauge", [][2]string{{"state", word}}, flag(s.of(h) == word)})
		}
	}
	if h.CPUC != nil {
		out = append(out, Metric{"cpu_celsius", "Temperature of the processor.", "gauge", nil, *h.CPUC})
	}
	return out
}

// ProcessMetrics returns what the program itself uses.
func ProcessMetrics() []Metric {
	out := []Metric{{"goroutines", "Goroutines of the program.", "gauge", nil, float64(runtime.NumGoroutine())}}
	if rss, ok := resident(); ok {
		out = append(out, Metric{"resident_bytes", "Memory of the program that is in RAM.", "gauge", nil, float64(rss)})
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		out = append(out, Metric{"open_files", "Open file descriptors of the program.", "gauge", nil, float64(len(fds))})
	}
	return out
}

// resident returns the program's memory in RAM (proc_pid_statm(5)).
func resident() (bytes int64, ok bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}

// WriteMetrics writes metrics in Prometheus' text format, version 0.0.4: names
// in order, each with its help and kind once.
func WriteMetrics(w io.Writer, metrics []Metric) error {
	metrics = slices.Clone(metrics)
	slices.SortStableFunc(metrics, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	for i, m := range metrics {
		name := "pirwatch_" + m.Name
		if i == 0 || metrics[i-1].Name != m.Name {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, strings.NewReplacer("\\", `\\`, "\n", `\n`).Replace(m.Help), name, m.Kind)
		}
		b.WriteString(name)
		for j, l := range m.Labels {
			b.WriteByte("{,"[min(j, 1)])
			fmt.Fprintf(&b, "%s=\"%s\"", l[0], strings.NewReplacer("\\", `\\`, "\"", `\"`, "\n", `\n`).Replace(l[1]))
		}
		if len(m.Labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteByte(' ')
		b.WriteString(number(m.Value))
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
