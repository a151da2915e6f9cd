// Package traces is the compressed trace: what it holds (record.go), how it is
// laid out (FORMAT.md, and spec.go for the columns), and its readers and writers.
//
//	Record, Event ──► Writer ──► blocks ──► Reader ──► Record    front to back
//	                                    ├─► File ────► Block     anywhere, in parallel
//	                                    └─► Source ──► pkt.Packet for a simulation
//	                  TextWriter ► text ──► TextReader           the twin for people
//	                  JSONWriter ► JSON lines                    for other programs
//
// A trace is a sequence of independent zstd frames with a small marker before
// each. Whatever is cut or damaged, the blocks that are whole are read, and the
// *Damage tells the rest. Readers trust no length in a file: memory is bounded by
// the limits in limits.go.
package traces
