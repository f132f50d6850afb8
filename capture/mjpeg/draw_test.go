package mjpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// drawn is a scene of soft shapes under sensor-like noise.
func drawn(w, h int, seed uint64, noise int) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 7))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			r := 90 + 60*x/w + 40*((x/23+y/17)%3) - 30*y/h
			g := 100 + 50*y/h + 30*((x/31+y/11)%2)
			b := 80 + (x*y/(w+1))%70
			n := rng.IntN(2*noise+1) - noise
			m.SetRGBA(x, y, color.RGBA{bound(r + n), bound(g + n), bound(b + n), 255})
		}
	}
	for y := h / 4; y < h/2; y++ { // hard edges that clip
		for x := w / 4; x < w/3; x++ {
			v := uint8(255 * ((x ^ y) & 1))
			m.SetRGBA(x, y, color.RGBA{v, v, v, 255})
		}
	}
	return m
}

func bound(v int) uint8 { return uint8(max(0, min(255, v))) }

// encoded is drawn by image/jpeg: 4:2:0, standard tables.
func encoded(t testing.TB, w, h, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, drawn(w, h, uint64(w*h), 9), &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tool runs a program of libjpeg-turbo on a file.
func tool(t testing.TB, in []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is missing (package libjpeg-turbo-progs)", name)
	}
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, in, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, append(args, file)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, &stderr)
	}
	return out
}

func ppm(m *image.RGBA) []byte {
	var b bytes.Buffer
	b.WriteString("P6 " + strconv.Itoa(m.Rect.Dx()) + " " + strconv.Itoa(m.Rect.Dy()) + " 255\n")
	for i := 0; i < len(m.Pix); i += 4 {
		b.Write(m.Pix[i : i+3])
	}
	return b.Bytes()
}

// pgm reads what djpeg -pnm writes.
func pnm(t testing.TB, b []byte) (w, h, channels int, pix []byte) {
	t.Helper()
	f := bytes.SplitN(b, []byte("\n"), 4)
	if len(f) != 4 {
		t.Fatalf("not a PNM file: %q", b[:min(20, len(b))])
	}
	size := bytes.Fields(f[1])
	w, _ = strconv.Atoi(string(size[0]))
	h, _ = strconv.Atoi(string(size[1]))
	channels = 1
	if string(f[0]) == "P6" {
		channels = 3
	}
	return w, h, channels, f[3]
}
