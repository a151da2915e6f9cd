package profile

import (
	"net/netip"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// crossLength is the length of a packet of cross traffic at layer 3: the MTU.
const crossLength = 1500

// nsPerSecond is the length of a step of the pattern.
const nsPerSecond = 1_000_000_000

// Cross makes a trace of the packets of a UDP sender whose rate changes every
// second. A packet leaves as soon as the rate has brought its bits, so that every
// second has its rate to a packet, and the same pattern gives the same trace
// everywhere. The rate counts what uq's does: the IP packet and the link-layer
// header.
type Cross struct {
	rates  []uint64
	link   int
	need   uint64 // bit·ns/s of a packet
	credit uint64 // of the next packet
	second int
	at     uint64 // ns within the second
	flow   pkt.FlowKey
}

// NewCross makes the traffic; rates are in bit/s, at most maxCross, and linkHeader
// in bytes.
func NewCross(rates []uint64, linkHeader int) *Cross {
	c := &Cross{rates: rates, link: linkHeader, need: uint64(crossLength+linkHeader) * 8 * nsPerSecond}
	// Addresses for benchmarks (RFC 2544) and the discard port.
	c.flow = pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: 9, DstPort: 9}
	c.flow.SetAddrs(netip.AddrFrom4([4]byte{198, 18, 0, 1}), netip.AddrFrom4([4]byte{198, 18, 0, 2}))
	return c
}

// Header describes the trace.
func (c *Cross) Header(name string) traces.Header {
	return traces.Header{
		LinkHeader: c.link, Synthetic: "cross traffic of " + name,
		NotCaptured: []string{"payload", "what became of the packets"},
	}
}

// End closes it.
func (c *Cross) End() traces.End {
	return traces.End{Clean: true, DurationNs: int64(len(c.rates)) * nsPerSecond}
}

// Next fills r with the next packet; it returns false at the end.
func (c *Cross) Next(r *traces.Record) bool {
	for c.second < len(c.rates) {
		rate, left := c.rates[c.second], nsPerSecond-c.at
		missing := c.need - c.credit
		if rate == 0 || rate*left < missing {
			c.credit += rate * left
			c.second, c.at = c.second+1, 0
			continue
		}
		wait := (missing + rate - 1) / rate
		c.credit += rate*wait - c.need
		c.at += wait
		*r = traces.Record{
			Time:       pkt.Time(uint64(c.second)*nsPerSecond + c.at),
			KernelTime: traces.NoTime, VerdictTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime,
			Flow: c.flow, Len: crossLength, Segs: 1, HdrLen: 28,
		}
		return true
	}
	return false
}
