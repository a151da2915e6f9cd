package egress_test

import (
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/tc"
)

// bus is a link of one's own: a departure every ten milliseconds, for which a
// packet may have to wait although the link is free.
type bus struct {
	q    pkt.FIFO
	next pkt.Time
}

func (b *bus) Kind() string        { return "bus" }
func (b *bus) Options() []tc.Field { return nil }

// Transmit implements link.Link.
func (b *bus) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	for p := src.Take(now); p != nil; p = src.Take(now) {
		b.q.Push(p)
	}
	const every = pkt.Time(10 * time.Millisecond)
	if now == b.next && b.q.Len() > 0 {
		for p := b.q.Pop(); p != nil; p = b.q.Pop() {
			out.Deliver(now, p)
		}
	}
	b.next = (now/every + 1) * every
	return now, false
}

// NextWake implements link.Waker.
func (b *bus) NextWake() pkt.Time {
	if b.q.Len() == 0 {
		return pkt.Never
	}
	return b.next
}

// TestOwnLink checks that a program can add a link to the list, and put what
// netem does behind it.
func TestOwnLink(t *testing.T) {
	own := link.Kind{Name: "bus", Summary: "leaves every 10ms", New: func(line string, env link.Env) (link.Link, error) {
		return link.Behind(&bus{}, strings.Fields(line)[1:], env)
	}}
	m := egress.Maker{Qdiscs: builtin.Kinds()}
	m.Links = append(m.LinkKinds(), own)
	for line, want := range map[string]pkt.Time{"bus": 20e6, "bus delay 5ms": 25e6} {
		var at pkt.Time
		pool := &pkt.Pool{}
		port, err := m.Port(egress.Config{Qdisc: "pfifo", Link: line}, sinkOf(func(e egress.Event) {
			if e.Kind == egress.Deliver {
				at = e.Time
			}
		}), pool)
		if err != nil {
			t.Fatal(err)
		}
		p := pool.Get()
		p.Flow, p.Arrival, p.Len, p.Segs = mixed[0], 12e6, 100, 1
		port.Enqueue(12e6, p)
		port.Drain()
		if at != want || link.Line(port.Link()) != line {
			t.Errorf("%s: delivered at %v, want %v; it prints as %s", line, at, want, link.Line(port.Link()))
		}
	}
	for line, want := range map[string]string{"bos": `Did you mean "bus"?`, "bus front loss 1%": `bus: "front" belongs to wires`, "bus dealy 1ms": `bus: What is "dealy"? Did you mean "delay"?`} {
		if _, err := m.Link(egress.Config{Link: line}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if _, err := (egress.Maker{}).Link(egress.Config{Link: "bus"}); err == nil || !strings.Contains(err.Error(), `What is "bus"?`) {
		t.Errorf("a link of one list is in another: %v", err)
	}
}
