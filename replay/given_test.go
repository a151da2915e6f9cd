package replay

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// TestUnsentVerdicts: verdicts that cannot be sent end the run and are none: not
// metered, and their packets marked in the trace, which is proved all the same.
func TestUnsentVerdicts(t *testing.T) {
	dead := errors.New("no verdicts today")
	for _, fail := range []error{dead, &nfq.SendError{Sent: 3, Err: dead}} {
		for _, link := range []string{"unlimited", "rate 20mbit"} {
			var m record.Meter
			conf := traces.Scheduler{Qdisc: "fq_codel", Link: link, Seed: 1}
			s := play(t, conf, LiveOptions{Meter: &m}, func(s *session) {
				g := newTraffic(t, 5)
				s.burst(g, 500, time.Millisecond)
				synctest.Wait()
				s.q.SendErr = fail
				for range 40 {
					s.q.Push(g.packet())
				}
				time.Sleep(100 * time.Millisecond)
			})
			if !errors.Is(s.err, dead) {
				t.Fatalf("%s: error %v", link, s.err)
			}
			given, lost, held := uint64(len(s.q.Given())), uint64(0), uint64(0)
			if verified, err := verify(t, s.trace.Bytes()); err != nil || verified.Divergence != nil {
				t.Errorf("%s: %v, %v", link, err, verified.Divergence)
			}
			for _, r := range s.records(t) {
				if r.Info&traces.Gone != 0 {
					lost++
				}
				if r.Reason == pkt.Shutdown {
					held++
				}
			}
			read := m.Read()
			metered := read.Verdicts[traces.Accept] + read.Verdicts[traces.Drop] + read.Verdicts[traces.MarkCE]
			if lost == 0 || given+lost != s.result.Packets || metered != given || read.Backlog != lost || s.result.Losses != (record.Losses{Refused: lost}) {
				t.Errorf("%s: %d packets, %d given, %d metered, %d lost, losses %+v, backlog %d", link, s.result.Packets, given, metered, lost, s.result.Losses, read.Backlog)
			}
			if held != s.result.Unfinished {
				t.Errorf("%s: %d let pass at the end, %d in the trace", link, s.result.Unfinished, held)
			}
		}
	}
}

// TestExactLimit: a run takes as many packets as it was told. What comes while
// it ends passes at once, and is not taken for lost.
func TestExactLimit(t *testing.T) {
	for _, limit := range []uint64{1, 64, 100, 149, 150} {
		conf := traces.Scheduler{Qdisc: "fq_codel", Link: "rate 20mbit", Seed: 1}
		fed := func() (uint64, error) { return 150, nil }
		s := play(t, conf, LiveOptions{Packets: limit, Witness: record.Witness{Fed: fed, FailOpen: true}}, func(s *session) {
			g, all := newTraffic(t, 5), make([]nfq.Packet, 150)
			for i := range all {
				all[i] = g.packet()
			}
			s.q.Push(all...) // at once: all are there before the first is taken
			time.Sleep(time.Second)
		})
		why := fmt.Sprintf("limit of %d packets", limit)
		if n := len(s.records(t)); s.err != nil || s.result.Packets != limit || uint64(n) != limit || s.result.Why != why || s.result.Losses.Any() {
			t.Errorf("limit %d: %v, %d packets, %d records, %s, losses %+v", limit, s.err, s.result.Packets, n, s.result.Why, s.result.Losses)
		}
		if given := len(s.q.Given()); given != 150 || s.q.Held() != 0 {
			t.Errorf("limit %d: %d verdicts, %d held", limit, given, s.q.Held())
		}
	}
}

// TestDamaged: of a packet whose message could not be read whole, the headers may
// be cut: the trace says so.
func TestDamaged(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel", Link: "rate 20mbit", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 5)
		for i := range 9 {
			p := g.packet()
			p.Damaged = i == 4
			s.q.Push(p)
		}
		time.Sleep(time.Second)
	})
	if v, err := verify(t, s.trace.Bytes()); s.err != nil || err != nil || v.Divergence != nil {
		t.Errorf("%v, %v, %v", s.err, err, v.Divergence)
	}
	for i, r := range s.records(t) {
		if got := r.Info&traces.Truncated != 0; got != (i == 4) {
			t.Errorf("record %d: %s", i, r.Info)
		}
	}
}
