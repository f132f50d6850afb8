package capture

import (
	"fmt"
	"image"
	"math"
)

// View is what is known of a picture when the cover of its event is chosen.
type View struct {
	// Score is the detector's: the changed fraction of the watched area.
	Score float64
	// Box is the main moving thing: x, y, width, height in fractions of the
	// picture; zero where none was found or frames are not compared.
	Box [4]float64
	// Sharpness is [Sharpness] of the box, or 0 where it is not known. It is
	// compared within one event only.
	Sharpness float64
	// AfterTrigger is false for the pictures of the pre-roll.
	AfterTrigger bool
}

// Cover chooses the picture that shows an event best: the one in which the
// moving thing is large, whole, near the middle and sharp. Where no picture
// has a box it is the one in which most changed, and where nothing is known to
// have changed the first after the trigger: a PIR knows that something is
// there, not where. What that is worth test/bench/cover measures. The zero
// value is ready for one event.
type Cover struct {
	offered bool
	best    View
	seq     int
	quality float64
}

// Offer adds a picture by its number within the event and reports whether it
// is the best so far.
func (c *Cover) Offer(seq int, v View) bool {
	q := v.quality()
	if c.offered && !better(v, q, c.best, c.quality) {
		return false
	}
	c.offered, c.best, c.seq, c.quality = true, v, seq, q
	return true
}

// better orders by quality; where nothing is seen to move, by the score, then
// the first after the trigger.
func better(v View, q float64, best View, bestQ float64) bool {
	if q != bestQ {
		return q > bestQ
	}
	if q > 0 || v.Score != best.Score {
		return q == 0 && v.Score > best.Score
	}
	if v.AfterTrigger != best.AfterTrigger {
		return v.AfterTrigger
	}
	return !v.AfterTrigger // of the pre-roll the last, nearest to the trigger
}

// Best returns the number of the chosen picture and, in plain words, why; ok
// is false when none was offered.
func (c *Cover) Best() (seq int, why string, ok bool) {
	if !c.offered {
		return 0, "", false
	}
	v := c.best
	if c.quality == 0 {
		if v.Score > 0 {
			return c.seq, fmt.Sprintf("most changed: %.2g %% of the watched area, with no one thing moving", 100*v.Score), true
		}
		if v.AfterTrigger {
			return c.seq, "first picture after the trigger: nothing was seen to move in any", true
		}
		return c.seq, "last picture before the trigger: none came after it", true
	}
	place := "near the middle"
	if v.whole() < 1 {
		place = "partly out of the picture"
	} else if v.centred() < 0.75 {
		place = "off the middle"
	}
	return c.seq, fmt.Sprintf("best view of what moved: %.2g %% of the picture, %s", 100*v.Box[2]*v.Box[3], place), true
}

// A thing as large as fullSize of the picture is seen as well as it can be;
// growing beyond that earns nothing.
const fullSize = 0.5

// quality is a product, so that each factor counts by its ratio and the unit
// of sharpness does not matter. Size counts by its side length, not its area,
// as does what can be made out of a face; a thing twice as sharp weighs as
// much as one 1.4 times as wide.
func (v View) quality() float64 {
	area := v.Box[2] * v.Box[3]
	if !(area > 0) {
		return 0
	}
	q := math.Sqrt(min(area, fullSize)) * v.whole() * v.centred()
	if v.Sharpness > 0 {
		q *= math.Sqrt(v.Sharpness)
	}
	if !v.AfterTrigger {
		q *= 0.9 // at equal sight, what set off the event
	}
	return q
}

// whole is below 1 where the box touches an edge of the picture: the thing is
// probably cut off there. A touch of the lower edge is forgiven more, since a
// near person's feet are missed least.
func (v View) whole() float64 {
	const edge = 0.01
	w := 1.0
	if v.Box[0] < edge || v.Box[0]+v.Box[2] > 1-edge {
		w *= 0.6
	}
	if v.Box[1] < edge {
		w *= 0.8
	}
	if v.Box[1]+v.Box[3] > 1-edge {
		w *= 0.9
	}
	return w
}

// centred falls from 1 in the middle to 0.5 in the corners.
func (v View) centred() float64 {
	dx := 2*(v.Box[0]+v.Box[2]/2) - 1
	dy := 2*(v.Box[1]+v.Box[3]/2) - 1
	return 1 - min(dx*dx+dy*dy, 2)/4
}

// Sharpness measures how much fine detail a luma plane has inside a box given
// in fractions (a zero box: the whole plane): the mean squared difference of
// neighbours along both axes, in grey levels squared. It falls with motion
// blur and defocus.
func Sharpness(luma *image.Gray, box [4]float64) float64 {
	b := luma.Bounds()
	if box[2] > 0 && box[3] > 0 {
		w, h := float64(b.Dx()), float64(b.Dy())
		in := image.Rect(
			b.Min.X+int(box[0]*w), b.Min.Y+int(box[1]*h),
			b.Min.X+int(math.Ceil((box[0]+box[2])*w)), b.Min.Y+int(math.Ceil((box[1]+box[3])*h)))
		b = b.Intersect(in)
	}
	if b.Dx() < 2 || b.Dy() < 2 {
		return 0
	}
	sum := 0
	for y := b.Min.Y; y < b.Max.Y-1; y++ {
		i := luma.PixOffset(b.Min.X, y)
		row, below := luma.Pix[i:i+b.Dx()], luma.Pix[i+luma.Stride:i+luma.Stride+b.Dx()]
		for x := range len(row) - 1 {
			dx := int(row[x+1]) - int(row[x])
			dy := int(below[x]) - int(row[x])
			sum += dx*dx + dy*dy
		}
	}
	return float64(sum) / float64((b.Dx()-1)*(b.Dy()-1))
}
