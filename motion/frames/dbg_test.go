package frames_test

import (
	"fmt"
	"os"
	"pirwatch/motion/frames"
	"testing"
)

func dbg(t *testing.T, d *frames.Detector, at float64, dec frames.Decision, from, to float64) {
	if os.Getenv("DBG") == "" || at < from || at > to {
		return
	}
	v := d.View()
	fmt.Printf("%.1f m=%v scene=%q gain=%.2f off=%.1f shake=%.2f", at, dec.Motion, dec.Scene, v.Gain, v.Offset, v.Shake)
	for _, b := range v.Blobs {
		if b.Area > 0.0012 {
			fmt.Printf(" [%s %.4f @%.2f,%.2f %.2fx%.2f]", b.Why, b.Area, b.Box[0], b.Box[1], b.Box[2], b.Box[3])
		}
	}
	fmt.Println()
}
