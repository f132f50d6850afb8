// Package queue keeps what is to be delivered until the broker has
// acknowledged it: in RAM while that is quick, on disk when it is not.
package queue
