//go:build unix

package configs

import "io/fs"

func worldReadable(info fs.FileInfo) bool { return info.Mode().Perm()&0o007 != 0 }
