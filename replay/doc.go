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
package replay
