package schedtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// broken is a queue in order with one fault.
type broken struct {
	pkt.FIFO
	fault string
	drop  sched.DropFunc
	n     int
}

func (b *broken) is(fault string, every int) bool { return b.fault == fault && b.n%every == 0 }

func (b *broken) Enqueue(now pkt.Time, p *pkt.Packet) {
	b.n++
	switch {
	case b.is("loses", 100):
		return
	case b.is("no reason", 100):
		b.drop(now, p, pkt.NoReason)
		return
	case b.is("late drop", 100):
		b.drop(now+1, p, pkt.AQM)
		return
	case b.is("drops twice", 100):
		b.drop(now, p, pkt.AQM)
		b.drop(now, p, pkt.AQM)
		return
	case b.is("swaps", 2) && b.Len() > 0:
		old := b.Pop()
		b.Push(p)
		b.Push(old)
		return
	case b.fault == "limit" || b.Len() < 50:
		b.Push(p)
		return
	}
	b.drop(now, p, pkt.Overlimit)
}

func (b *broken) Dequeue(now pkt.Time) *pkt.Packet {
	b.n++
	switch {
	case b.is("holds", 1), b.is("stalls", 10):
		return nil
	case b.is("chained", 1) && b.Len() > 1:
		p := b.Pop()
		p.Next = b.Peek()
		return p
	case b.is("drops later", 10) && b.Len() > 0:
		b.drop(now, b.Pop(), pkt.AQM)
	}
	return b.Pop()
}

func (b *broken) Backlog() (packets, bytes int) {
	if b.is("bytes", 100) {
		return b.Len(), b.Bytes() + 1
	}
	return b.Len(), b.Bytes()
}

// waiter is a shaper of a millisecond a packet with one fault.
type waiter struct {
	broken
	due pkt.Time
}

func (w *waiter) Dequeue(now pkt.Time) *pkt.Packet {
	if w.fault == "never sends" {
		w.due = now + 1e9
		return nil
	}
	if now < w.due && !(w.fault == "early" && now > w.due-1e5) {
		return nil
	}
	if w.due = now + 1e6; w.Len() == 0 {
		w.due = now
	}
	return w.Pop()
}

func (w *waiter) NextWake() pkt.Time {
	w.n++
	switch {
	case w.fault == "past":
		return w.due - 2e6
	case w.fault == "fickle":
		return w.due + pkt.Time(w.n)
	case w.fault == "never", w.Len() == 0:
		return pkt.Never
	}
	return w.due
}

// failure is what the recorder panics with.
type failure string

// recorder stands for the testing.T of a test that is to fail.
type recorder struct{}

func (recorder) Fatalf(format string, args ...any) {
	panic(failure(fmt.Sprintf(format, args...)))
}

// verdict runs the suite's loads over mk and returns the first complaint.
func verdict(mk Make) (complaint string) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			complaint = string(f)
		}
	}()
	for _, l := range loads() {
		run(recorder{}, mk, Properties{LimitPackets: 50}, l, 1)
	}
	return ""
}

// TestCatches checks that the suite finds each fault, and none in what has none.
func TestCatches(t *testing.T) {
	for fault, want := range map[string]string{
		"none":        "",
		"drops later": "",
		"loses":       "Backlog() =",
		"no reason":   "without a reason",
		"late drop":   "with time",
		"drops twice": "not inside",
		"swaps":       "left after packet",
		"limit":       "limit is 50",
		"holds":       "is no Waiter",
		"stalls":      "is no Waiter",
		"chained":     "chained",
		"bytes":       "Backlog() =",
	} {
		got := verdict(func(env sched.Env) (sched.Scheduler, error) { return &broken{fault: fault, drop: env.Drop}, nil })
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", fault, got, want)
		}
	}
}

// TestCatchesWaiter is the same for schedulers that wait.
func TestCatchesWaiter(t *testing.T) {
	for fault, want := range map[string]string{
		"none":        "",
		"early":       "comes out, NextWake was",
		"past":        "not later",
		"never":       "is never",
		"fickle":      "then",
		"never sends": "liveness",
	} {
		got := verdict(func(env sched.Env) (sched.Scheduler, error) {
			return &waiter{broken: broken{fault: fault, drop: env.Drop}}, nil
		})
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", fault, got, want)
		}
	}
}
