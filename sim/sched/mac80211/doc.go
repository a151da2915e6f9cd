// Package mac80211 is the queueing of Linux's WiFi stack: a FQ-CoDel of its own
// for every station and traffic identifier, and between them a round robin or
// airtime fairness ("Ending the Anomaly", USENIX ATC 2017).
//
//	                      ┌ flows ─ CoDel ┐
//	       station, TID   │ flows ─ CoDel ├─ queue ┐  round of the
//	packet ─────────────► └ default flow  ┘        ├─ access category ──► aggregate
//	                                       queue ──┘  a deficit of airtime
//	                        4096 flows, shared        per station, AQL
//
// The link's scenario says which stations there are, and the link asks for each
// access category whose turn it is; see [sched.Stations]. On a link without
// stations all packets are for one, and Dequeue takes a packet of each queue in
// turn, those of the highest category first.
//
// # What to compare
//
//	pfifo                   the old stack: one FIFO above the driver's
//	fq_codel                the qdisc above the driver's FIFO
//	mac80211                FQ-CoDel for each station, stations in turn
//	mac80211 airtime        in turn by airtime
//	mac80211 airtime aql    besides, little airtime pending below, as drivers with
//	                        firmware have it
//
// # Flows
//
// A packet's hash picks one of the flows that all queues share. If another queue
// has packets in it, the packet goes to the default flow of its own queue. Within
// a queue flows are served as fq_codel serves them, with a quantum of 300 bytes;
// CoDel looks at the flow's own backlog, and never drops a flow's last packet.
// What is too much is dropped from the head of the longest flow of all: up to
// drop_batch packets, at most half of it.
//
// # Turns
//
// Each category has a round of the queues with packets, or with packets that the
// link holds to send again. Without airtime fairness the queue at the front has a
// turn, as many packets as the link takes at once, and goes to the back.
//
// With it a station has a deficit of airtime per category, to which its weight in
// µs is added when it is at the front with less than nothing; it then goes to the
// back. It stays in front as long as it has credit, and a queue that gets its
// first packet enters there. So the airtime of busy stations is as their weights,
// and a sparse one is served next. All airtime is charged: that of failed attempts
// and what the station sends itself. Group-addressed packets have one queue, of
// best effort, without a deficit: a turn each round. A station that sleeps has no
// turn until the link has woken it.
//
// A queue that has run empty in debt stays in the round for the time "keep", in
// which its deficit recovers; airtime of a station that has had nothing queued
// for so long is not charged.
//
// # AQL
//
// With "aql" a station in a category gets no more packets while those it has below
// are worth aql_low of airtime; aql_high as long as all stations' together are
// below aql_threshold. The airtime is what the link expects at the station's rate.
// It also counts against the deficit, as since Linux 6.1. The group's limit is
// aql_multicast.
//
// # Differences from Linux
//
//   - All options are debugfs files or constants there. The defaults are those of
//     Linux 6.15 and later; "slow" is what earlier ones did to a station whose
//     expected throughput is below 6 Mbit/s times the number of stations, and
//     drop_batch 1, keep 0 what was before 5.12 and 6.1.
//   - The flow hash is keyed by the run's seed. memory_limit counts
//     pkt.Packet.TrueSize.
//   - There is no round number that keeps a queue from a second turn in one round:
//     the link asks when it has room.
//   - When AQL lets no station go, none is given airtime.
//   - A station that has run empty pays its debt in the round also when that shows
//     only afterwards, as it does without AQL; in Linux it has left by then.
//   - AQL's estimate is in proportion to the bytes below, at the rate of now; in
//     Linux each packet keeps the estimate of its own rate.
//   - Linux takes super-packets apart before it queues them. Here they are queued
//     as they come: gso split in the simulation does what Linux does.
//   - The user priority is RFC 8325's and RFC 8622's for the DSCP, which older
//     kernels took from its upper three bits; nobody sets another map.
//   - The link is done with a packet for AQL when it is delivered in order, which
//     can be later than its acknowledgement.
//   - Queues for management frames, fragments and mesh do not exist.
//   - What package codel lists.
package mac80211
