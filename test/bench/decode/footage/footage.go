// Package footage makes the frames that benchmarks of pictures run on.
package footage

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

// clips of the corpus that are scaled to the sizes measured: a road, a room, a
// garden.
var clips = []string{"cd_highway", "fall_room", "nest_atv"}

// Frames are RGB frames of the size, perClip of each clip: real footage scaled with lanczos under
// sensor-like noise where ffmpeg and the corpus are there, else a drawn scene.
func Frames(w, h, perClip int) (rgb []byte, from string) {
	corpus := os.Getenv("PIRWATCH_CORPUS")
	if corpus == "" {
		corpus = filepath.Join("..", "shared", "corpus", "dev")
	}
	for _, clip := range clips {
		out, err := exec.Command("ffmpeg", "-v", "error", "-ss", "3", "-i", filepath.Join(corpus, clip, "clip.avi"),
			"-vf", fmt.Sprintf("scale=%d:%d:flags=lanczos,noise=alls=8:allf=t+u", w, h),
			"-frames:v", fmt.Sprint(perClip), "-f", "rawvideo", "-pix_fmt", "rgb24", "-").Output()
		if err != nil || len(out) == 0 {
			return drawn(w, h, perClip), "drawn (no ffmpeg or no corpus)"
		}
		rgb = append(rgb, out...)
	}
	return rgb, "footage"
}

func drawn(w, h, n int) (rgb []byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range n {
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
