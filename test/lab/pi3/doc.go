// Package pi3 holds the tests that run on qemu's model of a Raspberry Pi 3, whose
// kernel has the real pinctrl-bcm2835 and whose memory has the real register
// block. They are built with the tag "lab"; the test binary is the machine's
// first and only process. Anywhere else they skip.
package pi3
