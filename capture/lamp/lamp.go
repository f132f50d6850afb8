// Package lamp switches a GPIO output: an infrared lamp at night, or a status LED.
package lamp

// Options name the line. The chip's name comes from whoever found it (the same
// chip as the sensor's, on a Pi), since chips are not to be told by their number.
type Options struct {
	Chip      string // as under /dev, for example gpiochip0
	Line      int    // offset on the chip; on a Pi the BCM number
	ActiveLow bool   // the lamp shines while the line is low
}
