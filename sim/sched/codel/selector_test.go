package codel

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
)

// TestSelector checks who is marked for ce_threshold: those whose DS field masked
// equals the selector, CE packets only where the mask makes them equal, Not-ECT
// never. 0x1/0x3 is how L4S traffic alone is given a shallow threshold.
func TestSelector(t *testing.T) {
	const ef = 46 << 2
	for _, c := range []struct {
		what           string
		selector, mask uint8
		ds             uint8
		marked         bool
	}{
		{"no selector", 0, 0, uint8(pkt.ECT0), true},
		{"no selector", 0, 0, uint8(pkt.ECT1), true},
		{"no selector", 0, 0, uint8(pkt.NotECT), false},
		{"L4S", 1, 3, uint8(pkt.ECT1), true},
		{"L4S", 1, 3, uint8(pkt.ECT1) | ef, true},
		{"L4S", 1, 3, uint8(pkt.ECT0), false},
		{"L4S", 1, 3, uint8(pkt.NotECT), false},
		{"L4S", 1, 3, uint8(pkt.CE), false},
		{"L4S and CE", 1, 1, uint8(pkt.CE), true},
		{"L4S and CE", 1, 1, uint8(pkt.ECT0), false},
		{"by DSCP", ef, 0xfc, uint8(pkt.ECT0) | ef, true},
		{"by DSCP", ef, 0xfc, uint8(pkt.ECT0), false},
		{"by DSCP", ef, 0xfc, uint8(pkt.NotECT) | ef, false},
		{"impossible", 2, 1, uint8(pkt.ECT0), false},
	} {
		m := newMachine()
		m.par.CEThreshold, m.par.CESelector, m.par.CEMask = 50, c.selector, c.mask
		m.q.Push(&pkt.Packet{Len: 1500, DSField: c.ds})
		p := m.dequeue(51)
		if (p.Mark == pkt.Threshold) != c.marked || (m.st.CEMarks == 1) != c.marked {
			t.Errorf("%s (%#x/%#x), DS field %#x: mark %v, ce_mark %d", c.what, c.selector, c.mask, c.ds, p.Mark, m.st.CEMarks)
		}
	}
}

// TestSelectorAfterLaw checks a packet that the control law has just marked: it
// carries CE by then, so that 0x1/0x3 does not count it again, and without a
// selector it is counted by both.
func TestSelectorAfterLaw(t *testing.T) {
	for _, c := range []struct {
		selector, mask uint8
		ceMarks        uint64
	}{{1, 3, 0}, {0, 0, 1}} {
		m := newMachine()
		m.par.ECN, m.par.CEThreshold, m.par.CESelector, m.par.CEMask = true, 50, c.selector, c.mask
		m.v = Vars{above: true, FirstAbove: 10}
		for range 3 {
			m.q.Push(&pkt.Packet{Len: 1500, DSField: uint8(pkt.ECT1)})
		}
		p := m.dequeue(5000)
		if p.Mark != pkt.AQM || m.st.Marks != 1 || m.st.CEMarks != c.ceMarks {
			t.Errorf("%#x/%#x: mark %v, ecn_mark %d, ce_mark %d; want %d", c.selector, c.mask, p.Mark, m.st.Marks, m.st.CEMarks, c.ceMarks)
		}
	}
}
