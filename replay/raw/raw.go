// Package raw sends whole IP packets on their way: copies of packets that a
// queue holds, which a verdict cannot make.
//
//	bytes of a packet ──► raw socket ──► output, postrouting ──► its device
//
// A copy leaves by the device that its original leaves by, through its routes and
// neighbours, and meets the rules of the output and postrouting hooks, not those
// of forward: to a firewall it is a packet of this host. It carries [Mark], so
// that a queue at one of these hooks can let it pass.
//
// What differs from its original: it has the priority of a packet of this host,
// which a qdisc with bands may look at; an IPv4 identification of 0 is replaced, which
// for a packet that may not be fragmented means nothing (RFC 6864); the header
// checksum is computed anew; nothing is fragmented, so that a packet longer than
// the device takes is refused.
package raw

import "errors"

// Mark is the firewall mark, a bit that hardly anybody uses, which copies carry
// beside their originals' marks.
const Mark = 1 << 29

// Why a packet cannot be sent. Other errors are the kernel's.
var (
	// ErrNoWay: the packet is on its way into this host, so it has no device to
	// leave by.
	ErrNoWay = errors.New("not on its way out: a copy can only be sent")
	// ErrNotIP: neither IPv4 nor IPv6.
	ErrNotIP = errors.New("not an IP packet")
)

// Least lengths of the headers, in bytes.
const (
	len4 = 20
	len6 = 40
)
