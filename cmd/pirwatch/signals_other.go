//go:build !unix

package main

import "os"

// There is no signal here that asks for a reload. One is named all the same,
// since none would mean all.
var hangup = []os.Signal{os.Kill}
