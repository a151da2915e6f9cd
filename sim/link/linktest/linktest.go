// Package linktest is the conformance suite of links. Any implementation of
// link.Link, built in or a third party's, should pass [Conformance].
package linktest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Make builds the link under test, in its first state.
type Make func() (link.Link, error)

// Conformance runs the suite: every packet taken and every copy goes out once,
// none before its time; the link is free in the future if it is busy without
// having done anything, and idle only when the scheduler had nothing; the same
// calls give the same outcomes; all that was taken is let go of when no more
// comes; and nothing is allocated for a packet.
func Conformance(t *testing.T, mk Make) {
	for _, load := range loads() {
		t.Run(load.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 3; seed++ {
				if err := repeat(mk, load, seed); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		if err := empty(mk); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("allocations", func(t *testing.T) { allocations(t, mk) })
}

// repeat runs a load twice.
func repeat(mk Make, load load, seed uint64) error {
	first, err := run(mk, load, seed)
	if err != nil {
		return err
	}
	if second, err := run(mk, load, seed); err != nil || !slices.Equal(first, second) {
		return fmt.Errorf("two runs with the same calls differ (%v)", err)
	}
	return nil
}

// load is a pattern of arrivals.
type load struct {
	name    string
	packets int
	// gap is the mean span between bursts of up to burst packets.
	gap   time.Duration
	burst int
	gso   bool
	ect   pkt.ECN
}

func loads() []load {
	return []load{
		{name: "sparse", packets: 300, gap: time.Second, burst: 1},
		{name: "steady", packets: 1000, gap: 2 * time.Millisecond, burst: 1, ect: pkt.ECT0},
		{name: "bursts", packets: 2000, gap: 40 * time.Millisecond, burst: 60},
		{name: "flood", packets: 2000, gap: 10 * time.Microsecond, burst: 3},
		{name: "gso", packets: 500, gap: 20 * time.Millisecond, burst: 3, gso: true},
		{name: "at once", packets: 500, burst: 500},
		{name: "days apart", packets: 20, gap: 50 * time.Hour, burst: 4},
	}
}

// act is what a link did.
type act struct {
	at   pkt.Time
	id   uint64
	what string
}

// bench drives a link as a port does, and watches it.
type bench struct {
	l       link.Link
	now     pkt.Time
	queue   pkt.FIFO
	owned   map[*pkt.Packet]bool
	acts    []act
	moved   int
	refused bool // the last Take of the opportunity gave nothing
}

// violation is what a bench panics with, up to the function that drives it.
type violation struct{ error }

func (b *bench) fatalf(format string, args ...any) {
	panic(violation{fmt.Errorf("at %v: %s", b.now, fmt.Sprintf(format, args...))})
}

func caught(err *error) {
	switch v := recover().(type) {
	case nil:
	case violation:
		*err = v.error
	default:
		panic(v)
	}
}

// Take implements link.Source.
func (b *bench) Take(now pkt.Time) *pkt.Packet {
	if now != b.now {
		b.fatalf("Take at %v", now)
	}
	p := b.queue.Pop()
	if b.refused = p == nil; p != nil {
		b.moved++
		b.owned[p] = true
		b.acts = append(b.acts, act{now, p.ID, "take"})
	}
	return p
}

func (b *bench) gone(at pkt.Time, p *pkt.Packet, what string) {
	switch {
	case !b.owned[p]:
		b.fatalf("%s of packet %d, which the link does not have", what, p.ID)
	case at < b.now:
		b.fatalf("%s of packet %d at %v, which is past", what, p.ID, at)
	case p.Next != nil:
		b.fatalf("%s of packet %d still chained to another", what, p.ID)
	}
	b.moved++
	delete(b.owned, p)
	b.acts = append(b.acts, act{at, p.ID, fmt.Sprint(what, " ", p.ECN(), " ", p.Flaws)})
}

// Deliver implements link.Outcome.
func (b *bench) Deliver(at pkt.Time, p *pkt.Packet) { b.gone(at, p, "deliver") }

// Lose implements link.Outcome.
func (b *bench) Lose(at pkt.Time, p *pkt.Packet) { b.gone(at, p, "lose") }

// Duplicate implements link.Outcome.
func (b *bench) Duplicate(p *pkt.Packet) *pkt.Packet {
	if !b.owned[p] {
		b.fatalf("copy of packet %d, which the link does not have", p.ID)
	}
	c := *p
	c.Flaws |= pkt.Duplicated
	b.owned[&c] = true
	return &c
}

// serve gives the link opportunities from b.now until it is idle or busy beyond
// the given time, and returns when it is free.
func (b *bench) serve(until pkt.Time) (free pkt.Time, busy bool) {
	for stuck := 0; ; {
		b.moved, b.refused = 0, false
		free, busy = b.l.Transmit(b.now, b, b)
		switch {
		case free < b.now:
			b.fatalf("free at %v, which is past", free)
		case !busy && !b.refused:
			b.fatalf("idle although the scheduler was not asked, or gave a packet")
		case busy && free == b.now && b.moved == 0:
			b.fatalf("busy for no time and with nothing")
		case !busy && b.wake() <= until && b.wake() != pkt.Never:
			if free = b.wake(); free <= b.now {
				b.fatalf("wants to wake at %v, which is not later", free)
			}
		case !busy || free > until:
			return free, busy
		}
		if b.moved > 0 {
			stuck = 0
		} else if stuck++; stuck > maxIdle && b.queue.Len() == 0 && len(b.owned) == 0 {
			b.fatalf("%d opportunities without a packet, and still busy", stuck)
		}
		b.now = free
	}
}

// wake is when the link, which is free, is to be asked again.
func (b *bench) wake() pkt.Time {
	if w, ok := b.l.(link.Waker); ok {
		return w.NextWake()
	}
	return pkt.Never
}

// maxIdle is how many opportunities a link may let pass in a row with nothing to
// send.
const maxIdle = 1000

func run(mk Make, load load, seed uint64) (acts []act, err error) {
	defer caught(&err)
	l, err := mk()
	if err != nil {
		return nil, err
	}
	b := &bench{l: l, owned: map[*pkt.Packet]bool{}}
	rng := random.Stream(seed, "linktest")
	flow := &pkt.Flow{}
	free, busy, arrival := pkt.Time(0), false, pkt.Time(0)
	for id := 0; id < load.packets; {
		arrival += pkt.Time(rng.Int64N(2*int64(load.gap) + 1))
		if !busy {
			free = b.wake()
		}
		if free <= arrival {
			b.now = free
			free, busy = b.serve(arrival)
		}
		b.now = arrival
		for n := 1 + rng.IntN(load.burst); n > 0 && id < load.packets; n-- {
			b.queue.Push(packet(rng, load, flow, uint64(id), arrival))
			id++
			if !busy {
				free, busy = b.serve(arrival)
			}
		}
	}
	if !busy {
		free = b.wake()
	}
	if free != pkt.Never {
		b.now = free
		b.serve(pkt.Never)
	}
	if b.queue.Len() > 0 || len(b.owned) > 0 {
		b.fatalf("at the end %d packets were not asked for and %d not let go of", b.queue.Len(), len(b.owned))
	}
	return b.acts, nil
}

func packet(rng *random.Rand, load load, flow *pkt.Flow, id uint64, at pkt.Time) *pkt.Packet {
	p := &pkt.Packet{ID: id, Arrival: at, Flow: flow, Segs: 1, HdrLen: 40, L3Len: uint32(40 + rng.IntN(1461)), DSField: uint8(load.ect)}
	if load.gso {
		p.Segs = uint16(1 + rng.IntN(40))
		p.L3Len = uint32(p.HdrLen) + uint32(p.Segs)*1448
	}
	p.Len = p.L3Len + 14 + uint32(p.Segs-1)*(14+uint32(p.HdrLen))
	return p
}

// empty asks a fresh link that has nothing to send.
func empty(mk Make) (err error) {
	defer caught(&err)
	l, err := mk()
	if err != nil {
		return err
	}
	b := &bench{l: l, owned: map[*pkt.Packet]bool{}}
	for _, at := range []pkt.Time{0, 1, 5e9, 3600e9} {
		b.now = max(b.now, at)
		if _, busy := b.serve(b.now.Add(time.Hour)); busy {
			b.fatalf("busy for more than an hour with nothing to send")
		}
	}
	if l.Kind() == "" || link.Line(l) == "" {
		b.fatalf("the link has no name or line")
	}
	return nil
}

// allocations counts them over a long busy period.
func allocations(t *testing.T, mk Make) {
	l, err := mk()
	if err != nil {
		t.Fatal(err)
	}
	s := &supply{like: packet(random.Stream(1, "linktest"), load{}, &pkt.Flow{}, 0, 0)}
	now := pkt.Time(0)
	some := func() {
		for range 1000 {
			free, busy := l.Transmit(now, s, s)
			if !busy {
				t.Fatal("idle with packets to send")
			}
			now = free
		}
	}
	for range 20 { // what holds packets grows to its size
		some()
	}
	if n := testing.AllocsPerRun(20, some); n > 2 {
		t.Errorf("%v allocations for a thousand opportunities", n)
	}
}

// supply always has a packet, all of them alike.
type supply struct {
	like *pkt.Packet
	pool pkt.Pool
}

// Take implements link.Source.
func (s *supply) Take(pkt.Time) *pkt.Packet { return s.Duplicate(s.like) }

// Deliver implements link.Outcome.
func (s *supply) Deliver(_ pkt.Time, p *pkt.Packet) { s.pool.Put(p) }

// Lose implements link.Outcome.
func (s *supply) Lose(_ pkt.Time, p *pkt.Packet) { s.pool.Put(p) }

// Duplicate implements link.Outcome.
func (s *supply) Duplicate(p *pkt.Packet) *pkt.Packet {
	c := s.pool.Get()
	*c = *p
	return c
}
