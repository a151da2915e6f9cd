package explain

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
)

var update = flag.Bool("update", false, "write the golden files anew")

// arrivals is a Source of given packets.
type arrivals struct {
	ps []pkt.Packet
	at int
}

func (a *arrivals) Next(p *pkt.Packet) (bool, error) {
	if a.at == len(a.ps) {
		return false, nil
	}
	next := p.Next
	*p = a.ps[a.at]
	p.Next, p.ID = next, uint64(a.at)
	a.at++
	return true, nil
}

// testFlow is UDP from 10.0.0.n:1000 to 10.0.1.1:2000.
func testFlow(n int) *pkt.Flow {
	k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: 1000, DstPort: 2000}
	copy(k.Src[:], []byte{10, 0, 0, byte(n)})
	copy(k.Dst[:], []byte{10, 0, 1, 1})
	return pkt.NewFlow(k, uint32(n), 1)
}

func packet(at pkt.Time, flow *pkt.Flow, size uint32, ds uint8) pkt.Packet {
	return pkt.Packet{Arrival: at, Flow: flow, Len: size, L3Len: size - 14, Segs: 1, HdrLen: 28, DSField: ds}
}

var schedules = map[string]string{"sched.up": "3\n3\n7\n12\n20\n"}

func maker() egress.Maker {
	return egress.Maker{Qdiscs: builtin.Kinds(), ReadFile: func(name string) ([]byte, error) {
		if s, ok := schedules[name]; ok {
			return []byte(s), nil
		}
		return nil, os.ErrNotExist
	}}
}

// plain runs the packets without an observer.
func plain(t *testing.T, c egress.Config, ps []pkt.Packet, sink egress.Sink) string {
	t.Helper()
	d, pool := egress.NewDigest(), &pkt.Pool{}
	port, err := maker().Port(c, egress.Tee(d, sink), pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(&arrivals{ps: ps}, port, pool); err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// observed runs the packets and explains some.
func observed(t *testing.T, c egress.Config, ps []pkt.Packet, ids ...uint64) (xs []*Explanation, digest string) {
	t.Helper()
	o, d, pool := New(ids...), egress.NewDigest(), &pkt.Pool{}
	port, err := maker().Port(c, egress.Tee(d, o), pool)
	if err != nil {
		t.Fatal(err)
	}
	o.Attach(port)
	if _, err := sim.Run(o.Source(&arrivals{ps: ps}), port, pool); err != nil {
		t.Fatal(err)
	}
	if xs, err = o.Explanations(); err != nil {
		t.Fatal(err)
	}
	return xs, d.String()
}

const ms = pkt.Time(1e6)

// TestSplitByHand: at 8 Mbit/s a packet of 1000 bytes takes a millisecond.
func TestSplitByHand(t *testing.T) {
	a, b := testFlow(1), testFlow(2)
	three := []pkt.Packet{packet(0, a, 1000, 0), packet(0, b, 1000, 0), packet(ms/2, a, 1000, 0)}
	for _, c := range []struct {
		what        string
		qdisc, link string
		ps          []pkt.Packet
		id          uint64
		want        Split
		ahead       Amount
	}{
		{
			"the rest of the packet before its flow's, one of another, itself, 2 ms of wire",
			"pfifo", "rate 8mbit delay 2ms", three, 2,
			Split{Total: 4.5e6, BehindFlow: 0.5e6, BehindOthers: 1e6, Transmission: 1e6, Beyond: 2e6}, Amount{1, 1000},
		},
		{"alone", "pfifo", "rate 8mbit", three[:1], 0, Split{Total: 1e6, Transmission: 1e6}, Amount{}},
		{
			"no room: dropped at once", "pfifo limit 1", "rate 8mbit", three, 2, Split{}, Amount{1, 1000},
		},
		{
			"tokens for one packet, the link free: the second waits 1 ms for its own",
			"tbf rate 8mbit burst 1000 limit 10k", "unlimited",
			[]pkt.Packet{packet(0, a, 1000, 0), packet(0, a, 1000, 0)}, 1, Split{Total: 1e6, SchedulerWaited: 1e6}, Amount{},
		},
		{
			// The file has opportunities at 3, 3, 7, 12 and 20 ms, one full packet each.
			"opportunities: the first at 3 ms is another's", "pfifo", "schedule sched.up",
			[]pkt.Packet{packet(0, b, 1500, 0), packet(0, b, 1500, 0), packet(0, a, 1500, 0)}, 2, Split{}, Amount{2, 3000},
		},
	} {
		xs, _ := observed(t, egress.Config{Qdisc: c.qdisc, Link: c.link, Seed: 1}, c.ps, c.id)
		x := xs[0]
		if strings.HasPrefix(c.link, "schedule") {
			c.want = x.Split
			if x.End != 7*ms || x.Split.Total != 7e6 {
				t.Errorf("%s: ends at %v, want at 7 ms: %+v", c.what, x.End, x.Split)
			}
		}
		if x.Split != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, x.Split, c.want)
		}
		if x.Ahead != c.ahead {
			t.Errorf("%s: ahead %+v, want %+v", c.what, x.Ahead, c.ahead)
		}
	}
}

// TestHeld: what a cell has, and does not send yet, it holds; what a station sends is
// transmission; what follows is beyond.
func TestHeld(t *testing.T) {
	k := pkt.FlowKey{Proto: pkt.ProtoUDP, SrcPort: 1000, DstPort: 5353}
	copy(k.Src[:], []byte{10, 0, 9, 9})
	copy(k.Dst[:], []byte{224, 0, 0, 251})
	group, up := pkt.NewFlow(k, 9, 1), testFlow(1)
	for _, c := range []struct {
		what, link string
		p          pkt.Packet
		held       [2]pkt.Time
		air        [2]pkt.Time
		beyond     pkt.Time
		words      string
	}{
		{
			"the group's at 150 ms, for the beacon at 204.8 ms", "wifi g beacon 102.4ms sta 10.0.1.1 54mbit sleep 1",
			packet(150*ms, group, 1000, 0), [2]pkt.Time{54 * ms, 56 * ms}, [2]pkt.Time{1.3e6, 2 * ms}, 0,
			"the link held it before it sent it",
		},
		{
			"from a station: contention, and a PPDU of 180 us", "wifi g sta 10.0.0.1 54mbit",
			packet(ms, up, 1000, 0), [2]pkt.Time{}, [2]pkt.Time{180e3, 600e3}, 0, "the link sent the packet itself",
		},
		{
			"likewise, with 5 ms behind, of which the acknowledgement takes part", "wifi g sta 10.0.0.1 54mbit delay 5ms",
			packet(ms, up, 1000, 0), [2]pkt.Time{}, [2]pkt.Time{180e3, 600e3}, 5*ms - 44e3, "it was on its way to the far end",
		},
	} {
		xs, _ := observed(t, egress.Config{Qdisc: "pfifo", Link: c.link, Seed: 1}, []pkt.Packet{c.p}, 0)
		s := xs[0].Split
		if held := pkt.Time(s.LinkHeld); held < c.held[0] || held > c.held[1] {
			t.Errorf("%s: held %v, want %v", c.what, held, c.held)
		}
		if air := pkt.Time(s.Transmission); air < c.air[0] || air > c.air[1] {
			t.Errorf("%s: transmission %v, want %v", c.what, air, c.air)
		}
		if pkt.Time(s.Beyond) != c.beyond || !strings.Contains(xs[0].Summary, c.words) {
			t.Errorf("%s: beyond %d, want %d; %s", c.what, s.Beyond, c.beyond, xs[0].Summary)
		}
	}
}

// TestMostly: most is more than half, and equal parts are both named.
func TestMostly(t *testing.T) {
	for want, s := range map[string]Split{
		"It took no time.": {},
		"Most of that time, 6ns (60%), the link sent packets of other flows.":                                                      {Total: 10, BehindOthers: 6, Beyond: 4},
		"The largest part of that time, 4ns (40%): the link sent packets of other flows.":                                          {Total: 10, BehindFlow: 3, BehindOthers: 4, Beyond: 3},
		"The largest parts of that time, 5ns (50%) each: the link sent packets of its own flow; it was on its way to the far end.": {Total: 10, BehindFlow: 5, Beyond: 5},
	} {
		if got := (&Explanation{Split: s}).mostly(); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

// TestOvertaken: strict priority sends what came later first, and the table says
// whose it was.
func TestOvertaken(t *testing.T) {
	bulk, voice := testFlow(1), testFlow(2)
	ps := []pkt.Packet{
		packet(0, bulk, 1000, 0), packet(0, bulk, 1000, 0),
		packet(0, voice, 1000, 0x10), packet(ms/4, voice, 1000, 0x10),
	}
	xs, _ := observed(t, egress.Config{Qdisc: "pfifo_fast", Link: "rate 8mbit", Seed: 1}, ps, 1)
	x := xs[0]
	if len(x.Flows) != 2 || x.Flows[0].Own || x.Flows[0].Overtook != (Amount{2, 2000}) || x.Flows[0].OnLink != 2e6 || x.Flows[1].OnLink != 1e6 {
		t.Errorf("flows %+v", x.Flows)
	}
	if x.Split.BehindOthers != 2e6 || x.Split.BehindFlow != 1e6 {
		t.Errorf("split %+v", x.Split)
	}
}

// randomTrace has bursts from a few flows, above and below what the links carry.
func randomTrace(seed uint64) []pkt.Packet {
	rng := rand.New(rand.NewPCG(seed, 7))
	now, ps := pkt.Time(0), []pkt.Packet{}
	for range 600 {
		if rng.IntN(3) == 0 {
			now += pkt.Time(rng.IntN(4e6))
		}
		ds := []uint8{0, 0, 1, 2, 3, 0x10, 0xb8, 0x20}[rng.IntN(8)]
		ps = append(ps, packet(now, testFlow(rng.IntN(6)), uint32(64+rng.IntN(1451)), ds))
	}
	return ps
}

func lines() []string {
	return []string{
		"pfifo limit 40", "bfifo limit 30k", "pfifo_fast", "prio [pfifo limit 9] [fq_codel] [tbf rate 2mbit burst 10k limit 30k]",
		"red limit 100k min 5k max 15k avpkt 500 ecn", "sfq limit 30 headdrop", "sfq redflowlimit 20000 ecn depth 20", "drr classes 4 [codel]",
		"tbf rate 2mbit burst 4k limit 20k", "codel target 1ms interval 10ms ecn", "cobalt limit 60 target 1ms interval 10ms",
		"fq_codel target 1ms interval 10ms flows 8 limit 60", "pie target 2ms limit 100", "fq_pie flows 4 target 1ms limit 80",
		"dualpi2 limit 60", "cake bandwidth 3mbit diffserv4 memlimit 100k", "cake rtt 5ms ack-filter dual-srchost wash",
		"mac80211 limit 60 flows 5 target 1ms interval 10ms airtime aql",
	}
}

// TestSplitSums runs random traces over every scheduler and several links and
// checks, for packets all over the trace, that the time is divided without rest,
// that every packet ahead is accounted for, and that watching changed nothing.
func TestSplitSums(t *testing.T) {
	fates, uplinks := map[Fate]int{}, 0
	explained := map[string]bool{}
	for i, qdisc := range lines() {
		for j, link := range []string{
			"rate 3mbit delay 2ms", "unlimited delay 1ms", "schedule sched.up delay 1ms",
			"rate 4mbit delay 5ms 3ms loss 5% duplicate 5% slot 1ms 3ms", "rate 4mbit front loss 5% slot 2ms 4ms",
			"wifi standard ht20 sta 10.0.1.1 mcs0 error 20%", "wifi standard g sta 10.0.0.1,10.0.0.2 rate 6mbit sta 10.9.9.9 rate 6mbit",
		} {
			if strings.HasPrefix(link, "wifi") && i%3 != 2 {
				continue // they take their time; mac80211 is among the others
			}
			seed := uint64(i*10 + j)
			ps := randomTrace(seed)
			ids := []uint64{uint64(len(ps) - 1)}
			for id := seed % 7; id < uint64(len(ps)); id += 7 {
				ids = append(ids, id)
			}
			c := egress.Config{Qdisc: qdisc, Link: link, Seed: seed}
			want := plain(t, c, ps, egress.Tee())
			xs, digest := observed(t, c, ps, ids...)
			if digest != want {
				t.Errorf("%s, %s: digest %s, without explaining it is %s", qdisc, link, digest, want)
			}
			for _, x := range xs {
				fates[x.Fate]++
				if x.Uplink {
					uplinks++
				}
				if err := accounts(x); err != nil {
					t.Errorf("%s, %s, seed %d, packet %d: %v\n%s", qdisc, link, seed, x.Packet, err, x.Summary)
				}
			}
		}
		explained[strings.Fields(qdisc)[0]] = true
	}
	for _, k := range builtin.Kinds() {
		if !explained[k.Name] {
			t.Errorf("%s is not in the table", k.Name)
		}
	}
	if fates[Delivered] < 1000 || fates[Dropped] < 200 || uplinks < 100 {
		t.Errorf("fates %v: too few to mean much", fates)
	}
}

func accounts(x *Explanation) error {
	s := x.Split
	sum, onLink := int64(0), int64(0)
	for _, p := range s.parts() {
		if p.ns < 0 {
			return fmt.Errorf("%s is %d ns", p.name, p.ns)
		}
		sum += p.ns
	}
	if sum != s.Total || s.Total != int64(x.End-x.Arrival) {
		return fmt.Errorf("%+v sums up to %d, not to the %d between arrival and end", s, sum, x.End-x.Arrival)
	}
	var ahead Amount
	for _, f := range x.Flows {
		onLink += f.OnLink
		ahead.Packets, ahead.Bytes = ahead.Packets+f.Ahead.Packets, ahead.Bytes+f.Ahead.Bytes
		if f.Passed.Packets < 0 || f.Sent.Packets+f.Dropped.Packets+f.Passed.Packets != f.Ahead.Packets {
			return fmt.Errorf("flow %+v", f)
		}
	}
	if onLink != s.BehindFlow+s.BehindOthers || ahead != x.Ahead {
		return fmt.Errorf("flows have %d ns and %+v of %+v and %+v", onLink, ahead, s, x.Ahead)
	}
	if x.Decided > x.Arrival && x.Fate != Undecided && !x.Uplink {
		last := x.State.Before[len(x.State.Before)-1]
		for _, l := range x.State.Before {
			if l.num("is_it") == 1 {
				last = l // out of its queue, but not on the link
			}
		}
		if f, ok := last.field("packets"); ok && f.num < 1 {
			return fmt.Errorf("%s has no packet before the decision: %+v", last.Name, last.Values)
		}
	}
	return nil
}

// TestExplainers checks that every built-in scheduler says more than its backlog.
func TestExplainers(t *testing.T) {
	for _, line := range lines() {
		s, err := builtin.New(line, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.(sched.Explainer); !ok {
			t.Errorf("%s explains nothing", line)
		}
	}
}

// TestFinder finds what a run had first and worst.
func TestFinder(t *testing.T) {
	a, b := testFlow(1), testFlow(2)
	ps := []pkt.Packet{
		packet(0, a, 1000, 0), packet(0, b, 1000, 0), packet(0, a, 1000, 0), packet(0, b, 1000, 0), packet(9*ms, a, 1000, 0),
	}
	run := func(f *Finder) *Finder {
		plain(t, egress.Config{Qdisc: "pfifo limit 2", Link: "rate 8mbit", Seed: 1}, ps, f)
		return f
	}
	f := run(&Finder{Worst: 2})
	if id, ok := f.FirstDrop(); !ok || id != 3 {
		t.Errorf("first drop %d, %v, want 3", id, ok)
	}
	if _, ok := f.FirstMark(); ok {
		t.Error("found a mark where there is none")
	}
	if got := fmt.Sprint(f.Latest()); got != "[2 1]" {
		t.Errorf("worst %s, want [2 1]: 2 ms and 1 ms in the queue", got)
	}
	f = run(&Finder{Worst: 1, Flow: "10.0.0.2:"})
	if got := fmt.Sprint(f.Latest()); got != "[1]" || !f.FlowFound() {
		t.Errorf("worst of flow 2 is %s", got)
	}
	if f = run(&Finder{Flow: "10.9.9.9"}); f.FlowFound() {
		t.Error("found a flow that is not there")
	}
}

// TestAbsent names the packets there are.
func TestAbsent(t *testing.T) {
	o, pool := New(7), &pkt.Pool{}
	port, err := maker().Port(egress.Config{Qdisc: "pfifo", Link: "unlimited"}, o, pool)
	if err != nil {
		t.Fatal(err)
	}
	o.Attach(port)
	if _, err := sim.Run(o.Source(&arrivals{ps: randomTrace(1)[:5]}), port, pool); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Explanations(); err == nil || !strings.Contains(err.Error(), "no packet 7: 5 arrived, numbered from 0 to 4") {
		t.Errorf("error %v", err)
	}
}
