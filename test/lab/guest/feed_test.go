//go:build lab

package guest

import (
	"os"
	"testing"
)

// TestFeed is no test: it is the MJPEG camera of the daemon's job, which feeds
// pictures without Huffman tables until it is killed.
func TestFeed(t *testing.T) {
	if os.Getenv("PIRWATCH_LAB_FEED") == "" {
		t.SkipNow()
	}
	var pics [][]byte
	for i := range 23 {
		pics = append(pics, bare(drawn(t, 640, 360, i)))
	}
	loopback(t, 640, 360, pics...)
	select {}
}
