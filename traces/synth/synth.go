// Package synth makes traces that nobody recorded: seeded generators of packet
// records for tests, benchmarks and demonstrations. The same kind and seed give
// the same records everywhere. Memory does not grow with the number of packets.
package synth

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Kinds of traffic.
const (
	// Mix is elephants, their ACKs, VoIP, web-like transfers and pings, recorded
	// without a scheduler: verdicts follow arrivals by a noisy delay.
	Mix = "mix"
	// MixFIFO is the same traffic decided by a FIFO at a 40 Mbit/s link.
	MixFIFO = "mix-fifo"
	// CBR is UDP at a constant rate of 1.2 times a 20 Mbit/s link with a FIFO.
	CBR = "cbr"
	// Flows is packets of 20000 UDP flows in random order, some of them IPv6.
	Flows = "flows"
)

// Kinds lists the kinds of traffic.
func Kinds() []string { return []string{Mix, MixFIFO, CBR, Flows} }

// Generator makes the records of one trace, without an end.
type Generator struct {
	kind   string
	seed   uint64
	rng    *rand.Rand
	agents []agent
	clock  verdictClock
	fifo   *fifo
}

// agent is a sender. Its send fills the record of its next packet, whose time
// is set, and returns the time until the one after.
type agent struct {
	next pkt.Time
	send func(r *traces.Record) pkt.Time
}

// New returns a generator of one of Kinds.
func New(kind string, seed uint64) (*Generator, error) {
	g := &Generator{kind: kind, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x7571))}
	g.clock.rng = g.rng
	switch kind {
	case Mix:
		g.addMix()
	case MixFIFO:
		g.addMix()
		g.fifo = &fifo{bitsPerSec: 40e6, limit: 200}
	case CBR:
		g.add(cbr(g.flow(pkt.ProtoUDP, 5001), 1400, 466667)) // 24 Mbit/s
		g.fifo = &fifo{bitsPerSec: 20e6, limit: 100}
	case Flows:
		g.add(g.manyFlows(20000))
	default:
		return nil, fmt.Errorf("unknown kind of traffic %q: want one of %s", kind, strings.Join(Kinds(), ", "))
	}
	return g, nil
}

// Header describes the trace being made.
func (g *Generator) Header() traces.Header {
	h := traces.Header{
		LinkHeader:  14,
		NotCaptured: []string{"payload"},
		Synthetic:   fmt.Sprintf("%s seed %d", g.kind, g.seed),
		Devices:     []traces.Device{{Index: 2, Name: "eth0", MTU: 1500}, {Index: 3, Name: "eth1", MTU: 1500}},
	}
	if g.fifo != nil {
		h.Scheduler = &traces.Scheduler{
			Qdisc: fmt.Sprintf("pfifo limit %d", g.fifo.limit),
			Link:  fmt.Sprintf("rate %dmbit", g.fifo.bitsPerSec/1e6), GSO: "whole",
		}
	}
	return h
}

// Next fills r with the next record. There is always one.
func (g *Generator) Next(r *traces.Record) {
	first := 0
	for i := range g.agents {
		if g.agents[i].next < g.agents[first].next {
			first = i
		}
	}
	a := &g.agents[first]
	*r = traces.Record{
		Time: a.next, KernelTime: traces.NoTime, Dequeued: traces.NoTime, Due: traces.NoTime,
		Segs: 1, Verdict: traces.Accept,
		Path: traces.Path{Hook: 2, InDev: 2, OutDev: 3},
	}
	a.next += max(1, a.send(r))
	ready := r.Time
	if g.fifo != nil {
		g.fifo.decide(r)
		ready = r.Due
	}
	r.VerdictTime = g.clock.verdict(ready)
}

func (g *Generator) add(send func(*traces.Record) pkt.Time) {
	g.agents = append(g.agents, agent{next: g.upTo(20e6), send: send})
}

// upTo is uniform between 0 and d.
func (g *Generator) upTo(d pkt.Time) pkt.Time { return pkt.Time(g.rng.Int64N(int64(d))) }

// about is exponential with mean d.
func (g *Generator) about(d pkt.Time) pkt.Time { return pkt.Time(g.rng.ExpFloat64() * float64(d)) }

// flow makes up a flow from a server to a client.
func (g *Generator) flow(proto uint8, port uint16) pkt.FlowKey {
	k := pkt.FlowKey{Proto: proto}
	copy(k.Src[:], []byte{203, 0, 113, byte(g.rng.IntN(254) + 1)})
	copy(k.Dst[:], []byte{192, 168, 1, byte(g.rng.IntN(254) + 1)})
	if k.HasPorts() {
		k.SrcPort, k.DstPort = port, uint16(32768+g.rng.IntN(28000))
	}
	return k
}

// verdictClock models the program that serves the queue: it wakes some time
// after a packet is ready and gives all that are ready by then one verdict
// time.
type verdictClock struct {
	rng        *rand.Rand
	wake, last pkt.Time
}

func (c *verdictClock) verdict(ready pkt.Time) pkt.Time {
	if ready > c.wake {
		c.wake = max(c.last, ready+4000+pkt.Time(c.rng.ExpFloat64()*12000))
		c.last = c.wake + 1500 + pkt.Time(c.rng.IntN(3000))
	}
	return c.last
}

// fifo is a drop-tail queue in front of a link of fixed rate.
type fifo struct {
	bitsPerSec int64
	limit      int
	due        []pkt.Time // of the queued packets, oldest first
	free       pkt.Time   // when the link falls free
}

func (f *fifo) decide(r *traces.Record) {
	gone := 0
	for gone < len(f.due) && f.due[gone] <= r.Time {
		gone++
	}
	f.due = append(f.due[:0], f.due[gone:]...)
	if len(f.due) >= f.limit {
		r.Verdict, r.Reason = traces.Drop, pkt.Overlimit
		r.Dequeued, r.Due = r.Time, r.Time
		return
	}
	r.Dequeued = max(r.Time, f.free)
	r.Due = r.Dequeued + pkt.Time(int64(r.Len+14*uint32(r.Segs))*8*1e9/f.bitsPerSec)
	f.free = r.Due
	f.due = append(f.due, r.Due)
}
