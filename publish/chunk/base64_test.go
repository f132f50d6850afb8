package chunk

import (
	"bytes"
	"encoding/base64"
	"testing"
)

func TestAppendBase64(t *testing.T) {
	src := make([]byte, 300)
	for i := range src {
		src[i] = byte(i*i + i>>3)
	}
	for n := range src {
		want := append([]byte("x"), base64.StdEncoding.EncodeToString(src[:n])...)
		if got := appendBase64([]byte("x"), src[:n]); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func BenchmarkAppendBase64(b *testing.B) {
	src, dst := jpegOf(2250), make([]byte, 0, 3000)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(2250)
		for b.Loop() {
			appendBase64(dst, src)
		}
	})
	b.Run("std", func(b *testing.B) {
		b.SetBytes(2250)
		for b.Loop() {
			base64.StdEncoding.AppendEncode(dst, src)
		}
	})
}
