//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
)

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
