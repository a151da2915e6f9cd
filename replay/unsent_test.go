package replay

import (
	"errors"
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
