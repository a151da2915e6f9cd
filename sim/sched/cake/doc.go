// Package cake is tc's cake, Common Applications Kept Enhanced (Høiland-
// Jørgensen, Täht and Morton, "Piece of CAKE: A Comprehensive Queue Management
// Solution for Home Gateways", LANMAN 2018; tc-cake(8)), with the rules of
// Linux.
//
// A packet's DSCP chooses a tin, its hash one of the tin's 1024 queues. Whenever
// the shaper allows a packet, a tin is chosen, in it a flow, and the flow's
// control law (package cobalt) chooses the packet:
//
//	       ┌ tin: voice        set-associative     ┌ sparse flows: first
//	DSCP ──┤ tin: best effort ──────────────► flow ┤
//	       └ tin: bulk             hash            └ bulk flows: deficit round robin,
//	           │                                     │         shared out by hosts
//	           ▼ the last tin under its threshold    ▼
//	  shaper: a virtual clock, by bytes ◄───────── COBALT: mark, drop, deliver
//	  as the link counts them
//
// # Parameters
//
//	bandwidth RATE|unlimited, autorate-ingress    the shaper (unlimited)
//	besteffort precedence diffserv3|4|8           tins (diffserv3)
//	flowblind srchost dsthost hosts flows
//	dual-srchost dual-dsthost triple-isolate      what is fair (triple-isolate)
//	rtt TIME, datacentre .. interplanetary        target and interval (100ms)
//	raw atm ptm noatm overhead N mpu N
//	and words for kinds of links                  what a packet costs (raw)
//	[no]wash ingress|egress [no-]split-gso        (nowash egress split-gso)
//	ack-filter[-aggressive] no-ack-filter         (no-ack-filter)
//	memlimit SIZE                                 (4·bandwidth·rtt, 4 to 15 MB)
//	[no]nat, fwmark MASK                          read and printed only
//
// # What to know of it, as in Linux
//
//   - A tin goes ahead of those before it in order while under its threshold:
//     bulk, too, precedes best effort up to 1/16 of the rate. Without a shaper
//     tins share by weights.
//   - There is no limit in packets. The limit on memory, at most that of 10240
//     full packets, drops from the head of the longest queue.
//   - The last packet of a queue is never dropped by the control law; a fresh
//     queue's first excursion above target is signalled at once (see cobalt).
//   - More flows than queues share queues. A flow whose queue another took over
//     may be given a second one, and its packets then pass each other.
//   - The time of each packet is rounded down to a nanosecond: less than 0.1 % of
//     a full packet's at 10 Gbit/s, but up to 2 % of a 64-byte packet's.
//   - In ingress mode what is dropped is charged to the link, but two thirds of
//     the rate get through however much is dropped.
//   - sent_packets and sent_bytes count arrivals; memory_used is the most there
//     was.
//
// # Differences from Linux
//
//   - Hashes of flows and addresses are keyed by the run's seed. Ports count for
//     TCP, UDP and SCTP only, tunnels are not looked into, both directions of a
//     connection are told apart.
//   - A quantum divided by a host's flows carries its fraction to the flow's next
//     quantum. Linux rounds it up or down at random.
//   - Of queues of equal length, overflow takes the first; in Linux it depends on
//     what was queued before.
//   - The ack filter sees how long the options of a segment are, not what they
//     say. It takes an acknowledgement for pure with no options or 12 bytes of
//     them (timestamps), and makes it redundant only by a higher number: Linux also
//     drops those that a longer SACK for the same number makes redundant, and
//     reads timestamps. The segments of a super-packet that a simulation splits
//     count as newer acknowledgements; in Linux they do not.
//   - A super-packet that could not be split (a live queue cannot) is charged as
//     its segments, sharing out its payload evenly, under every option.
//   - nat has no effect: hosts are told apart by the addresses the queue sees. No
//     firewall marks, no external classifiers.
//   - Wash clears the codepoint of the packet here; a live queue's packet keeps
//     it.
//   - Memory counts pkt.Packet.TrueSize, an estimate of skb->truesize.
//   - Options may be finer than a microsecond. With autorate-ingress the line
//     printed keeps the bandwidth given; capacity_estimate follows. As the first
//     packet arrives there has been silence for ever.
//   - No cake_mq.
//   - What package cobalt lists.
package cake
