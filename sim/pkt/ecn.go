package pkt

// ECN is the two-bit field of RFC 3168 §5.
type ECN uint8

// The four codepoints.
const (
	NotECT ECN = 0
	ECT1   ECN = 1
	ECT0   ECN = 2
	CE     ECN = 3
)

// String returns the RFC's name of the codepoint.
func (e ECN) String() string {
	return [...]string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"}[e&3]
}

// ECN returns the packet's codepoint.
func (p *Packet) ECN() ECN { return ECN(p.DSField & 3) }

// DSCP returns the six-bit codepoint of RFC 2474.
func (p *Packet) DSCP() uint8 { return p.DSField >> 2 }

// SetCE marks the packet for reason r and reports whether it could: a Not-ECT
// packet cannot be marked, and one that arrived with CE counts as marked, as in
// Linux.
func (p *Packet) SetCE(r Reason) bool {
	if p.ECN() == NotECT {
		return false
	}
	p.DSField |= uint8(CE)
	p.Mark = r
	return true
}

// Reason says why a packet was dropped or marked. The values are part of the
// trace format and of the event digest: never renumber them.
type Reason uint8

// The reasons.
const (
	NoReason   Reason = 0 // neither dropped nor marked
	Overlimit  Reason = 1 // the packet limit was reached (tc: drop_overlimit)
	Overmemory Reason = 2 // the memory limit was reached (tc: drop_overmemory)
	AQM        Reason = 3 // the control law (CoDel, PIE, ...) chose it
	Threshold  Reason = 4 // ce_threshold: a mark by sojourn alone
	LinkLoss   Reason = 5 // the link model lost it
	Shutdown   Reason = 6 // still queued when the run ended
	AckFilter  Reason = 7 // a newer acknowledgement made it redundant (tc: ack_drop)
	TooLong    Reason = 8 // longer than a shaper's bucket could ever hold
	NumReasons        = 9 // how many there are
)

var reasonNames = [NumReasons]string{
	"none", "overlimit", "overmemory", "aqm", "ce_threshold", "link_loss", "shutdown",
	"ack_filter", "too_long",
}

// String returns the reason's name in events, traces and reports.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "reason" + string(appendUint(nil, uint64(r)))
}

// ParseReason is the inverse of String for the named reasons.
func ParseReason(s string) (Reason, bool) {
	for i, n := range reasonNames {
		if n == s {
			return Reason(i), true
		}
	}
	return 0, false
}

// Reasons lists every reason a packet can be dropped or marked for.
func Reasons() []Reason {
	rs := make([]Reason, 0, NumReasons-1)
	for r := Reason(1); r < NumReasons; r++ {
		rs = append(rs, r)
	}
	return rs
}
