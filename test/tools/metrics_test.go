package tools

import (
	"os"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Prometheus' own parser reads the metrics as pirwatch writes them: the golden
// file that the daemon's test compares with.
func TestPrometheusReadsTheMetrics(t *testing.T) {
	f, err := os.Open("../../cmd/internal/status/testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(families) < 15 {
		t.Errorf("only %d metrics read", len(families))
	}
	m := families["pirwatch_camera_state"]
	if m == nil || len(m.Metric) != 5 || m.GetType().String() != "GAUGE" || m.GetHelp() == "" {
		t.Errorf("camera_state: %v", m)
	}
	if m := families["pirwatch_pictures_dropped_total"]; m == nil || m.GetType().String() != "COUNTER" || m.Metric[0].GetCounter().GetValue() != 1 {
		t.Errorf("pictures_dropped_total: %v", m)
	}
}
