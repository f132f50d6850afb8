// Package lab proves the whole on a system that is not this one: a real systemd
// in a container, a virtual machine whose kernel has GPIO chips and cameras, and
// qemu's model of a Pi 3.
// Its tests are built with the tag "lab"; a missing program skips a test, or
// fails it where PIRWATCH_REQUIRE_PEERS is set, as in CI. What takes long to build
// is kept in PIRWATCH_CACHE (default: pirwatch-lab in the user's cache directory).
package lab
