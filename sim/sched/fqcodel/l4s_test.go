package fqcodel

import (
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// marks counts, by flow, the packets that left with CE for the two reasons, and
// the drops.
type marks struct {
	law, threshold, sent, dropped [5]int
}

func newMarked(t *testing.T, words string) (*Qdisc, *marks) {
	m := &marks{}
	f, err := newQdisc(strings.Fields(words), sched.Env{MTU: 1514, Drop: func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { m.dropped[p.Flow.ID]++ }})
	if err != nil {
		t.Fatal(err)
	}
	return f, m
}

func (m *marks) take(f *Qdisc, now time.Duration) {
	p := f.Dequeue(pkt.Time(now))
	if p == nil {
		return
	}
	m.sent[p.Flow.ID]++
	switch p.Mark {
	case pkt.AQM:
		m.law[p.Flow.ID]++
	case pkt.Threshold:
		m.threshold[p.Flow.ID]++
	}
}

func add(f *Qdisc, now time.Duration, flow, bucket int, e pkt.ECN) {
	f.Enqueue(pkt.Time(now), &pkt.Packet{Arrival: pkt.Time(now), Flow: &pkt.Flow{ID: uint32(flow), Hash: uint32(bucket) << 22}, Len: 120, DSField: uint8(e)})
}

// flood queues 20 packets of 120 bytes of each of five flows at 0, the first
// three capable, and dequeues 60 at the given spacing: ns-3's test of marking.
func flood(t *testing.T, words string, spacing time.Duration) *marks {
	f, m := newMarked(t, words)
	for flow := range 5 {
		e := pkt.ECT0
		if flow > 2 {
			e = pkt.NotECT
		}
		for range 20 {
			add(f, 0, flow, flow, e)
		}
	}
	for i := range 60 {
		m.take(f, time.Duration(i+1)*spacing)
	}
	return m
}

// TestCEThreshold is ns-3's vector: with ce_threshold 2ms and a packet each 0.1
// ms, 13 packets a quantum, the flows served first to third have 0, 6 and 13
// marks, and those not capable none.
func TestCEThreshold(t *testing.T) {
	m := flood(t, "quantum 1514 ce_threshold 2ms", 100*time.Microsecond)
	if m.threshold != [5]int{0, 6, 13, 0, 0} || m.law != [5]int{} || m.dropped != [5]int{} {
		t.Errorf("%+v, want 0, 6, 13 marks", m)
	}
}

// TestCEThresholdOrLaw is ns-3's: with a packet each 110 ms every capable packet
// is marked, by the threshold or by the control law, and none twice.
func TestCEThresholdOrLaw(t *testing.T) {
	m := flood(t, "quantum 1514 ce_threshold 2ms", 110*time.Millisecond)
	for flow := range 3 {
		if m.law[flow] == 0 || m.law[flow]+m.threshold[flow] != m.sent[flow] || m.dropped[flow] != 0 {
			t.Errorf("flow %d: %d marks by the law, %d by the threshold of %d", flow, m.law[flow], m.threshold[flow], m.sent[flow])
		}
	}
	for flow := 3; flow < 5; flow++ {
		if m.law[flow]+m.threshold[flow] != 0 || m.dropped[flow] == 0 {
			t.Errorf("flow %d: %+v", flow, m)
		}
	}
}

// TestLawLooksAtAll is ns-3's test of marking without a threshold, where Linux
// differs: ns-3 finds 6 marks and 4 drops a flow, since its control law rests
// when the flow has less than 1500 bytes, Linux's when the qdisc has.
func TestLawLooksAtAll(t *testing.T) {
	m := flood(t, "quantum 1514", 110*time.Millisecond)
	for flow := range 5 {
		switch {
		case flow < 3 && (m.law[flow] <= 6 || m.dropped[flow] != 0):
			t.Errorf("flow %d: %d marks, %d drops", flow, m.law[flow], m.dropped[flow])
		case flow > 2 && (m.law[flow] != 0 || m.dropped[flow] < 4):
			t.Errorf("flow %d: %d marks, %d drops", flow, m.law[flow], m.dropped[flow])
		}
	}
}

// TestL4S is ns-3's: a flow of ECT(1) and one of ECT(0) packets arrive twice as
// fast as they leave, and all ECT(1) packets but the first four, which waited no
// more than 2 ms, leave with CE. ns-3 exempts them from the control law, Linux
// does not: there some of the 66 are its marks.
func TestL4S(t *testing.T) {
	const words = "quantum 1514 ce_threshold 2ms ce_threshold_selector 0x1/0x3"
	const first = 500 * time.Microsecond // then one each gap
	run := func(bucket int, gap time.Duration) *marks {
		f, m := newMarked(t, words)
		for at := time.Duration(0); at <= 140*time.Millisecond; at += 100 * time.Microsecond {
			if at >= first && at < first+70*gap && (at-first)%gap == 0 {
				add(f, at, 0, 0, pkt.ECT1)
			}
			if at >= gap && at < gap+70*gap && at%gap == 0 {
				add(f, at, 1, bucket, pkt.ECT0)
			}
			if at%time.Millisecond == 0 && at > 0 {
				m.take(f, at)
			}
		}
		return m
	}
	m := run(1, 500*time.Microsecond)
	if got := m.law[0] + m.threshold[0]; got != 66 || m.threshold[1] != 0 || m.law[1] != 1 {
		t.Errorf("apart: %+v, want 66 of flow 0 marked and one of flow 1, by the law", m)
	}
	m = run(0, time.Millisecond)
	if got := m.law[0] + m.threshold[0]; got != 68 || m.threshold[1] != 0 || m.law[0]+m.law[1] != 1 {
		t.Errorf("in one queue: %+v, want 68 of flow 0 marked and one by the law", m)
	}
	if m.sent != [5]int{70, 70} || m.dropped != [5]int{} {
		t.Errorf("%+v", m)
	}
}

// TestSelectorFields checks what is printed, and what machines are told: both
// numbers.
func TestSelectorFields(t *testing.T) {
	f, _ := newMarked(t, "ce_threshold 1ms ce_threshold_selector 1/3")
	if line := tc.Line("fq_codel", f.Options()); !strings.Contains(line, " ce_threshold 999us ce_threshold_selector 0x1/0x3 interval") {
		t.Error(line)
	}
	values := map[string]int64{}
	for _, o := range f.Options() {
		if !o.Hidden {
			values[o.Key] = o.Num
		}
	}
	if values["ce_threshold_selector"] != 1 || values["ce_threshold_mask"] != 3 {
		t.Errorf("%v", values)
	}
	f, _ = newMarked(t, "")
	for _, o := range f.Options() {
		if strings.HasPrefix(o.Key, "ce_threshold") && !o.Hidden {
			t.Errorf("%s is shown without a selector", o.Key)
		}
	}
}
