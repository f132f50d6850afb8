//go:build !linux

package quiet

import "io"

func reader(r io.Reader) io.Reader { return r }
