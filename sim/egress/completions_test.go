package egress

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// completer is perStation that notes what the link is done with.
type completer struct {
	perStation
	done strings.Builder
}

func (c *completer) Completed(now pkt.Time, p *pkt.Packet) { fmt.Fprintf(&c.done, "%d@%v ", p.ID, now) }

// loses delivers nothing.
type loses struct{ aggregates }

func (l *loses) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	return l.aggregates.Transmit(now, src, lost{out})
}

type lost struct{ link.Outcome }

func (l lost) Deliver(at pkt.Time, p *pkt.Packet) { l.Lose(at, p) }

// TestCompletions checks that a scheduler that wants to know hears of each packet
// once the link is done with it, in the opportunity in which it is.
func TestCompletions(t *testing.T) {
	for name, l := range map[string]link.Link{"delivered": &aggregates{}, "lost": &loses{}} {
		c := &completer{}
		port, err := New(func(sched.DropFunc) (sched.Scheduler, error) { return c, nil }, l, sinkOf(func(Event) {}), &pkt.Pool{})
		if err != nil {
			t.Fatal(err)
		}
		for i, flow := range []uint32{0, 0, 1} {
			port.Enqueue(0, &pkt.Packet{ID: uint64(i), Flow: &pkt.Flow{ID: flow}, Len: 100, Segs: 1})
		}
		port.Drain()
		if want := "0@0.000000000 2@0.001000000 1@0.002000000 "; c.done.String() != want {
			t.Errorf("%s: completed %q, want %q", name, c.done.String(), want)
		}
	}
}
