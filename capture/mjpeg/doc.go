// Package mjpeg reads streams of JPEG pictures: it cuts a byte stream into
// pictures, mends those that lack their Huffman tables, and decodes them at a
// fraction of their size, which is all that detection and thumbnails need.
//
// "T.81" in comments is ITU-T Recommendation T.81 (ISO/IEC 10918-1), the JPEG
// standard.
package mjpeg

// Markers of T.81 table B.1 that this package looks at.
const (
	sof0  = 0xc0 // baseline
	sof1  = 0xc1 // extended sequential
	sof2  = 0xc2 // progressive
	dht   = 0xc4
	jpg   = 0xc8
	dac   = 0xcc
	rst0  = 0xd0
	rst7  = 0xd7
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dri   = 0xdd
	app14 = 0xee
	tem   = 0x01
)

func isSOF(m byte) bool {
	return m >= sof0 && m <= 0xcf && m != dht && m != jpg && m != dac
}

// bare reports whether a marker stands alone, without a length and a body.
func bare(m byte) bool { return m == tem || m >= rst0 && m <= eoi }
