//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

// clips of the corpus that are scaled to the sizes measured: a road, a room, a
// garden.
var clips = []string{"cd_highway", "fall_room", "nest_atv"}

const perClip = 20

// rawFrames are RGB frames of the size: real footage scaled with lanczos under
// sensor-like noise where ffmpeg and the corpus are there, else a drawn scene.
func rawFrames(w, h int) (rgb []byte, from string) {
	corpus := os.Getenv("PIRWATCH_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "shared", "corpus", "dev")
	}
	for _, clip := range clips {
		out, err := exec.Command("ffmpeg", "-v", "error", "-ss", "3", "-i", filepath.Join(corpus, clip, "clip.avi"),
			"-vf", fmt.Sprintf("scale=%d:%d:flags=lanczos,noise=alls=8:allf=t+u", w, h),
			"-frames:v", fmt.Sprint(perClip), "-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
		if err != nil || len(out) == 0 {
			return drawn(w, h), "drawn (no ffmpeg or no corpus)"
		}
		rgb = append(rgb, out...)
	}
	return rgb, "footage"
}

func drawn(w, h int) (rgb []byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range perClip {
		for y := range h {
			for x := range w {
				v := 60 + 80*x/w + 40*y/h + 25*((x/37+y/29+i)%3) + (x*y>>9)%20
				for c := range 3 {
					rgb = append(rgb, byte(max(0, min(255, v+10*c+rng.IntN(17)-8))))
				}
			}
		}
	}
	return rgb
}

// writeSet encodes with the peer, or with image/jpeg when there is none (which
// knows 4:2:0 only).
func writeSet(name, peer string, rgb []byte, w, h, hs, vs int) error {
	var out bytes.Buffer
	if peer != "" {
		cmd := exec.Command(peer, "encode", fmt.Sprint(w), fmt.Sprint(h), fmt.Sprint(hs), fmt.Sprint(vs))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(rgb), &out, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("encode the test frames: %w", err)
		}
		return os.WriteFile(name, out.Bytes(), 0o600)
	}
	for ; len(rgb) >= 3*w*h; rgb = rgb[3*w*h:] {
		m := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range w * h {
			copy(m.Pix[4*i:], rgb[3*i:3*i+3])
		}
		var pic bytes.Buffer
		if err := jpeg.Encode(&pic, m, &jpeg.Options{Quality: 80}); err != nil {
			return err
		}
		out.Write(binary.LittleEndian.AppendUint32(nil, uint32(pic.Len())))
		out.Write(pic.Bytes())
	}
	return os.WriteFile(name, out.Bytes(), 0o600)
}
