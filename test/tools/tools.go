// Package tools names the programs that build packages, so that their versions
// stand in this module's go.mod and their modules stay out of the daemon's.
package tools
