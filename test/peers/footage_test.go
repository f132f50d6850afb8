//go:build peers

package peers

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pirwatch/capture/mjpeg"
	"pirwatch/capture/scene"
)

// footage returns real frames of a busy road, or drawn ones where the labelled
// footage is not at hand.
func footage(t testing.TB) (jpegs [][]byte) {
	t.Helper()
	dir := os.Getenv("PIRWATCH_CORPUS")
	if dir == "" {
		dir = filepath.Join(root, "../shared/corpus/dev")
	}
	clip, err := os.Open(filepath.Join(dir, "cd_highway", "clip.avi"))
	if err != nil {
		t.Logf("drawn frames, since there is no labelled footage: %v", err)
		drawn := scene.New(scene.Options{First: time.Second, Every: time.Second})
		for i := range 300 {
			jpeg, _ := drawn.Frame(i)
			jpegs = append(jpegs, bytes.Clone(jpeg))
		}
		return jpegs
	}
	defer clip.Close()
	for split := mjpeg.NewSplitter(clip, 1<<20); ; {
		jpeg, err := split.Next()
		if errors.Is(err, io.EOF) && len(jpegs) > 0 {
			return jpegs
		}
		if err != nil {
			t.Fatalf("%s after %d frames: %v", clip.Name(), len(jpegs), err)
		}
		jpegs = append(jpegs, jpeg)
	}
}

// webcam is a network camera: an MJPEG stream over HTTP. Every frame carries a
// number of its own in a comment, so that none is like another.
type webcam struct {
	*httptest.Server
	frames [][]byte
	fps    int

	mu     sync.Mutex
	served map[uint64][32]byte // number to hash
}

const frameMark = "pirwatch frame "

func newWebcam(t testing.TB, frames [][]byte, fps int) *webcam {
	w := &webcam{frames: frames, fps: fps, served: map[uint64][32]byte{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(func() { w.CloseClientConnections(); w.Close() })
	return w
}

func (w *webcam) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
	tick := time.NewTicker(time.Second / time.Duration(w.fps))
	defer tick.Stop()
	for {
		jpeg := w.next()
		if _, err := fmt.Fprintf(rw, "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", len(jpeg), jpeg); err != nil {
			return
		}
		rw.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// next makes the next frame.
func (w *webcam) next() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := uint64(len(w.served))
	plain := w.frames[n%uint64(len(w.frames))]
	jpeg := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(2 + len(frameMark) + 8)}, frameMark...)
	jpeg = binary.BigEndian.AppendUint64(jpeg, n)
	jpeg = append(jpeg, plain[2:]...)
	w.served[n] = sha256.Sum256(jpeg)
	return jpeg
}

// number says which frame a picture is; an error where it differs in any byte.
func (w *webcam) number(jpeg []byte) (uint64, error) {
	at := 6 + len(frameMark)
	if len(jpeg) < at+8 || string(jpeg[6:at]) != frameMark {
		return 0, errors.New("not a frame of this camera")
	}
	n := binary.BigEndian.Uint64(jpeg[at:])
	w.mu.Lock()
	defer w.mu.Unlock()
	if want, ok := w.served[n]; !ok || want != sha256.Sum256(jpeg) {
		return n, fmt.Errorf("differs from frame %d as it was served", n)
	}
	return n, nil
}
