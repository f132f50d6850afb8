// Package queue keeps what is to be delivered until the broker has
// acknowledged it: in RAM while that is quick, on disk when it is not.
//
// Safe means: synced to disk. An item is safe when Put has returned nil under
// Spool = always, and within Deadline and the time of one write otherwise, as
// long as Run runs. A safe item is found again after a crash or a power cut,
// byte for byte, until Done, Quarantine or a full queue takes it out. It may
// be found once more after Done: removals are written a second later.
//
// The invariants of the layout on disk:
//
//  1. A record counts if its header's checksum is right and it carries the life
//     of its segment. A life is a random number, new whenever a segment is used
//     afresh, so that what older lives left behind never counts.
//  2. Records are only ever written behind the last one of their segment. What
//     is safe is never written over while it is safe.
//  3. A segment starts a new life only after a header was synced that says that
//     all its records are removed.
//  4. Of the two header slots, the one that was synced last is not written over.
//     Removals are bits in the header, so they cost no room and cannot outlive
//     their records.
//  5. A record tells up to which record everything was synced when it was
//     written. A start checks the bodies of those after the last so told; all
//     others are whole, and are checked when they are read.
//  6. Before a record is moved out of a segment that holds little, its copy is
//     synced; of two copies a start takes the older.
//  7. An item leaves RAM only after the sync that covers its record. After a
//     sync that failed, none is tried until all files were closed and read afresh,
//     and what is in RAM is written again elsewhere.
//
// Order and age never depend on the wall clock: a sequence number is a boot
// counter, one more than the largest found, and a count of Puts.
//
// Memory: about 300 bytes an item besides its bytes in RAM, which for a 16,384
// item queue is 5 MB; the bytes in RAM are bounded by RAMBytes, and by as much
// again while a group is written and its items are delivered meanwhile.
package queue
