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

// UserPriority is the 802.11 user priority of the packet's DSCP, as RFC 8325
// section 4.3 maps what it names, and RFC 8622 the codepoint LE: the DSCP's upper
// three bits for all others.
func (p *Packet) UserPriority() uint8 { return userPriorities[p.DSField>>2] }

// userPriorities by DSCP.
var userPriorities = func() (up [64]uint8) {
	for dscp := range up {
		up[dscp] = uint8(dscp >> 3)
	}
	for _, m := range []struct{ dscp, up uint8 }{
		{1, 1},                    // LE
		{10, 0}, {12, 0}, {14, 0}, // AF1x
		{16, 0},                   // CS2
		{18, 3}, {20, 3}, {22, 3}, // AF2x
		{24, 4}, {26, 4}, {28, 4}, {30, 4}, // CS3, AF3x
		{44, 6}, {46, 6}, // VOICE-ADMIT, EF
		{48, 7}, // CS6
	} {
		up[m.dscp] = m.up
	}
	return up
}()

// AC is the access category of the packet's user priority.
func (p *Packet) AC() AC { return ACOf(p.UserPriority()) }

// ACOf is the access category of a user priority, 0 to 7 (IEEE 802.11-2020, table
// 10-1).
func ACOf(userPriority uint8) AC {
	return [8]AC{ACBE, ACBK, ACBK, ACBE, ACVI, ACVI, ACVO, ACVO}[userPriority]
}
