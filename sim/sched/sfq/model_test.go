package sfq

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// model is SFQ without RED in the plainest way: slices, searched from end to end.
type model struct {
	limit, depth, flows, quantum int
	headdrop                     bool
	round                        []*modelFlow // the next to be served first
	clock                        int
	out                          []string
}

type modelFlow struct {
	bucket  int
	q       []*pkt.Packet
	allot   int
	changed int // when its length last did
}

func (m *model) drop(p *pkt.Packet) { m.out = append(m.out, fmt.Sprint("drop ", p.ID)) }

func (m *model) touch(f *modelFlow) {
	m.clock++
	f.changed = m.clock
	if len(f.q) == 0 {
		m.round = slices.DeleteFunc(m.round, func(g *modelFlow) bool { return g == f })
	}
}

func (m *model) enqueue(bucket int, p *pkt.Packet) {
	i := slices.IndexFunc(m.round, func(f *modelFlow) bool { return f.bucket == bucket })
	switch {
	case i < 0 && len(m.round) == m.flows:
		m.drop(p)
		return
	case i < 0:
		i = len(m.round)
		m.round = append(m.round, &modelFlow{bucket: bucket, allot: m.quantum})
	case len(m.round[i].q) == m.depth && !m.headdrop:
		m.drop(p)
		return
	case len(m.round[i].q) == m.depth:
		f := m.round[i]
		m.drop(f.q[0])
		f.q = append(f.q[1:], p)
		return
	}
	f := m.round[i]
	f.q = append(f.q, p)
	m.touch(f)
	if m.len() > m.limit {
		m.cut()
	}
}

func (m *model) len() (n int) {
	for _, f := range m.round {
		n += len(f.q)
	}
	return n
}

func (m *model) bytes() (n int) {
	for _, f := range m.round {
		for _, p := range f.q {
			n += int(p.Len)
		}
	}
	return n
}

// cut drops a packet of the longest flow, of several that which changed last, or
// if none has two the next to be served.
func (m *model) cut() {
	f := m.round[0]
	for _, g := range m.round {
		if len(g.q) > 1 && (len(g.q) > len(f.q) || len(g.q) == len(f.q) && g.changed > f.changed) {
			f = g
		}
	}
	last := len(f.q) - 1
	if m.headdrop {
		m.drop(f.q[0])
		f.q = f.q[1:]
	} else {
		m.drop(f.q[last])
		f.q = f.q[:last]
	}
	m.touch(f)
}

func (m *model) dequeue() {
	if len(m.round) == 0 {
		m.out = append(m.out, "nothing")
		return
	}
	for m.round[0].allot <= 0 {
		m.round[0].allot += m.quantum
		m.round = append(m.round[1:], m.round[0])
	}
	f := m.round[0]
	p := f.q[0]
	m.out = append(m.out, fmt.Sprint("send ", p.ID))
	f.q = f.q[1:]
	f.allot -= int(p.Len)
	m.touch(f)
}

// TestModel compares with the model over random calls.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			limit: rapid.IntRange(2, 60).Draw(t, "limit"), depth: rapid.IntRange(1, 20).Draw(t, "depth"),
			flows: rapid.IntRange(2, 20).Draw(t, "flows"), quantum: rapid.IntRange(100, 4000).Draw(t, "quantum"),
			headdrop: rapid.Bool().Draw(t, "headdrop"),
		}
		words := []string{"divisor", "64", "limit", fmt.Sprint(m.limit), "depth", fmt.Sprint(m.depth), "flows", fmt.Sprint(m.flows), "quantum", fmt.Sprint(m.quantum)}
		if m.headdrop {
			words = append(words, "headdrop")
		}
		var out []string
		s, err := New(words, sched.Env{Drop: func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { out = append(out, fmt.Sprint("drop ", p.ID)) }})
		if err != nil {
			t.Fatal(err)
		}
		m.limit = min(m.limit, m.depth*m.flows)
		m.flows = min(m.flows, m.limit)
		arrivals := rapid.IntRange(1, 9).Draw(t, "arrivals of ten calls")
		for id := range uint64(rapid.IntRange(10, 400).Draw(t, "calls")) {
			if rapid.IntRange(0, 9).Draw(t, "call") < arrivals {
				bucket := rapid.IntRange(0, 24).Draw(t, "bucket")
				n := rapid.IntRange(1, 3000).Draw(t, "length")
				m.enqueue(bucket, inBucket(id, bucket, 64, n))
				s.Enqueue(0, inBucket(id, bucket, 64, n))
			} else {
				m.dequeue()
				sent := "nothing"
				if p := s.Dequeue(0); p != nil {
					sent = fmt.Sprint("send ", p.ID)
				}
				out = append(out, sent)
			}
			if !slices.Equal(out, m.out) {
				t.Fatalf("call %d: %v, model %v", id, out, m.out)
			}
			if n, bytes := s.Backlog(); n != m.len() || bytes != m.bytes() {
				t.Fatalf("call %d: %d packets %d bytes, model %d and %d", id, n, bytes, m.len(), m.bytes())
			}
			out, m.out = out[:0], m.out[:0]
		}
	})
}
