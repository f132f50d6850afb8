//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"pirwatch/capture/mjpeg"
)

// frames makes 120 frames of real footage at a size, with a sensor's noise. Where
// there is no footage ffmpeg's own test picture moves.
func frames(ctx context.Context, w, h int) (jpegs [][]byte, err error) {
	dir := os.Getenv("PIRWATCH_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "shared", "corpus", "dev")
	}
	var inputs [][]string
	for _, clip := range []string{"cd_highway", "fall_room", "nest_atv"} {
		path := filepath.Join(dir, clip, "clip.avi")
		if _, err := os.Stat(path); err == nil {
			inputs = append(inputs, []string{"-i", path})
		}
	}
	if len(inputs) == 0 {
		fmt.Println("no labelled footage: drawn frames")
		inputs = [][]string{{"-f", "lavfi", "-i", "testsrc2=rate=15"}}
	}
	for _, input := range inputs {
		args := append([]string{"-v", "error", "-nostdin"}, input...)
		args = append(args, "-frames:v", fmt.Sprint(120/len(inputs)),
			"-vf", fmt.Sprintf("scale=%d:%d:flags=lanczos,noise=alls=8:allf=t+u", w, h),
			"-c:v", "mjpeg", "-huffman", "default", "-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "image2pipe", "-")
		var text bytes.Buffer
		cmd := exec.CommandContext(ctx, "ffmpeg", args...)
		cmd.Stderr = &text
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("ffmpeg: %w: %s", err, text.String())
		}
		for split := mjpeg.NewSplitter(bytes.NewReader(out), 8<<20); ; {
			jpeg, err := split.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("ffmpeg's frames: %w", err)
			}
			jpegs = append(jpegs, jpeg)
		}
	}
	total := 0
	for _, j := range jpegs {
		total += len(j)
	}
	fmt.Printf("%dx%d: %d frames of %d bytes on average\n", w, h, len(jpegs), total/len(jpegs))
	return jpegs, nil
}

// server sends the frames as an MJPEG stream on any path, and counts for each.
type server struct {
	*http.Server
	URL    string
	jpegs  [][]byte
	mu     sync.Mutex
	counts map[string]int64
}

func serve(jpegs [][]byte) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{URL: "http://" + l.Addr().String(), jpegs: jpegs, counts: map[string]int64{}}
	s.Server = &http.Server{Handler: s}
	go s.Serve(l) // ends with Close
	return s, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=frame")
	tick := time.NewTicker(time.Second / fps)
	defer tick.Stop()
	for n := 0; ; n++ {
		jpeg := s.jpegs[n%len(s.jpegs)]
		if _, err := fmt.Fprintf(w, "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", len(jpeg), jpeg); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		s.mu.Lock()
		s.counts[r.URL.Path]++
		s.mu.Unlock()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) sent(path string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[path]
}
