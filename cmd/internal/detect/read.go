package detect

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"time"

	"pirwatch/capture/clip"
	"pirwatch/capture/mjpeg"
)

// frame is one picture of a clip, decoded for the detector.
type frame struct {
	n, of int // of: -1 where the clip does not say
	at    time.Time
	fps   float64
	w, h  int // of the picture
	luma  *image.Gray
	err   error // why it could not be decoded
}

// zero is when every clip begins: decisions do not depend on the wall clock.
var zero = time.Unix(0, 0).UTC()

// each hands over the pictures of a clip, at the times they were taken. What is
// handed over is valid during the call. Pictures that cannot be decoded come
// with their error, because frame n of the results is frame n of the clip.
func each(ctx context.Context, path string, see func(frame) error) error {
	r, err := clip.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	f := frame{of: r.Frames(), fps: r.FPS()}
	if !(f.fps > 0) {
		f.fps = clip.DefaultFPS
	}
	var dec mjpeg.Decoder
	bad := 0
	for ; ctx.Err() == nil; f.n++ {
		jpeg, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		f.at = zero.Add(time.Duration(float64(f.n) / f.fps * float64(time.Second)))
		if f.luma, f.err = dec.Luma(jpeg); f.err != nil {
			bad++
		} else {
			f.w, f.h, _ = mjpeg.Size(jpeg)
		}
		if err := see(f); err != nil {
			return err
		}
	}
	if f.n == 0 && ctx.Err() == nil {
		return errors.New("the clip has no pictures")
	}
	if bad == f.n && bad > 0 {
		return fmt.Errorf("none of its %d pictures can be decoded: %w", bad, f.err)
	}
	return ctx.Err()
}
