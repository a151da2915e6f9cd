package pkt

// AC is an access category of 802.11's EDCA, the lowest priority first.
type AC uint8

// The access categories, and how many there are.
const (
	ACBK   AC = 0 // background
	ACBE   AC = 1 // best effort
	ACVI   AC = 2 // video
	ACVO   AC = 3 // voice
	NumACs    = 4
)

// String is the category's short name.
func (a AC) String() string {
	if a < NumACs {
		return [NumACs]string{"BK", "BE", "VI", "VO"}[a]
	}
	return "AC" + string(appendUint(nil, uint64(a)))
}

// UserPriority is the 802.1D user priority of the packet's DSCP: its upper three
// bits, as mac80211 and most others map it where no QoS map says otherwise.
func (p *Packet) UserPriority() uint8 { return p.DSField >> 5 }

// AC is the access category of the packet's user priority (IEEE 802.11-2020,
// table 10-1).
func (p *Packet) AC() AC {
	return [8]AC{ACBE, ACBK, ACBK, ACBE, ACVI, ACVI, ACVO, ACVO}[p.UserPriority()]
}
