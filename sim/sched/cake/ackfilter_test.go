package cake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// seg is one TCP segment of the tests: its acknowledgement number, and what
// makes it special.
type seg struct {
	ack   uint32
	notes string
}

func (s seg) edit(p *pkt.Packet) {
	p.TCPFlags, p.Ack = flagACK, s.ack
	p.HdrLen, p.L3Len = 52, 52 // with timestamps
	for _, n := range strings.Fields(s.notes) {
		switch n {
		case "plain":
			p.HdrLen, p.L3Len = 40, 40
		case "sack":
			p.HdrLen, p.L3Len = 64, 64
		case "data":
			p.L3Len += 100
		case "ece":
			p.TCPFlags |= flagECE
		case "cwr":
			p.TCPFlags |= flagCWR
		case "syn":
			p.TCPFlags |= flagSYN
		case "fin":
			p.TCPFlags |= 1
		case "rst":
			p.TCPFlags |= 4
		case "psh":
			p.TCPFlags |= 8
		case "urg":
			p.TCPFlags |= 0x20
		case "reserved":
			p.TCPFlags |= 0x200
		case "gso":
			p.Segs = 2
		}
	}
	p.Len = p.L3Len + 14
}

func tcpFlow(port int, v6 bool) *pkt.Flow {
	k := pkt.FlowKey{Proto: pkt.ProtoTCP, SrcPort: 80, DstPort: uint16(port), V6: v6}
	return pkt.NewFlow(k, uint32(port), 1)
}

// TestAckFilter queues segments of one connection and lists which were dropped.
func TestAckFilter(t *testing.T) {
	for _, c := range []struct {
		name         string
		segs         []seg
		conservative string // dropped, by number
		aggressive   string
	}{
		{"one after the other", []seg{{ack: 1}, {ack: 2}, {ack: 3}, {ack: 4}}, "0 1", "0 1 2"},
		{"two", []seg{{ack: 1}, {ack: 2}}, "", "0"},
		{"duplicates stay: they mean loss", []seg{{ack: 1}, {ack: 1}, {ack: 1}, {ack: 1}}, "", ""},
		{"duplicates of what is acknowledged since", []seg{{ack: 1}, {ack: 1}, {ack: 2}}, "0", "0"},
		{"older number behind newer", []seg{{ack: 5}, {ack: 3}, {ack: 4}}, "", "1"},
		{"numbers wrap", []seg{{ack: 1<<32 - 2}, {ack: 1<<32 - 1}, {ack: 1}}, "0", "0 1"},
		{"data stays", []seg{{1, "data"}, {2, "data"}, {ack: 3}}, "", ""},
		{"data makes redundant", []seg{{ack: 1}, {ack: 2}, {3, "data"}}, "0", "0 1"},
		{"a handshake does not", []seg{{ack: 1}, {ack: 2}, {3, "syn"}}, "", "0"},
		{"flags protect", []seg{{1, "fin"}, {2, "psh"}, {3, "urg"}, {4, "rst"}, {5, "reserved"}, {ack: 6}, {ack: 7}}, "", "5"},
		{"super-packets stay", []seg{{1, "gso"}, {2, "gso"}, {ack: 3}}, "", ""},
		{"ECE all along", []seg{{1, "ece"}, {2, "ece"}, {3, "ece"}}, "0", "0 1"},
		{"ECE changes", []seg{{ack: 1}, {2, "ece"}, {3, "ece"}}, "", "1"},
		{"ECE changes at the end", []seg{{ack: 1}, {ack: 2}, {3, "ece"}}, "0", "0"},
		{"CWR changes", []seg{{ack: 1}, {2, "cwr"}, {ack: 3}, {ack: 4}}, "", "2"},
		{"SACK stays", []seg{{1, "sack"}, {2, "sack"}, {ack: 3}}, "", ""},
		{"SACK makes redundant", []seg{{ack: 1}, {ack: 2}, {3, "sack"}}, "0", "0 1"},
		{"no options", []seg{{1, "plain"}, {2, "plain"}, {3, "plain"}}, "0", "0 1"},
		{"fewer options than before", []seg{{ack: 1}, {ack: 2}, {3, "plain"}}, "", "0"},
		{"more than before", []seg{{1, "plain"}, {2, "plain"}, {ack: 3}}, "0", "0 1"},
	} {
		for words, want := range map[string]string{"ack-filter": c.conservative, "ack-filter-aggressive": c.aggressive, "no-ack-filter": ""} {
			for _, v6 := range []bool{false, true} {
				r := newRig(t, "besteffort "+words)
				f := tcpFlow(1, v6)
				for _, s := range c.segs {
					r.enq(f, 0, s.edit, func(p *pkt.Packet) {
						if v6 {
							p.HdrLen, p.L3Len, p.Len = p.HdrLen+20, p.L3Len+20, p.Len+20
						}
					})
					r.check()
				}
				if got := dropped(r, pkt.AckFilter); got != want {
					t.Errorf("%s: %s (IPv6 %v) dropped %q, want %q", c.name, words, v6, got, want)
				}
				if n := r.q.tins[0].count.ackDrops; n != uint64(len(r.dropped)) {
					t.Errorf("%s: ack_drops %d", c.name, n)
				}
			}
		}
	}
}

func dropped(r *rig, why pkt.Reason) string {
	var ids []string
	for _, p := range r.dropped {
		if p.Mark == why {
			ids = append(ids, fmt.Sprint(p.ID))
		}
	}
	return strings.Join(ids, " ")
}

// TestAckFilterConnections checks that only the same connection counts, also
// where several share a queue, and no other protocol.
func TestAckFilterConnections(t *testing.T) {
	r := newRig(t, "besteffort flowblind ack-filter")
	a, b := tcpFlow(1, false), tcpFlow(2, false)
	again := *a // the same 5-tuple met again, past the driver's table
	again.ID = pkt.OtherFlows
	other := flowFrom(1, 1, 1)
	for i, f := range []*pkt.Flow{a, b, a, b, other, other, other, &again} {
		r.enq(f, 0, seg{ack: uint32(i)}.edit)
	}
	if got := dropped(r, pkt.AckFilter); got != "0" {
		t.Errorf("dropped %q, want the first of the first connection", got)
	}
	r.check()
}

// TestAckFilterQueue drops in the middle of a queue and drains it.
func TestAckFilterQueue(t *testing.T) {
	r := newRig(t, "besteffort flowblind ack-filter-aggressive")
	a, b := tcpFlow(1, false), tcpFlow(2, false)
	for i, f := range []*pkt.Flow{b, a, b, a, a} {
		r.enq(f, 0, seg{ack: uint32(i)}.edit)
	}
	got := ""
	for p := r.deq(); p != nil; p = r.deq() {
		got += fmt.Sprint(p.ID, " ")
	}
	if got != "0 2 3 4 " { // 1 only once two make it redundant: 3 came behind 2
		t.Errorf("left: %q, want 0 2 3 4", got)
	}
	r.check()
}

// TestAckFilterIngress checks that in ingress mode a dropped acknowledgement has
// used the link.
func TestAckFilterIngress(t *testing.T) {
	for words, want := range map[string]time.Duration{"egress": 0, "ingress": 66 * time.Microsecond} {
		r := newRig(t, "bandwidth 8mbit besteffort ack-filter-aggressive "+words)
		f := tcpFlow(1, false)
		r.enq(f, 0, seg{ack: 1}.edit)
		r.enq(f, 0, seg{ack: 2}.edit)
		if got := r.q.shaper.next.Sub(0); got != want {
			t.Errorf("%s: the shaper's clock is at %v, want %v", words, got, want)
		}
	}
}
