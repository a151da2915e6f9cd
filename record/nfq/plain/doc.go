// Package plain is a queue program as go-nfqueue's own documentation writes one:
// a callback for each packet, a verdict in it. It is there to be measured beside
// package nfq.
package plain

// Counts is what a program saw.
type Counts struct {
	Packets uint64
	Bytes   uint64
	// Errors counts what the library reported while it received, lost messages
	// (ENOBUFS) among them.
	Errors uint64
}
