// Package explain says why a packet of a run was dropped, marked or late.
//
//	trace ──► Observer.Source ──► port ──► Observer.Event, .opportunity
//	              │                                │
//	              └── steps the port, asks its     └──► who was ahead, who went
//	                  scheduler before each step        first, what the link did
//
// An [Observer] is a Sink, and a Source around the run's own: from the arrival of
// a packet it explains until the decision about it, it lets the port act one
// instant at a time and asks the scheduler for its state between ([sched.Explain]).
// The port does what it would have done in one go. A [Finder] names the packets
// worth explaining in a pass before.
//
// # Where the time went
//
// A packet's time from its arrival until it left for good is divided without rest:
//
//	behind its flow   the link sent packets of its own flow
//	behind others     the link sent other packets
//	link withheld     the link was busy without a packet of the queue: it contended,
//	                  received, or waited for its next opportunity
//	scheduler waited  the link was free, and the scheduler let nothing go
//	link held         an access point, or a station, had it and sent others, waited
//	                  for a beacon, or sent it in vain
//	transmission      its own opportunity, with the packets it shared it with
//	beyond            propagation, and whatever else came after that opportunity
//
// A packet's own opportunity is the one in which the link took it, in a cell the
// one in which it was received or given up, from the contention before it on. The
// air of those in which it was only taken, or sent in vain, counts as that of the
// packets they took for whoever waits meanwhile.
//
// An opportunity that took several packets is divided among them by their bytes,
// also where one of them was lost at no cost of airtime.
package explain
