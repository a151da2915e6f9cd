package replay

import (
	"context"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// TestDrain ends a run with packets held: they still leave at their times, as
// far as the drain goes.
func TestDrain(t *testing.T) {
	const n = 200
	conf := traces.Scheduler{Qdisc: "pfifo", Link: "rate 1mbit delay 5ms"}
	for _, c := range []struct {
		drain time.Duration
		all   bool
	}{{time.Minute, true}, {20 * time.Millisecond, false}} {
		var cause error
		s := play(t, conf, LiveOptions{Drain: func(why error) time.Duration { cause = why; return c.drain }}, func(s *session) {
			s.burst(newTraffic(t, 1), n, 10*time.Microsecond)
			time.Sleep(time.Millisecond)
		})
		if s.err != nil || cause != context.Canceled {
			t.Fatalf("%v, asked with %v", s.err, cause)
		}
		if all := s.result.Unfinished == 0; all != c.all || s.result.Packets != n {
			t.Errorf("drain %s: %d of %d packets unfinished", c.drain, s.result.Unfinished, s.result.Packets)
		}
		if !c.all && (s.result.Horizon < pkt.Time(c.drain) || s.result.Horizon > pkt.Time(c.drain+100*time.Millisecond)) {
			t.Errorf("drain %s ended at %v", c.drain, s.result.Horizon)
		}
		v, err := verify(t, s.trace.Bytes())
		if err != nil || v.Divergence != nil || v.Undecided != s.result.Unfinished {
			t.Errorf("drain %s: %+v, %v", c.drain, v, err)
		}
		if c.all && v.Decisions != n {
			t.Errorf("drain %s: %d decisions of %d packets", c.drain, v.Decisions, n)
		}
	}
}

// TestDrainEnds: a drain that is called off ends at once.
func TestDrainEnds(t *testing.T) {
	asked := 0
	s := play(t, traces.Scheduler{Qdisc: "pfifo", Link: "rate 1mbit delay 5ms"}, LiveOptions{Drain: func(error) time.Duration {
		if asked++; asked > 3 {
			return 0
		}
		return time.Minute
	}}, func(s *session) {
		s.burst(newTraffic(t, 1), 200, 10*time.Microsecond)
	})
	if s.err != nil || s.result.Unfinished == 0 || s.result.Horizon > pkt.Time(10*time.Second) {
		t.Errorf("%d of %d packets unfinished at %v, %v", s.result.Unfinished, s.result.Packets, s.result.Horizon, s.err)
	}
}

// TestManyHeld: more packets than the journal has room for are held at the end.
// Nothing waits any more by then, so all of them are written down.
func TestManyHeld(t *testing.T) {
	const n = 2 * pages * pageRecords
	s := play(t, traces.Scheduler{Qdisc: "pfifo limit 200000", Link: "rate 1kbit"}, LiveOptions{}, func(s *session) {
		p := newTraffic(t, 1).packet()
		for range n {
			s.q.Push(p)
		}
		time.Sleep(time.Millisecond)
	})
	if s.err != nil || s.result.Packets != n || s.result.Losses.Any() {
		t.Fatalf("%v, %d packets, losses %+v", s.err, s.result.Packets, s.result.Losses)
	}
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Divergence != nil || v.Packets != n || v.Undecided != s.result.Unfinished {
		t.Errorf("%+v, %v", v, err)
	}
}
