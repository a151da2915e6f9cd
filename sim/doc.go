// Package sim runs a scheduler and a link in virtual time. This page is the
// architecture of uq.
//
// # The one idea
//
//	trace ──► packet ──► [ scheduler ─► link ] ──► events ──► verdicts (live)
//	(traces)  (sim/pkt)      (sim/egress.Port)                metrics  (both)
//
// The box decides and nothing else does. It is passive: no clock, no goroutine,
// no I/O. Two loops drive it: this package from recorded or virtual times, the
// live loop from the real queue and a timer. A departure happens at its due
// time, never at "when the loop woke", so the decisions of a live run are a pure
// function of its recorded arrivals and its configuration.
//
// # The rooms, in order of dependency
//
//	sim/pkt            Time, Packet, Flow, ECN, Reason (standard library only)
//	sim/random         the random streams of a run
//	sim/tc             values, options and lines as tc writes them
//	sim/sched          what a scheduler is
//	  cake codel cobalt drr dualpi2 fifo fqcodel fqpie   the schedulers,
//	  mac80211 pfifofast pie prio red sfq tbf            a package each
//	  fq               rounds by deficit, new flows first: fq_codel, fq_pie, mac80211
//	  builtin          the one list of them
//	  schedtest        the conformance suite
//	sim/link           what a link is; rate, rate-file, schedule, unlimited, and
//	                   netem's impairments around them
//	  linktest         the conformance suite
//	  builtin          the one list of them
//	  wifi             an access point's 802.11 medium: contention, aggregates, sleep
//	sim/egress         Port joins one scheduler to one link; Maker makes it from
//	                   words; Event, Digest
//	sim/report         events to numbers to words and JSON
//	  series           a run over time, in bounded memory
//	  svg figure       figures for papers; html: the page; plot: a terminal
//	sim/explain        why a packet was dropped, marked or late; diff: two runs compared
//	sim/metric         numbers of a report by name, and assertions about them
//	sim/scenario       what to run and what to expect of it, from a file
//	sim                Run, RunAll, Loop with Agents
//	traces             the compressed trace; a Source for Run
//	  corpus synth     real recordings; made-up ones
//	record             the capture loop: accepts at once, writes down
//	  nfq decode nft   the queue's socket; headers to records; rules
//	  nfq/plain        go-nfqueue's own way, to compare with; nfq/nfqtest: a fake queue
//	  livetest         tests inside namespaces of their own
//	  thread metrics   where the loops run; Prometheus
//	replay             the live loop around a Port, and Verify
//	  raw              copies of packets, past the queue
//	  netns            the lab: namespaces, a bottleneck, traffic
//	  inject           sends a trace through a lab, accounts for every packet
//	  bench            what queues in userspace cost, beside their peers
//	  doctor           tries what a machine can do, says how to get the rest
//	traces/interop     what happened as one stream of events, for other programs
//	  pcap table parquet flent hdr mahimahi   the formats, and formats, the list
//	  tools            holds exports against those programs; interoptest: runs to export
//	  profile          networks that other emulators describe, as scenarios
//	cmd/cli            the command as a package; cmd/uq is main around it
//
// Imports point up this list only. Nothing under sim reaches the network, the
// file system, a clock or a goroutine; purity_test.go holds it to that.
//
// # Order
//
// At equal times departures come before arrivals, deliveries before the link's
// next opportunity, and arrivals keep their order in the trace. When the link
// falls free the scheduler is asked once even if nothing is queued, as a
// qdisc's dequeue is: CoDel's state depends on it.
//
// # Opportunities
//
// A link is more than a rate. [link.Link] is given an opportunity at its due
// time, asks the scheduler for as many packets as it will carry (none, one, an
// aggregate), states each one's outcome, and says when it is free again. A
// wireless medium that contends before it sends, or fails, fits: an opportunity
// may be busy without taking a packet.
//
// # Stations
//
// A link may reach several stations, as an access point's medium does
// ([link.Stationed]). A scheduler that keeps its packets by station ([sched.Stations])
// says whose turn it is, the link how many packets go at once, and what airtime they
// took; any other scheduler fills the driver's queue below it. What a station sends
// passes no scheduler: the port hands it to the link ([link.Uplinker]), where it
// contends for the same air.
//
// # Determinism
//
// The same trace, configuration and seed give the same events on every machine.
// Decision paths use integers only. Randomness comes from [random.Stream], a stream per
// component named after it, so that adding one disturbs no other. The digest of
// a run ([egress.Digest]) is over canonical events, never over compressed bytes.
//
// # Memory
//
// Packets come from a free list and go back to it; nothing is allocated per
// packet, and what a run needs does not grow with the trace.
package sim

import (
	_ "github.com/uqtool/uq/sim/link" // for the doc links above
	_ "github.com/uqtool/uq/sim/random"
	_ "github.com/uqtool/uq/sim/sched"
)
