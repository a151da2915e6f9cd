// Package wifi is an 802.11 access point's medium as a link: stations with rates
// of their own, EDCA's contention, aggregates, block acknowledgements, retries
// and the airtime all of that takes.
//
//	scheduler ─► driver ─► hardware ─┐                            ┌─► receiver puts
//	 by station   FIFO of   two      ├─ contention ─ PPDU ─ answer ┤   them in order
//	 or not       stations  ready    │  AIFS, slots, collisions    └─► again, or
//	                                 │                                 given up
//	station: own FIFO ─► aggregate ──┘
//
// A [Medium] is passive. An opportunity, [Medium.Transmit], is the next time
// that somebody has the medium: the access point, a station that sends itself, or
// several, who collide. What each stretch of time was used for is in [Stats], which
// accounts for all of it, and told to OnAir.
//
// # Where the packets are
//
// A scheduler that knows stations is asked whose turn it is for each aggregate.
// From any other the driver takes up to Config.Driver packets and serves its
// stations in turn, as drivers did below a qdisc. Up to Config.Hardware aggregates
// of a category wait for the medium. Packets from stations ([Medium.Uplink]) wait
// in the station, and what a station makes up itself ([Uplink]) is not seen
// outside.
//
// # What is the standard's and what is not
//
//   - Durations are TXTIME of the PHY's clauses, with the signal extension at 2.4
//     GHz, mixed format for HT and HE-LTFs of 8 us.
//   - EDCA counts at slot boundaries, DCF when slots have passed. A station that
//     heard a collision waits for EIFS from the end of the frame that ends first.
//     Boundaries of stations that count from different instants do not meet.
//   - Whose turn it is to send is decided when the medium falls idle, or when there
//     is something to send on an idle one. A packet that arrives during the
//     contention that follows contends for the next exchange.
//   - Everybody hears everybody: no hidden stations, no capture, no interference
//     from elsewhere. A frame is lost in a collision, or with a probability that
//     depends on the station and the mode, not on its length.
//   - Of a super-packet each segment is an MPDU. The packet is lost if one of its
//     segments is given up.
//   - The block ack's window and reordering are as agreed, agreements themselves
//     are not on the air, nor block ack requests: what the receiver held back for an
//     MPDU that is given up it hands on at once.
//   - A PPDU is for one station: neither MU-MIMO nor OFDMA. There is no management
//     traffic but beacons, and power save has no frames of its own.
//   - Without TXOP an exchange may take as long as its PPDU does. Within one, after
//     a failure the medium is contended for.
package wifi
