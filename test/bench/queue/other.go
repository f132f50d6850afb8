//go:build !linux

package main

import "fmt"

func main() { fmt.Println("skipped: it counts a Linux block device's sectors; only on Linux") }
