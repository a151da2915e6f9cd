package main

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// TestConformance is all it takes to hold a scheduler of one's own to what uq
// expects of every scheduler.
func TestConformance(t *testing.T) {
	schedtest.Conformance(t, func(env sched.Env) (sched.Scheduler, error) {
		return &sqf{Named: "sqf", limit: 100, drop: env.Drop}, nil
	}, schedtest.Properties{LimitPackets: 100})
}

// TestShortestFirst queues three packets of one flow and one of another: the
// lone packet goes first.
func TestShortestFirst(t *testing.T) {
	s := &sqf{limit: 10}
	for i, flow := range []int{1, 1, 1, 2} {
		s.Enqueue(0, &pkt.Packet{ID: uint64(i), Len: 1000, Flow: schedtest.TestFlow(flow, 1)})
	}
	if p := s.Dequeue(0); p.ID != 3 {
		t.Errorf("packet %d went first, want 3", p.ID)
	}
}
