package frames

// The clutter map's regions: coarse, so that one leaf's neighbours share what
// is known of it.
const (
	regionsX = 8
	regionsY = 6
	clutterS = 20 // seconds until a restless thing is forgotten to a third
)

// clutter remembers, per region, how large the things were that appeared there
// and went nowhere.
type clutter struct {
	size [regionsY][regionsX]float64 // cells
}

// feed adds something that came to nothing.
func (c *clutter) feed(m *model, x0, y0, x1, y1 int, size float64) {
	rx0, ry0, rx1, ry1 := regions(m, x0, y0, x1, y1)
	for y := ry0; y <= ry1; y++ {
		for x := rx0; x <= rx1; x++ {
			if s := &c.size[y][x]; size > *s {
				*s += (size - *s) * 0.5
			}
		}
	}
}

func (c *clutter) fade(dt float64) {
	k := 1 - dt/(dt+clutterS)
	for y := range c.size {
		for x := range c.size[y] {
			c.size[y][x] *= k
		}
	}
}

// at is the largest restless thing known where the blob is.
func (c *clutter) at(m *model, b *blob) float64 {
	most := 0.0
	rx0, ry0, rx1, ry1 := regions(m, b.x0, b.y0, b.x1, b.y1)
	for y := ry0; y <= ry1; y++ {
		for x := rx0; x <= rx1; x++ {
			most = max(most, c.size[y][x])
		}
	}
	return most
}

func regions(m *model, x0, y0, x1, y1 int) (rx0, ry0, rx1, ry1 int) {
	return x0 * regionsX / m.w, y0 * regionsY / m.h, x1 * regionsX / m.w, y1 * regionsY / m.h
}
