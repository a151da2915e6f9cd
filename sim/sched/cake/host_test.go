package cake

import "testing"

// TestHostSlots walks one set of host slots through its cases.
func TestHostSlots(t *testing.T) {
	var h hosts
	for i := range uint32(8) { // eight hosts that all want slot 13
		want := uint16(8 + (5+i)%8)
		if got := h.slot(13 + i<<10); got != want {
			t.Errorf("host %d is in slot %d, want %d", i, got, want)
		}
		h.bulk[want] = 1
	}
	if got := h.slot(13 + 3<<10); got != 8 {
		t.Errorf("the fourth again: slot %d", got)
	}
	if got := h.slot(13 + 8<<10); got != 13 {
		t.Errorf("a ninth beside eight with bulk flows: slot %d, want that of the first", got)
	}
	h.bulk[10] = 0
	if got := h.slot(13 + 9<<10); got != 10 {
		t.Errorf("a tenth: slot %d, want the one without bulk flows", got)
	}
	if got := h.slot(13 + 5<<10); got != 10 {
		t.Errorf("the sixth, which lost its slot: %d", got)
	}
}

// TestQuantumShares checks that quanta divided by a host's flows add up: n
// quanta of n flows make the whole, within a byte.
func TestQuantumShares(t *testing.T) {
	for _, words := range []string{"bandwidth 1mbit besteffort", "besteffort"} {
		r := newRig(t, words)
		tin, f := r.q.tins[0], &r.q.tins[0].flows[7]
		for n := range uint16(queues) {
			n++
			tin.src.bulk[f.src], f.carry = n, 0
			sum := 0
			for range n {
				sum += r.q.quantumOf(tin, f)
			}
			if sum < tin.flowQuantum-1 || sum > tin.flowQuantum {
				t.Errorf("%q: %d quanta of %d flows make %d bytes, want %d", words, n, n, sum, tin.flowQuantum)
			}
		}
		tin.src.bulk[f.src], tin.dst.bulk[f.dst] = 2, 10
		if got := r.q.quantumOf(tin, f); got != tin.flowQuantum/10 {
			t.Errorf("hosts with 2 and 10 flows: quantum %d, want that of the busier", got)
		}
	}
}
