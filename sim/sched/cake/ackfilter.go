package cake

import "github.com/uqtool/uq/sim/pkt"

// ackFilter is how readily acknowledgements are dropped that a newer one in the
// same queue makes redundant.
type ackFilter uint8

const (
	noAckFilter ackFilter = iota
	// ackConservative drops one only when a second redundant one is queued.
	ackConservative
	// ackAggressive also drops the only one, if the newer one comes right behind
	// it with the same ECN flags.
	ackAggressive
)

// TCP's flags.
const (
	flagSYN = 0x002
	flagACK = 0x010
	flagECE = 0x040
	flagCWR = 0x080
	flagECN = flagECE | flagCWR
)

const (
	ip4Len, ip6Len, tcpLen = 20, 40, 20
	// stampsLen is the length of TCP's timestamps, or of one block of selective
	// acknowledgement where the connection has none; padded.
	stampsLen = 12
)

// redundant finds the oldest acknowledgement in f that the packet at its tail,
// just queued, makes redundant, and the packet before it; nil for none.
//
// What the packets' options say is not known, only how long they are. An
// acknowledgement counts as pure with no options or with 12 bytes of them:
// timestamps, or a single block of selective acknowledgement. The block of an
// older acknowledgement with a lower number is told again by a newer one if that
// has any, since receivers report every block that fits (RFC 2018); so a newer
// one must have no fewer options.
func (a ackFilter) redundant(f *flow) (prev, ack *pkt.Packet) {
	newer := f.tail
	if f.head == newer || newer.Flow.Proto != pkt.ProtoTCP || newer.TCPFlags&(flagACK|flagSYN) != flagACK {
		return nil, nil
	}
	found := 0
	var ecn uint16 // of ack
	var before *pkt.Packet
	for p := f.head; p != newer; before, p = p, p.Next {
		if p.Flow != newer.Flow && p.Flow.FlowKey != newer.Flow.FlowKey {
			continue
		}
		if ack != nil && p.TCPFlags&flagECN != ecn { // dropping ack would lose the change
			prev, ack = nil, nil
			found--
		}
		if !supersedes(newer, p) {
			continue
		}
		if ack == nil {
			prev, ack, ecn = before, p, p.TCPFlags&flagECN
		}
		if found++; found > 1 {
			return prev, ack
		}
	}
	if ack != nil && a == ackAggressive && ack.Next == newer && ecn == newer.TCPFlags&flagECN {
		return prev, ack
	}
	return nil, nil
}

// supersedes says that p is a pure acknowledgement and newer tells all it tells.
func supersedes(newer, p *pkt.Packet) bool {
	options := optionsLen(p)
	return p.TCPFlags&^flagECN == flagACK && p.Segs <= 1 && p.L3Len == uint32(p.HdrLen) &&
		(options == 0 || options == stampsLen && optionsLen(newer) >= stampsLen) &&
		int32(newer.Ack-p.Ack) > 0
}

// optionsLen is the length of p's TCP options, together with options of IP that
// are hardly ever there.
func optionsLen(p *pkt.Packet) int {
	if p.Flow.V6 {
		return int(p.HdrLen) - ip6Len - tcpLen
	}
	return int(p.HdrLen) - ip4Len - tcpLen
}

// filter drops the acknowledgement in f that the one just queued makes
// redundant, if any, and returns its length.
func (q *Qdisc) filter(now pkt.Time, t *tin, f *flow) (bytes int) {
	prev, ack := q.ackFilter.redundant(f)
	if ack == nil {
		return 0
	}
	bytes = int(ack.Len)
	f.cut(prev, ack)
	q.forget(t, f, ack)
	t.count.ackDrops++
	if q.ingress {
		q.chargeClocks(now, t, q.overhead.charge(ack), true)
	}
	q.drop(now, ack, pkt.AckFilter)
	return bytes
}
