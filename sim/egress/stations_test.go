package egress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// perStation keeps a queue for each of two stations and serves them in turn.
type perStation struct {
	queues [2]pkt.FIFO
	turn   int
	used   [2]time.Duration
}

func (s *perStation) Enqueue(_ pkt.Time, p *pkt.Packet) { s.queues[p.Flow.ID].Push(p) }
func (s *perStation) Dequeue(pkt.Time) *pkt.Packet      { panic("the link knows stations") }
func (s *perStation) Backlog() (packets, bytes int)     { return s.queues[0].Len() + s.queues[1].Len(), 0 }
func (s *perStation) NextStation(pkt.Time, pkt.AC) (int, bool) {
	for i := range s.queues {
		if n := (s.turn + i) % 2; s.queues[n].Len() > 0 {
			return n, true
		}
	}
	return 0, false
}

func (s *perStation) DequeueFor(_ pkt.Time, n int, _ pkt.AC) *pkt.Packet {
	s.turn = 1 - n
	return s.queues[n].Pop()
}

func (s *perStation) Held(pkt.Time, int, pkt.AC, bool)                          {}
func (s *perStation) Block(pkt.Time, int, pkt.AC, bool)                         {}
func (s *perStation) Used(_ pkt.Time, n int, _ pkt.AC, d time.Duration, _ bool) { s.used[n] += d }

// aggregates sends up to three packets of the station whose turn it is, in a
// millisecond.
type aggregates struct{ link.Unlimited }

func (l *aggregates) Options() []tc.Field { return nil }
func (l *aggregates) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	s := src.(link.StationSource)
	n, ok := s.NextStation(now, pkt.ACBE)
	if !ok {
		return now, false
	}
	free := now.Add(time.Millisecond)
	for range 3 {
		if p := s.TakeFor(now, n, pkt.ACBE); p != nil {
			out.Deliver(free, p)
		}
	}
	s.Used(now, n, pkt.ACBE, time.Millisecond, false)
	return free, true
}

// TestStations checks that a link that knows stations reaches a scheduler that
// does, and that the packets taken that way are told of like others.
func TestStations(t *testing.T) {
	var got strings.Builder
	s := &perStation{}
	port, err := New(func(sched.DropFunc) (sched.Scheduler, error) { return s, nil }, &aggregates{}, sinkOf(func(e Event) {
		fmt.Fprintf(&got, "%d%s ", e.Packet.ID, e.Kind.String()[:3])
	}), &pkt.Pool{})
	if err != nil {
		t.Fatal(err)
	}
	for i, flow := range []uint32{0, 0, 0, 1, 1} {
		port.Enqueue(0, &pkt.Packet{ID: uint64(i), Flow: &pkt.Flow{ID: flow}, Len: 100, Segs: 1})
	}
	port.Drain()
	want := "0enq 0deq 1enq 2enq 3enq 4enq 0del 3deq 4deq 3del 4del 1deq 2deq 1del 2del "
	if got.String() != want {
		t.Errorf("events\n%s want\n%s", got.String(), want)
	}
	if s.used != [2]time.Duration{2 * time.Millisecond, time.Millisecond} {
		t.Errorf("airtime %v", s.used)
	}
}

type sinkOf func(Event)

func (f sinkOf) Event(e Event) { f(e) }
