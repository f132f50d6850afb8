//go:build !unix

package configs

import "io/fs"

// worldReadable cannot be told from a mode where access lists decide.
func worldReadable(fs.FileInfo) bool { return false }
