// Package guest holds the tests that run inside the lab's virtual machine: the
// drivers on the real kernel's GPIO simulator (gpio-sim) and on real V4L2 devices
// (vivid, v4l2loopback). They are built with the tag "lab", compiled by the test
// of package lab, and skip anywhere else.
package guest
