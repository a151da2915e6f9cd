// Package inject sends the packets of a trace through a real NFQUEUE in a wire
// (netns.Wire) and accounts for each of them.
//
//	trace ─ Feed ─► source ══► router: queue, replay.Live ══► sink
//	                  │                 │                       │
//	               sent log     arrivals log, outcome       received log
//	                  └─────────────────┴───────────┬───────────┘
//	                                              Join ─► Balance, Comparison
//
// Every packet is due at its recorded time, divided by the speed, after one
// absolute start; never a gap after the packet before it, which would add up
// errors. The three processes read the same CLOCK_MONOTONIC, so their times
// compare. Packets are told apart by the number that their headers carry: the
// 16 bits in IPv4's identification, 20 in IPv6's flow label. A copy that the link
// makes carries its original's: the router tells when it sent one.
//
// What a process has to tell of each packet goes to a log file of fixed-size
// entries; the logs are joined when all have ended.
package inject
