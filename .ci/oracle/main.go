// Oracle gives uq's schedulers and ns-3's the same arrivals and the same link,
// and prints where they decide differently, with the reasons that are known. It
// fails where they differ by more than those explain.
// Run it with make oracle, which builds the ns-3 side (ns3/ns3.cc) first.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// subject is a scheduler on both sides.
type subject struct {
	qdisc string
	ns3   []string // TypeId and attributes
	// reasons are the differences known; bounds is what they may come to.
	reasons []string
	bounds  bounds
}

// bounds is by how much the sides may differ, in shares of all packets. Where they
// differ in one decision by design, all that follow may: then only totals tell.
type bounds struct {
	// decisions is of packets that are sent at another time or dropped by one side
	// only, marks of those that one side only marks.
	decisions, marks float64
	// totals is the difference in how many are sent, and in how many are dropped.
	totals float64
}

var subjects = []subject{
	{
		qdisc: "codel limit 1000",
		ns3:   []string{"ns3::CoDelQueueDisc", "MaxSize=1000p", "MinBytes=1514"},
		reasons: []string{
			"ns-3 drops nothing while fewer than MinBytes are queued, Linux and uq while at most an MTU is",
		},
		bounds: bounds{}, // none: every decision is the same
	},
	{
		qdisc: "codel limit 1000 ecn",
		ns3:   []string{"ns3::CoDelQueueDisc", "MaxSize=1000p", "MinBytes=1514", "UseEcn=true"},
		reasons: []string{
			"after a mark ns-3 counts to the next from now, Linux and uq from when this one was due: marks are fewer and later there, packets are sent at the same times",
		},
		bounds: bounds{marks: 0.35},
	},
	{
		qdisc: "fq_codel limit 10240 noecn",
		ns3:   []string{"ns3::FqCoDelQueueDisc", "MaxSize=10240p", "UseEcn=false"},
		reasons: []string{
			"a new flow that empties while no old one waits leaves the lists in Linux and uq; in ns-3 and RFC 8290 it stays among the old, and is served later when it comes back",
			"the backlog that CoDel's small-queue rule looks at is the whole qdisc's in Linux and uq, the flow's in ns-3, which thus drops less",
		},
		bounds: bounds{decisions: 1, totals: 0.01},
	},
	{
		// Room for everything and no BLUE by delay, which Linux does not have: CoDel
		// as COBALT does it is left.
		qdisc: "cobalt limit 100000",
		ns3:   []string{"ns3::CobaltQueueDisc", "MaxSize=100000p", "BlueThreshold=3600s"},
		reasons: []string{
			"a fresh queue's first excursion above target is signalled at the very next packet by Linux's code and uq, after an interval by ns-3",
			"ns-3 may drop a queue's last packet",
		},
		bounds: bounds{decisions: 1, totals: 0.005},
	},
	{
		qdisc: "pie limit 1000 target 15ms tupdate 15ms",
		ns3: []string{"ns3::PieQueueDisc", "MaxSize=1000p", "Supdate=500ms", "Tupdate=15ms", "QueueDelayReference=15ms",
			"MaxBurstAllowance=150ms", "UseDerandomization=true", "UseDequeueRateEstimator=false"},
		reasons: []string{
			"each side draws random numbers of its own: totals and delays are compared, not packets",
			"ns-3 updates from its start on: it schedules the first update before Supdate is set",
		},
		bounds: bounds{decisions: 1, totals: 0.015},
	},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: oracle NS3_PROGRAM")
		os.Exit(2)
	}
	beyond := 0
	for _, s := range subjects {
		for _, l := range loads {
			n, err := compare(os.Args[1], s, l)
			if err != nil {
				fmt.Fprintf(os.Stderr, "oracle: %s: %v\n", s.qdisc, err)
				os.Exit(1)
			}
			beyond += n
		}
	}
	if beyond > 0 {
		fmt.Fprintf(os.Stderr, "oracle: %d differences beyond what is known\n", beyond)
		os.Exit(3)
	}
}

// rate is the link's, bytes a second: a microsecond for each byte.
const rate = 1000000

// load is a pattern of arrivals: so many flows that offer a share of the rate
// in turns, high for a second and low for one.
type load struct {
	name      string
	flows     int
	high, low float64
	ecn       pkt.ECN
}

var loads = []load{
	{"steady overload", 4, 1.3, 1.3, pkt.ECT0},
	{"bursts", 8, 1.6, 0.5, pkt.ECT0},
}

type arrival struct {
	at    pkt.Time
	flow  *pkt.Flow
	bytes uint32
	ecn   pkt.ECN
}

// arrivals makes 20 s of them, at odd nanoseconds so that nothing coincides.
func (l load) arrivals() []arrival {
	rng := rand.New(rand.NewPCG(1, 2))
	flows := distinctFlows(l.flows)
	var as []arrival
	at := 0.0
	for at < 20e9 {
		offered := l.high
		if int(at/1e9)%2 == 1 {
			offered = l.low
		}
		bytes := uint32(64 + rng.IntN(1450))
		at += rng.ExpFloat64() * 800e3 / offered // 789 bytes on average
		as = append(as, arrival{pkt.Time(at) | 1, flows[rng.IntN(l.flows)], bytes, l.ecn})
	}
	return as
}

// distinctFlows are flows in buckets of their own, whose numbers, which ns-3
// uses for a hash, are too.
func distinctFlows(n int) (flows []*pkt.Flow) {
	taken := map[uint64]bool{}
	for port := uint16(1); len(flows) < n; port++ {
		k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: port}
		f := pkt.NewFlow(k, uint32(len(flows)), 1)
		if b := uint64(f.Hash) * 1024 >> 32; !taken[b] {
			taken[b] = true
			flows = append(flows, f)
		}
	}
	return flows
}

// fate is what became of a packet.
type fate struct {
	what string // "send", "drop" or "" while inside
	at   pkt.Time
	mark bool
}

// compare prints how the sides differ and returns how many of the bounds do not
// hold.
func compare(program string, s subject, l load) (beyond int, err error) {
	as := l.arrivals()
	ours, err := runOurs(s.qdisc, as)
	if err != nil {
		return 0, err
	}
	theirs, err := runTheirs(program, s.ns3, as)
	if err != nil {
		return 0, err
	}
	fmt.Printf("%s, %s, %d packets\n", s.qdisc, l.name, len(as))
	describe("uq", as, ours)
	describe("ns-3", as, theirs)
	same, first := 0, -1
	for i := range as {
		if ours[i] == theirs[i] {
			same++
		} else if first < 0 {
			first = i
		}
	}
	fmt.Printf("  the same for %d packets (%.2f %%)", same, 100*float64(same)/float64(len(as)))
	if first >= 0 {
		fmt.Printf("; first of the others is #%d, arrived %v: uq %s, ns-3 %s", first, as[first].at, ours[first], theirs[first])
	}
	fmt.Println()
	if first >= 0 {
		for _, r := range s.reasons {
			fmt.Printf("  known: %s\n", r)
		}
	}
	beyond = s.bounds.check(ours, theirs)
	fmt.Println()
	return beyond, nil
}

// check prints where the sides differ by more than b and counts it.
func (b bounds) check(ours, theirs []fate) (beyond int) {
	decisions, marks, sent, dropped := 0, 0, 0, 0
	for i := range ours {
		a, b := ours[i], theirs[i]
		if a.mark != b.mark {
			marks++
		}
		if a.what != b.what || a.at != b.at {
			decisions++
		}
		sent += count(a.what == "send") - count(b.what == "send")
		dropped += count(a.what == "drop") - count(b.what == "drop")
	}
	for _, c := range []struct {
		what string
		n    int
		most float64
	}{{"decisions", decisions, b.decisions}, {"marks", marks, b.marks}, {"sent", sent, b.totals}, {"dropped", dropped, b.totals}} {
		if share := math.Abs(float64(c.n)) / float64(len(ours)); share > c.most {
			fmt.Printf("  UNKNOWN: %s differ by %.2f %% of the packets, more than the %.2f %% that is known\n", c.what, 100*share, 100*c.most)
			beyond++
		}
	}
	return beyond
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (f fate) String() string {
	w := f.what
	if w == "" {
		return "keeps it"
	}
	if f.mark {
		w += " with CE"
	}
	return w + " at " + f.at.String()
}

// describe prints a side's totals.
func describe(who string, as []arrival, fates []fate) {
	sent, dropped, marked := 0, 0, 0
	var sojourn []time.Duration
	for i, f := range fates {
		switch f.what {
		case "send":
			sent++
			sojourn = append(sojourn, f.at.Sub(as[i].at))
		case "drop":
			dropped++
		}
		if f.mark {
			marked++
		}
	}
	slices.Sort(sojourn)
	at := func(q float64) time.Duration {
		if len(sojourn) == 0 {
			return 0
		}
		return sojourn[int(q*float64(len(sojourn)-1))].Round(10 * time.Microsecond)
	}
	fmt.Printf("  %-5s sent %6d  dropped %6d  marked %6d  sojourn p50 %v p95 %v p99 %v\n", who, sent, dropped, marked, at(.5), at(.95), at(.99))
}

// runOurs plays the arrivals through a port of uq's.
func runOurs(qdisc string, as []arrival) ([]fate, error) {
	fates := make([]fate, len(as))
	sink := sinkFunc(func(e egress.Event) {
		f := &fates[e.Packet.ID]
		switch e.Kind {
		case egress.Dequeue:
			f.what, f.at = "send", e.Time
		case egress.Drop:
			f.what, f.at = "drop", e.Time
		case egress.Mark:
			f.mark = true
		}
	})
	pool := &pkt.Pool{}
	port, err := egress.Maker{Qdiscs: builtin.Kinds()}.Port(egress.Config{Qdisc: qdisc, Link: fmt.Sprintf("rate %dbps", rate), Seed: 1}, sink, pool)
	if err != nil {
		return nil, err
	}
	for i, a := range as {
		p := pool.Get()
		p.ID, p.Arrival, p.Flow, p.Len, p.L3Len, p.Segs, p.DSField = uint64(i), a.at, a.flow, a.bytes, a.bytes, 1, uint8(a.ecn)
		port.Enqueue(a.at, p)
	}
	port.Drain()
	return fates, nil
}

type sinkFunc func(egress.Event)

func (f sinkFunc) Event(e egress.Event) { f(e) }

// runTheirs plays them through the ns-3 program.
func runTheirs(program string, args []string, as []arrival) ([]fate, error) {
	var in bytes.Buffer
	for i, a := range as {
		fmt.Fprintf(&in, "%d %d %d %d %d\n", int64(a.at), i, a.flow.ID, a.bytes, a.ecn)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{args[0], fmt.Sprint(rate)}, args[1:]...)...)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	fates := make([]fate, len(as))
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var what string
		var at int64
		var id int
		if _, err := fmt.Sscan(lines.Text(), &what, &at, &id); err != nil || id < 0 || id >= len(fates) {
			return nil, fmt.Errorf("%s says %q", program, lines.Text())
		}
		if what == "mark" {
			fates[id].mark = true
		} else {
			fates[id].what, fates[id].at = what, pkt.Time(at)
		}
	}
	return fates, lines.Err()
}
