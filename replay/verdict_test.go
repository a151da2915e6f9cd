package replay

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// verdicts returns what the kernel was told, by packet number from 0.
func (s *session) verdicts(t *testing.T) []nfq.Verdict {
	t.Helper()
	given := s.q.Given()
	out := make([]nfq.Verdict, len(given))
	for _, g := range given {
		i := int(g.ID) - 1
		if i < 0 || i >= len(out) || out[i].ID != 0 {
			t.Fatalf("%d verdicts, one of them for packet %d", len(given), i)
		}
		out[i] = g.Verdict
	}
	return out
}

// records reads the trace.
func (s *session) records(t *testing.T) []traces.Record {
	t.Helper()
	r, err := traces.NewReader(&s.trace)
	if err != nil {
		t.Fatal(err)
	}
	var out []traces.Record
	var rec traces.Record
	for r.Next(&rec) == nil {
		out = append(out, rec)
	}
	return out
}

// TestVerdicts holds what the kernel was told against what the trace says: CE
// is asked for by the firewall mark, beside the marks a packet has, and what is
// still held at the end passes.
func TestVerdicts(t *testing.T) {
	const foreign = 0x40
	conf := traces.Scheduler{Qdisc: "fq_codel limit 60 target 1ms interval 10ms", Link: "rate 2mbit delay 5ms", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 11)
		for i := range 600 {
			p := g.packet()
			p.Mark = foreign
			s.q.Push(p)
			g.ect = uint8(i % 3) // of the next one
			time.Sleep(2 * time.Millisecond)
		}
	})
	if s.err != nil || s.q.Held() != 0 {
		t.Fatalf("%v, %d held", s.err, s.q.Held())
	}
	given, recs := s.verdicts(t), s.records(t)
	if len(given) != 600 || len(recs) != 600 {
		t.Fatalf("%d verdicts, %d records", len(given), len(recs))
	}
	seen := map[string]int{}
	for i, r := range recs {
		want := nfq.Verdict{ID: given[i].ID, Action: nfq.Accept}
		kind := r.Verdict.String()
		switch {
		case r.Verdict == traces.Drop:
			want.Action = nfq.Drop
		case r.Verdict == traces.MarkCE:
			want.SetMark, want.Mark = true, foreign|1
		case r.Reason == pkt.Shutdown:
			kind = "held"
		}
		seen[kind]++
		if g := given[i]; g.Action != want.Action || g.SetMark != want.SetMark || g.Mark != want.Mark || g.UpTo || g.Payload != nil {
			t.Fatalf("packet %d (%s): verdict %+v, want %+v", i, kind, g, want)
		}
	}
	for _, kind := range []string{"accept", "drop", "mark_ce", "held"} {
		if seen[kind] == 0 {
			t.Errorf("no packet was of kind %s: %v", kind, seen)
		}
	}
	if uint64(seen["held"]) != s.result.Unfinished {
		t.Errorf("%d held, result says %d", seen["held"], s.result.Unfinished)
	}
}

// TestLateLosses: complaints about verdicts come behind all packets that wait,
// many reads later; a record waits for what the kernel has to say.
func TestLateLosses(t *testing.T) {
	const n = 20 * nfq.BatchSize
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "unlimited", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 12)
		var ps []nfq.Packet
		for range n {
			ps = append(ps, g.packet())
		}
		s.q.Push(ps...)
		s.q.Flush()
		time.Sleep(time.Second)
	})
	gone := 0
	for _, r := range s.records(t) {
		if r.Info&traces.Gone != 0 {
			gone++
		}
	}
	if s.err != nil || gone != n || s.result.Losses.Gone != n {
		t.Errorf("%v: %d packets marked gone, %d counted, want %d", s.err, gone, s.result.Losses.Gone, n)
	}
}

// TestFloodFirst begins with more packets than one read brings: they are
// written as soon as any others, not at the end.
func TestFloodFirst(t *testing.T) {
	const n = 4 * nfq.BatchSize
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "unlimited", Seed: 1}
	written := 0
	play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 13)
		var ps []nfq.Packet
		for range n {
			ps = append(ps, g.packet())
		}
		s.q.Push(ps...)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		cut := &session{trace: *bytes.NewBuffer(bytes.Clone(s.trace.Bytes()))}
		written = len(cut.records(t))
	})
	if written != n {
		t.Errorf("%d of %d records were written after 2 s", written, n)
	}
}
