package egress_test

import (
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/tc"
)

// hogged is a link whose other users always have something to send: one packet
// in so many opportunities is the port's, none with every 0. What it sends is on
// its way for long.
type hogged struct {
	every, n int
	away     time.Duration
	restless bool // also when the port has nothing
}

func (*hogged) Kind() string        { return "hogged" }
func (*hogged) Options() []tc.Field { return nil }

func (h *hogged) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	if h.n++; h.every > 0 && h.n%h.every == 0 {
		if p := src.Take(now); p != nil {
			out.Deliver(now.Add(h.away), p)
		} else if !h.restless {
			return now, false
		}
	}
	return now.Add(time.Millisecond), true
}

// TestDrainStarves: a Drain ends where nothing leaves any more, and not where it
// takes its time.
func TestDrainStarves(t *testing.T) {
	for _, c := range []struct {
		link hogged
		left int
	}{
		{hogged{every: 0}, 10},
		{hogged{every: 50_000}, 0},
		{hogged{every: 7, away: time.Hour}, 0},
		{hogged{every: 1, away: time.Hour, restless: true}, 0},
	} {
		h, pool := c.link, &pkt.Pool{}
		port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
			return builtin.New("pfifo", sched.Env{Drop: d})
		}, &h, discard{}, pool)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			p := pool.Get()
			p.ID, p.Len, p.Segs, p.Flow = uint64(i), 1000, 1, towards(1, "10.0.0.1", "10.0.0.2")
			port.Enqueue(0, p)
		}
		turns := 0
		for ; port.DrainSome(4096); turns++ {
			if turns > 2000 {
				t.Fatalf("%+v: no end", c.link)
			}
		}
		if n, _ := port.Scheduler().Backlog(); n != c.left || pool.Out() != c.left {
			t.Errorf("%+v: %d packets left, want %d", c.link, n, c.left)
		}
	}
}

type discard struct{}

func (discard) Event(egress.Event) {}

// twice is a FIFO that drops, or lets go, a packet that it gave up before.
type twice struct {
	sched.Scheduler
	drop sched.DropFunc
	kept *pkt.Packet
	lets bool
}

func (s *twice) Dequeue(now pkt.Time) *pkt.Packet {
	if s.kept != nil && s.lets {
		return s.kept
	}
	p := s.Scheduler.Dequeue(now)
	if s.kept == nil {
		s.kept = p
		s.drop(now, p, pkt.AQM)
		return s.Dequeue(now)
	}
	s.drop(now, s.kept, pkt.AQM)
	return p
}

// TestGivenUpTwice: a scheduler that gives up a packet twice is named.
func TestGivenUpTwice(t *testing.T) {
	for lets, want := range map[bool]string{false: "dropped packet 0", true: "let go packet 0"} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, want) || !strings.Contains(got, "egress_test.twice") {
					t.Errorf("panics with %q, want %q and the scheduler's type", got, want)
				}
			}()
			pool := &pkt.Pool{}
			port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) {
				s, err := builtin.New("pfifo", sched.Env{Drop: d})
				return &twice{Scheduler: s, drop: d, lets: lets}, err
			}, &hogged{every: 1}, discard{}, pool)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				p := pool.Get()
				p.ID, p.Len, p.Segs, p.Flow = uint64(i), 1000, 1, towards(1, "10.0.0.1", "10.0.0.2")
				port.Enqueue(0, p)
			}
			port.Drain()
		}()
	}
}
