// Package replay drives the simulator's port from a real queue, and proves that
// it decided as the simulator does.
//
//	NFQUEUE ──arrivals──► egress.Port ──events──► verdicts ──► NFQUEUE
//	    │                   (sim)                     │
//	    └── received at t ────────────► journal ◄─────┘ decided, due, given at t'
//	                                       │
//	                                   traces.Writer ──► Verify
//
// [Live] is the loop. It stamps each arrival when it is received, hands it to
// the port with that time, sleeps until the port is due or a packet comes, and
// gives verdicts for what the port released or dropped. A late wake-up changes
// no decision: what was due earlier happens at its due time, and the lateness is
// measured apart. So the decisions are a pure function of the recorded arrivals
// and the configuration in the trace's header, and [Verify] computes them again.
//
// # Copies and flipped bits
//
// A link may copy packets and corrupt them, which no plain verdict does. For such
// a link ([Whole]) the queue takes packets whole and one by one: without GSO,
// which has the kernel complete their checksums too, and with the largest copy
// range. An original is let go by its verdict, as ever. A copy is sent by a raw
// socket (package raw) at its own due time, in the order of the decisions, by the
// device of its original; it has no record, but its original's says that it was
// copied, and the digest has its times. A corrupted packet is one with a verdict
// that carries all its bytes, one bit of which is another. The bits follow from
// the seed: the n-th number x of the stream "link/corrupt/bit" is for the n-th
// packet that arrives corrupted, and flips bit floor(x*bits/2^64) of those behind
// its IP header. With another address it would go to a host that has nothing to do
// with it.
//
// What cannot be copied or changed is counted by its reason and written to the
// trace ([Rewrites]): packets of more than 65531 bytes, packets on their way into
// this host, what a firewall or a full device refuses. A copy leaves through the
// output hook, not the forward hook.
package replay
