package chunk

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// pairs has the two characters of every 12 bits, the first in the low byte.
var pairs = func() (t [4096]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range t {
		t[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return t
}()

// appendBase64 is base64.StdEncoding.AppendEncode, at half its cost: it looks
// up two characters at a time. Encoding is the largest part of making a piece.
func appendBase64(dst, src []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, base64.StdEncoding.EncodedLen(len(src)))
	dst = dst[:at+base64.StdEncoding.EncodedLen(len(src))]
	out := dst[at:]
	for len(src) >= 8 && len(out) >= 8 { // six bytes a turn, of eight that are read
		v := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(out, uint64(pairs[v>>52])|uint64(pairs[v>>40&4095])<<16|
			uint64(pairs[v>>28&4095])<<32|uint64(pairs[v>>16&4095])<<48)
		src, out = src[6:], out[8:]
	}
	base64.StdEncoding.Encode(out, src)
	return dst
}
