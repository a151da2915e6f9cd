package builtin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// A law says how the decisions of a scheduler change when its input does. There
// is no other oracle for many of them: nobody knows the right answer, but it must
// be the same one.

// anyShift and tickShift are the spans by which the shift law moves a script.
// tickShift is a whole number of every tick there is: CoDel's of 1024 ns, PIE's
// of 64 ns and its updates of 15 ms and 1 ms, DualPI2's of 16 ms, RED's steps of
// half a second.
const anyShift, tickShift = 1234567891, 3072 * 1e9

// scaling is the factor by which the scale law stretches time.
const scaling = 4

// obeys says which laws a line obeys, with the reason where it does not.
type obeys struct {
	spec string
	// shift is the span its time may be moved by; noShift says why by none.
	shift   pkt.Time
	noShift string
	// slower is the line with its own times stretched by scaling; the same line
	// if it has none. Rates are such that a byte takes whole nanoseconds. noScale says why there is no such line.
	slower  string
	noScale string
	// grain, if not 0, is the span that all times are made multiples of for the
	// scale law: the unit of a scheduler's clock. Its own times are multiples, too.
	grain pkt.Time
	// random says that it draws random numbers, from a stream named after its
	// place.
	random bool
	// heedsEmpty says that being asked while nothing is queued changes its state:
	// drr, which asks no empty class, changes what it does.
	heedsEmpty bool
}

func laws() []obeys {
	const pieConstants = "its burst allowance, its first update and its 250 ms are constants"
	// CoDel's clock has units of 1024 ns. Steps of 65536 of them, over the root in
	// 1/65536, are whole.
	const tick = 1024
	const quick, slow = "target 5242880ns interval 67108864ns", "target 20971520ns interval 268435456ns"
	return []obeys{
		{spec: "pfifo limit 20", shift: anyShift, slower: "pfifo limit 20"},
		{spec: "bfifo limit 20k", shift: anyShift, slower: "bfifo limit 20k"},
		{spec: "pfifo_fast", shift: anyShift, slower: "pfifo_fast"},
		{spec: "prio [pfifo limit 9] [drr] [sfq]", shift: anyShift, slower: "prio [pfifo limit 9] [drr] [sfq]"},
		{
			spec:   "prio bands 2 priomap 0 0 1 1 0 0 0 [tbf rate 8mbit burst 10k limit 30k] [sfq]",
			shift:  anyShift,
			slower: "prio bands 2 priomap 0 0 1 1 0 0 0 [tbf rate 2mbit burst 10k limit 30k] [sfq]",
		},
		{spec: "drr classes 5 quantum 700 [bfifo limit 9k]", shift: anyShift, slower: "drr classes 5 quantum 700 [bfifo limit 9k]"},
		{spec: "sfq limit 40 depth 9", shift: anyShift, slower: "sfq limit 40 depth 9"},
		{spec: "sfq perturb 1 headdrop", noShift: "the hash is a function of the run's time", noScale: "perturb is in whole seconds of the run's time", random: true},
		{
			spec:  "sfq redflowlimit 50000 min 1500 max 9000 probability 0.1 ecn",
			shift: anyShift, slower: "sfq redflowlimit 50000 min 1500 max 9000 probability 0.1 ecn", random: true,
		},
		{
			spec: "red limit 100k avpkt 1000 ecn bandwidth 10mbit", shift: anyShift, grain: 1000,
			slower: "red limit 100k avpkt 1000 ecn bandwidth 2.5mbit", random: true,
		},
		{spec: "red limit 60k min 5k max 20k avpkt 1000 adaptive", shift: tickShift, noScale: "a step every half second", random: true},
		{spec: "tbf rate 8mbit burst 10k limit 30k", shift: anyShift, slower: "tbf rate 2mbit burst 10k limit 30k"},
		{
			spec:   "tbf rate 8mbit burst 3333 limit 30k peakrate 10mbit mtu 1600 overhead 9 linklayer atm",
			shift:  anyShift,
			slower: "tbf rate 2mbit burst 3333 limit 30k peakrate 2.5mbit mtu 1600 overhead 9 linklayer atm",
		},
		{spec: "codel limit 90 ecn " + quick, shift: tickShift, slower: "codel limit 90 ecn " + slow, grain: tick, heedsEmpty: true},
		{spec: "cobalt limit 50", shift: tickShift, noScale: "the control law rounds its steps to ns", random: true},
		{ // an interval of 2^32 ns, and its fourfold, have whole steps
			spec: "cobalt limit 50 target 1ms interval 4294967296ns", shift: tickShift,
			slower: "cobalt limit 50 target 4ms interval 17179869184ns", random: true,
		},
		{
			spec: "fq_codel limit 60 flows 5 ce_threshold 1048576ns " + quick, shift: tickShift, grain: tick,
			slower: "fq_codel limit 60 flows 5 ce_threshold 4194304ns " + slow, heedsEmpty: true,
		},
		{spec: "pie limit 90 ecn target 2ms tupdate 1ms alpha 32 beta 32", shift: tickShift, noScale: pieConstants, random: true},
		{spec: "fq_pie limit 90 flows 5 target 2ms tupdate 1ms alpha 32 beta 32", shift: tickShift, noScale: pieConstants, random: true},
		{spec: "dualpi2 limit 60", shift: tickShift, noScale: "its gains, 41 and 819 of 1/256 Hz, have no quarter", random: true},
		{ // 164 and 1640 of 1/256 Hz, and 41 and 410: their integers are each other's fourfold
			spec: "dualpi2 limit 60 alpha 0.640625 beta 6.40625", shift: tickShift,
			slower: "dualpi2 limit 60 alpha 0.16015625 beta 1.6015625 target 60ms tupdate 64ms step_thresh 4ms", random: true,
		},
		{spec: "cake bandwidth 8mbit diffserv4 ack-filter", shift: tickShift, noScale: "its control law rounds its steps to ns", random: true},
		{ // such an interval for every tin: the shaper, the tins and the overflow decide, then BLUE
			spec: "cake bandwidth 4mbit diffserv4 docsis memlimit 60k rtt 21474836480ns", shift: tickShift,
			slower: "cake bandwidth 1mbit diffserv4 docsis memlimit 60k rtt 85899345920ns", random: true,
		},
		{spec: "mac80211 limit 60 flows 5 " + quick, shift: tickShift, slower: "mac80211 limit 60 flows 5 " + slow, grain: tick, heedsEmpty: true},
	}
}

// call is an Enqueue, or a Dequeue if there is no packet.
type call struct {
	at pkt.Time
	p  *pkt.Packet
}

// script is a load of one and a half times what is served, with idle times, of
// flows with each their DS field. It begins long after the scheduler was made, at
// time 0, when what adapts to an idle queue has.
func script(seed uint64) []call {
	rng := rand.New(rand.NewPCG(seed, 1))
	var calls []call
	now, id := pkt.Time(1e11), uint64(0)
	for round := range 4000 {
		now += pkt.Time(rng.Int64N(1e6))
		if round%1000 == 999 { // drained, and idle
			for range 100 {
				now += pkt.Time(rng.Int64N(1e6))
				calls = append(calls, call{at: now})
			}
			now += 3e9
		}
		if rng.IntN(5) < 2 {
			calls = append(calls, call{at: now})
			continue
		}
		flow := rng.IntN(12)
		f := schedtest.TestFlow(flow, 1)
		n := uint32(rng.IntN(1400) + 100)
		calls = append(calls, call{now, &pkt.Packet{
			ID: id, Flow: f, Len: n, L3Len: n - 14, Segs: 1, HdrLen: 40, DSField: uint8(flow * 41),
		}})
		id++
	}
	return calls
}

// coarse is a script with its times rounded down to multiples of grain.
func coarse(calls []call, grain pkt.Time) []call {
	if grain == 0 {
		return calls
	}
	out := slices.Clone(calls)
	for i := range out {
		out[i].at -= out[i].at % grain
	}
	return out
}

// change is how a script is changed.
type change struct {
	scale, shift pkt.Time
	flow         func(pkt.Flow) pkt.Flow
}

func (c change) time(t pkt.Time) pkt.Time { return t*c.scale + c.shift }

// play makes the calls, changed, asks as well whenever the scheduler wants to be
// asked, and returns the decisions with their times changed back.
func play(t *testing.T, spec string, calls []call, c change) []string {
	t.Helper()
	var out []string
	note := func(now pkt.Time, what string, p *pkt.Packet) {
		at := now - c.shift
		out = append(out, fmt.Sprintf("%d+%d %s #%d %s", at/c.scale, at%c.scale, what, p.ID, p.ECN()))
	}
	s, err := New(spec, sched.Env{Seed: 1, Drop: func(now pkt.Time, p *pkt.Packet, why pkt.Reason) {
		note(now, why.String(), p)
	}})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := s.(sched.Waiter)
	wake := pkt.Never
	ask := func(now pkt.Time) {
		p := s.Dequeue(now)
		if wake = pkt.Never; p != nil {
			note(now, "send", p)
		} else if w != nil {
			wake = w.NextWake()
		}
	}
	flows := map[*pkt.Flow]*pkt.Flow{}
	for _, call := range calls {
		now := c.time(call.at)
		for wake <= now {
			ask(wake)
		}
		if call.p == nil {
			ask(now)
			continue
		}
		p := *call.p
		if flows[p.Flow] == nil {
			f := c.flow(*p.Flow)
			flows[p.Flow] = &f
		}
		p.Arrival, p.Flow = now, flows[p.Flow]
		s.Enqueue(now, &p)
	}
	return out
}

func same(f pkt.Flow) pkt.Flow { return f }

// compare fails with the first decision that differs.
func compare(t *testing.T, law string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: decision %d of %d is %q, was %q", law, i, len(want), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d decisions, were %d", law, len(got), len(want))
	}
}

// TestLaws checks the laws on every kind.
func TestLaws(t *testing.T) {
	covered := map[string]bool{}
	for _, l := range laws() {
		t.Run(l.spec, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				calls := script(seed)
				want := play(t, l.spec, calls, change{1, 0, same})
				if len(want) < 1000 {
					t.Fatalf("only %d decisions to compare", len(want))
				}
				if l.noShift == "" {
					compare(t, "shifted", play(t, l.spec, calls, change{1, l.shift, same}), want)
				}
				if l.noScale == "" {
					grained := coarse(calls, l.grain)
					compare(t, "slower", play(t, l.slower, grained, change{scaling, 0, same}), play(t, l.spec, grained, change{1, 0, same}))
				}
				compare(t, "relabelled", play(t, l.spec, calls, change{1, 0, relabel}), want)
			}
		})
		if (l.shift == 0) == (l.noShift == "") || (l.slower == "") == (l.noScale == "") {
			t.Errorf("%s: a law neither obeyed nor given a reason, or both", l.spec)
		}
		s, err := New(l.spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		covered[s.(sched.Describer).Kind()] = true
	}
	for _, k := range Kinds() {
		if !covered[k.Name] {
			t.Errorf("no law is checked of %s", k.Name)
		}
	}
}

// relabel gives a flow other ports and another number, and the same hash.
func relabel(f pkt.Flow) pkt.Flow {
	f.SrcPort, f.DstPort = f.DstPort^0x5a5a, f.SrcPort^0xa5a5
	f.ID = 1000 - f.ID
	return f
}

// TestTransparentParents checks that a scheduler inside one that has nothing to
// decide decides as it does alone: for each that needs no random numbers, whose
// stream is named after its place.
func TestTransparentParents(t *testing.T) {
	for _, parent := range []string{
		"prio priomap 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 [pfifo] [%s]",
		"drr classes 1 quantum 1g [%s]",
		"tbf rate 1tbit burst 1g limit 1g [%s]",
		"red limit 100m min 1m max 3m avpkt 65536 [%s]",
		"tbf rate 1tbit burst 1g limit 1g [drr classes 1 quantum 1g [prio priomap 0 0 0 0 0 0 0 [%s]]]",
	} {
		for _, l := range laws() {
			if l.random || l.heedsEmpty && strings.Contains(parent, "drr") {
				continue
			}
			calls := script(1)
			want := play(t, l.spec, calls, change{1, 0, same})
			compare(t, fmt.Sprintf(parent, l.spec), play(t, fmt.Sprintf(parent, l.spec), calls, change{1, 0, same}), want)
		}
	}
}

// TestLawsCatch makes sure that the laws can fail: CoDel's ticks do not fit any
// shift, and a rate that is not scaled is another rate.
func TestLawsCatch(t *testing.T) {
	calls := script(1)
	for _, c := range []struct {
		was, now string
		change   change
	}{
		{"codel", "codel", change{scaling, 0, same}},
		{"red limit 60k min 5k max 20k avpkt 1000 adaptive", "red limit 60k min 5k max 20k avpkt 1000 adaptive", change{1, anyShift, same}},
		{"tbf rate 8mbit burst 10k limit 30k", "tbf rate 8mbit burst 10k limit 30k", change{scaling, 0, same}},
		{"fq_codel limit 60 flows 5", "fq_codel limit 60 flows 5", change{1, 0, func(f pkt.Flow) pkt.Flow {
			f.Hash *= 3
			return f
		}}},
	} {
		if slices.Equal(play(t, c.now, calls, c.change), play(t, c.was, calls, change{1, 0, same})) {
			t.Errorf("%s: the same decisions under %+v", c.now, c.change)
		}
	}
}
