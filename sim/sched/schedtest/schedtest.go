// Package schedtest is the conformance suite of schedulers. Any implementation
// of sched.Scheduler, built in or a third party's, should pass [Conformance].
package schedtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// Make builds the scheduler under test.
type Make func(env sched.Env) (sched.Scheduler, error)

// Properties says what a scheduler promises beyond the contract.
type Properties struct {
	// LimitPackets is the most packets it may hold between calls; 0 for none.
	LimitPackets int
	// LimitBytes is the most bytes it may hold between calls; 0 for none.
	LimitBytes int
	// Reorders allows packets of one flow to leave in another order.
	Reorders bool
}

// Conformance runs the suite: conservation of packets and bytes, order within a
// flow, limits, the backlog's account, drops only through the DropFunc, times
// passed through, the promises of a [sched.Waiter], that every packet leaves, and
// the same decisions for the same calls.
func Conformance(t *testing.T, mk Make, prop Properties) {
	for _, load := range loads() {
		t.Run(load.name, func(t *testing.T) {
			for seed := uint64(1); seed <= 5; seed++ {
				first := run(t, mk, prop, load, seed)
				if second := run(t, mk, prop, load, seed); !slices.Equal(first, second) {
					t.Fatalf("seed %d: two runs with the same calls differ", seed)
				}
			}
		})
	}
	t.Run("empty", func(t *testing.T) { empty(t, mk) })
}

// load is a pattern of calls.
type load struct {
	name    string
	packets int
	flows   int
	// gap and service are the mean spans between arrivals and dequeues, in ns.
	gap, service int64
	ect          pkt.ECN
	gso          bool
	// anyDS gives every packet a DS field of its own, so that a flow's packets
	// may overtake each other.
	anyDS bool
}

func loads() []load {
	const ms = 1000 * 1000
	return []load{
		{name: "light", packets: 2000, flows: 8, gap: 2 * ms, service: ms, ect: pkt.ECT0},
		{name: "overload", packets: 6000, flows: 8, gap: ms / 2, service: ms},
		{name: "overload-ecn", packets: 6000, flows: 8, gap: ms / 2, service: ms, ect: pkt.ECT0},
		{name: "flood", packets: 8000, flows: 3, gap: ms / 100, service: ms},
		{name: "many-flows", packets: 6000, flows: 3000, gap: ms / 2, service: ms},
		{name: "gso", packets: 3000, flows: 4, gap: ms, service: 2 * ms, gso: true},
		{name: "ties", packets: 3000, flows: 4, gap: 0, service: ms},
		{name: "ds-fields", packets: 4000, flows: 8, gap: ms / 2, service: ms, anyDS: true},
		{name: "ages", packets: 300, flows: 4, gap: 3600 * 1000 * ms, service: 600 * 1000 * ms, ect: pkt.ECT1},
	}
}

// act is one decision, for comparing runs: a drop with its reason, or with none a
// packet sent with its codepoint.
type act struct {
	at  pkt.Time
	id  uint64
	why pkt.Reason
	ecn pkt.ECN
}

// failer is what of testing.T the suite uses; its own tests have another.
type failer interface {
	Fatalf(format string, args ...any)
}

// bench is the scheduler with everything that watches it.
type bench struct {
	t       failer
	s       sched.Scheduler
	w       sched.Waiter // s, if it is one
	prop    Properties
	now     pkt.Time
	acts    []act
	inside  []*pkt.Packet // by ID, nil for those that left
	packets int           // of them
	bytes   int
	last    []uint64 // by flow, 1 + the last ID that left
	wake    pkt.Time // before it nothing comes out; 0 once something arrived
	idle    int      // calls in a row that gave nothing while packets waited
	context string
}

// fatalf fails. Nothing here calls Helper, which would take longer than all else.
func (b *bench) fatalf(format string, args ...any) {
	b.t.Fatalf("%s at %v: %s", b.context, b.now, fmt.Sprintf(format, args...))
}

func (b *bench) out(now pkt.Time, p *pkt.Packet, why pkt.Reason) {
	what := "dequeue"
	if why != pkt.NoReason {
		what = "drop"
	}
	if now != b.now {
		b.fatalf("%s with time %v", what, now)
	}
	if p.ID >= uint64(len(b.inside)) || b.inside[p.ID] != p {
		b.fatalf("%s of packet %d, which is not inside", what, p.ID)
	}
	if p.Next != nil {
		b.fatalf("%s of packet %d still chained to another", what, p.ID)
	}
	b.inside[p.ID] = nil
	b.packets--
	b.bytes -= int(p.Len)
	b.acts = append(b.acts, act{now, p.ID, why, p.ECN()})
}

func (b *bench) enqueue(p *pkt.Packet) {
	for uint64(len(b.inside)) <= p.ID {
		b.inside = append(b.inside, nil)
	}
	b.inside[p.ID] = p
	b.packets++
	b.bytes += int(p.Len)
	b.wake = 0
	b.s.Enqueue(b.now, p)
	b.check()
}

func (b *bench) dequeue() bool {
	p := b.s.Dequeue(b.now)
	if p == nil {
		b.check()
		b.waits()
		return false
	}
	if b.now < b.wake {
		b.fatalf("packet %d comes out, NextWake was %v", p.ID, b.wake)
	}
	b.wake, b.idle = 0, 0
	b.out(b.now, p, pkt.NoReason)
	for uint32(len(b.last)) <= p.Flow.ID {
		b.last = append(b.last, 0)
	}
	if last := b.last[p.Flow.ID]; p.ID+1 < last && !b.prop.Reorders {
		b.fatalf("packet %d of flow %d left after packet %d", p.ID, p.Flow.ID, last-1)
	}
	b.last[p.Flow.ID] = p.ID + 1
	b.check()
	return true
}

// mostIdle bounds the calls that may give nothing while packets wait: there is
// no timer that long.
const mostIdle = 100000

// waits checks what a scheduler says of itself that has given nothing.
func (b *bench) waits() {
	if b.packets > 0 {
		if b.idle++; b.idle > mostIdle {
			b.fatalf("liveness: %d packets stay inside", b.packets)
		}
	}
	if b.w == nil {
		if b.packets > 0 {
			b.fatalf("nothing comes out of %d packets, and it is no Waiter", b.packets)
		}
		return
	}
	wake := b.w.NextWake()
	switch {
	case wake <= b.now:
		b.fatalf("NextWake() = %v, which is not later", wake)
	case wake == pkt.Never && b.packets > 0:
		b.fatalf("%d packets wait and NextWake() is never", b.packets)
	case wake != b.w.NextWake():
		b.fatalf("NextWake() = %v, then %v", wake, b.w.NextWake())
	}
	b.wake = wake
}

// until asks at each of the times the scheduler wants to be asked at up to t, as
// a port whose link is free does.
func (b *bench) until(t pkt.Time) {
	for n := 0; b.w != nil && b.wake > 0 && b.wake <= t; n++ {
		if n > mostIdle {
			b.fatalf("it wakes %d times until %v", n, t)
		}
		b.now = b.wake
		b.dequeue()
	}
}

// check compares the scheduler's account with ours.
func (b *bench) check() {
	n, bytes := b.s.Backlog()
	if n != b.packets || bytes != b.bytes {
		b.fatalf("Backlog() = %d packets %d bytes, want %d and %d", n, bytes, b.packets, b.bytes)
	}
	if b.prop.LimitPackets > 0 && n > b.prop.LimitPackets {
		b.fatalf("%d packets queued, limit is %d", n, b.prop.LimitPackets)
	}
	if b.prop.LimitBytes > 0 && bytes > b.prop.LimitBytes {
		b.fatalf("%d bytes queued, limit is %d", bytes, b.prop.LimitBytes)
	}
}

func newBench(t failer, mk Make, prop Properties, context string) *bench {
	b := &bench{t: t, prop: prop, context: context}
	s, err := mk(sched.Env{Seed: 1, Drop: func(now pkt.Time, p *pkt.Packet, why pkt.Reason) {
		if why == pkt.NoReason {
			b.fatalf("drop of packet %d without a reason", p.ID)
		}
		b.out(now, p, why)
	}})
	if err != nil {
		t.Fatalf("%s: %v", context, err)
	}
	b.s = s
	b.w, _ = s.(sched.Waiter)
	return b
}

// run plays load with random spans drawn from seed, then stops the arrivals and
// demands that the queue drains.
func run(t failer, mk Make, prop Properties, l load, seed uint64) []act {
	prop.Reorders = prop.Reorders || l.anyDS
	b := newBench(t, mk, prop, fmt.Sprintf("load %s seed %d", l.name, seed))
	rng := rand.New(rand.NewPCG(seed, 0))
	span := func(mean int64) pkt.Time {
		if mean == 0 {
			return 0
		}
		return pkt.Time(rng.Int64N(2*mean) + 1)
	}
	flows := make([]*pkt.Flow, l.flows)
	for i := range flows {
		flows[i] = testFlow(i, seed, i%4 == 3)
	}
	arrive, serve := pkt.Time(0), pkt.Time(0)
	for id := range l.packets {
		arrive += span(l.gap)
		for ; serve <= arrive; serve += span(l.service) {
			b.until(serve - 1)
			b.now = serve
			b.dequeue()
		}
		b.until(arrive)
		b.now = arrive
		b.enqueue(randomPacket(rng, uint64(id), arrive, flows[rng.IntN(l.flows)], l))
	}
	b.drain(serve)
	return b.acts
}

// drain dequeues until nothing is left. A packet must come out, or be dropped,
// within a bounded number of calls; where the scheduler says when, it is asked
// just before too.
func (b *bench) drain(from pkt.Time) {
	b.now = max(b.now, from)
	for b.packets > 0 {
		if b.dequeue() || b.wake == 0 {
			b.now = b.now.Add(100 * time.Microsecond)
			continue
		}
		if b.wake == pkt.Never { // the last were dropped
			return
		}
		if before := b.wake - 1; before > b.now {
			b.now = before
			b.dequeue()
		}
		b.now = max(b.now+1, b.wake)
	}
}

func randomPacket(rng *rand.Rand, id uint64, now pkt.Time, f *pkt.Flow, l load) *pkt.Packet {
	n := uint32(rng.IntN(1451) + 64)
	p := &pkt.Packet{ID: id, Arrival: now, Flow: f, Len: n, L3Len: n - 14, Segs: 1, HdrLen: 40}
	p.DSField = uint8(f.ID*37)<<2 | uint8(l.ect) // a flow's DSCP is its own
	if l.anyDS {
		p.DSField = uint8(rng.Uint32())
	}
	if l.gso {
		p.Segs = uint16(rng.IntN(44) + 1)
		p.L3Len = uint32(p.Segs) * 1460
		p.Len = uint32(p.Segs) * 1514
	}
	return p
}

// TestFlow is the n-th of a family of distinct UDP flows, hashed with seed.
func TestFlow(n int, seed uint64) *pkt.Flow { return testFlow(n, seed, false) }

func testFlow(n int, seed uint64, v6 bool) *pkt.Flow {
	k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: uint16(n), DstPort: uint16(n >> 16), V6: v6}
	k.Src[0], k.Dst[0] = 10, 10
	return pkt.NewFlow(k, uint32(n), seed)
}

// empty asks a scheduler with nothing in it, at several times.
func empty(t *testing.T, mk Make) {
	b := newBench(t, mk, Properties{}, "empty")
	for _, now := range []pkt.Time{0, 0, 1, 1e9, 1e15} {
		b.now = now
		if b.dequeue() {
			t.Fatalf("packet from an empty queue at %v", now)
		}
	}
}
