package pfifofast

import (
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// TestBands fills a band, finds the others with room, and checks the order.
func TestBands(t *testing.T) {
	drops := 0
	s, err := New(nil, sched.Env{Drop: func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) {
		if drops++; p.DSField != 0x08 || why != pkt.Overlimit {
			t.Errorf("dropped %#x for %s", p.DSField, why)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	q := s.(*Qdisc)
	fields := []uint8{0x08, 0x00, 0x10} // bands 2, 1, 0
	for range 1001 {
		q.Enqueue(0, &pkt.Packet{DSField: fields[0], Len: 10, Flow: &pkt.Flow{}})
	}
	q.Enqueue(0, &pkt.Packet{DSField: fields[1], Len: 20, Flow: &pkt.Flow{}})
	q.Enqueue(0, &pkt.Packet{DSField: fields[2], Len: 30, Flow: &pkt.Flow{}})
	if n, bytes := q.Backlog(); n != 1002 || bytes != 10050 || drops != 1 {
		t.Errorf("%d packets %d bytes after %d drops, want 1002, 10050, 1", n, bytes, drops)
	}
	for _, want := range []uint8{0x10, 0x00, 0x08} {
		if head := q.Peek(0); head.DSField != want {
			t.Errorf("peek shows %#x, want %#x", head.DSField, want)
		}
		if p := q.Dequeue(0); p.DSField != want {
			t.Errorf("sent %#x, want %#x", p.DSField, want)
		}
	}
}

func TestWords(t *testing.T) {
	const line = "pfifo_fast bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1" // tc's
	for in, want := range map[string]string{
		"":                                     line,
		strings.TrimPrefix(line, "pfifo_fast"): line,
		"bands 4":                              "want 3 to 3",
		"priomap 0 0 0":                        "fixed: use prio",
		"limit 10":                             `What is "limit"?`,
	} {
		got := ""
		if s, err := New(strings.Fields(in), sched.Env{}); err != nil {
			got = err.Error()
		} else {
			got = sched.Line(s)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
