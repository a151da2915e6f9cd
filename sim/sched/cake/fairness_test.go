package cake

import (
	"math"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// saturate keeps every flow backlogged for a while of virtual time and returns
// what each sent, in bytes as charged. Packet sizes differ by flow.
func saturate(r *rig, flows []*pkt.Flow, sizes []int, codes []uint8, packets int) []int {
	sent := make([]int, len(flows))
	at := map[*pkt.Flow]int{}
	add := func(i int) {
		edits := []func(*pkt.Packet){ecn(pkt.ECT0)}
		if codes != nil {
			edits = append(edits, dscp(codes[i%len(codes)]))
		}
		r.enq(flows[i], sizes[i%len(sizes)], edits...)
	}
	for i, f := range flows {
		at[f] = i
		for range 20 {
			add(i)
		}
	}
	for range packets {
		p := r.deq()
		i := at[p.Flow]
		sent[i] += r.q.overhead.charge(p)
		r.pool.Put(p)
		add(i)
	}
	return sent
}

// TestFlowFairness checks that backlogged flows of one host get equal shares,
// within a quantum and a packet, whatever their packets' sizes.
func TestFlowFairness(t *testing.T) {
	for _, words := range []string{"besteffort flows", "besteffort flows bandwidth 20mbit pppoe-ptm", "besteffort triple-isolate bandwidth 100mbit", "besteffort dual-srchost"} {
		r := newRig(t, words)
		var flows []*pkt.Flow
		for i := range 12 {
			flows = append(flows, flowFrom(1, 1, i))
		}
		sent := saturate(r, flows, []int{1500, 100, 700, 40}, nil, 40000)
		lo, hi := math.MaxInt, 0
		for _, n := range sent {
			lo, hi = min(lo, n), max(hi, n)
		}
		// Half the flows get one refill more at any time, and overdraw by up to a
		// packet; so they do at the beginning.
		if slack := 2 * (r.q.tins[0].flowQuantum + 1600); hi-lo > slack {
			t.Errorf("%s: shares from %d to %d, want at most %d apart", words, lo, hi, slack)
		}
		r.check()
	}
}

// TestHostIsolation has a host with one flow beside one with ten.
func TestHostIsolation(t *testing.T) {
	const host, many = 1, 2
	for _, c := range []struct {
		words string
		out   bool    // the hosts are the sources
		want  float64 // share of the host with one flow
	}{
		{"flows", true, 1. / 11},
		{"dual-srchost", true, 0.5},
		{"dual-srchost", false, 1. / 11},
		{"dual-dsthost", false, 0.5},
		{"dual-dsthost", true, 1. / 11},
		{"triple-isolate", true, 0.5},
		{"triple-isolate", false, 0.5},
		{"srchost", true, 0.5},
		{"dsthost", false, 0.5},
		{"hosts", true, 1. / 11}, // pairs, all different here
	} {
		for _, shape := range []string{"", "bandwidth 20mbit "} {
			r := newRig(t, shape+"besteffort "+c.words)
			var flows []*pkt.Flow
			for i := range 11 {
				src, dst := many, 7
				if i == 0 {
					src = host
				}
				if !c.out { // the same far end would tie them together: use many
					src, dst = 100+i, src
				} else {
					dst = 100 + i
				}
				flows = append(flows, flowFrom(src, dst, i))
			}
			sent := saturate(r, flows, []int{1500}, nil, 30000)
			total := 0
			for _, n := range sent {
				total += n
			}
			if got := float64(sent[0]) / float64(total); math.Abs(got-c.want) > 0.02 {
				t.Errorf("%s%s, sources %v: the host with one flow gets %.3f, want %.3f", shape, c.words, c.out, got, c.want)
			}
			r.check()
		}
	}
}

// TestManyFlowsOfAHost checks that small shares add up: 300 flows of a host,
// whose quanta are a few bytes, against one of another.
func TestManyFlowsOfAHost(t *testing.T) {
	r := newRig(t, "besteffort dual-srchost bandwidth 10mbit memlimit 200m")
	flows := []*pkt.Flow{flowFrom(1, 1, 1)}
	for i := range 300 {
		flows = append(flows, flowFrom(2, 2, i))
	}
	sent := saturate(r, flows, []int{300}, nil, 60000)
	total := 0
	for _, n := range sent {
		total += n
	}
	if got := float64(sent[0]) / float64(total); math.Abs(got-0.5) > 0.02 {
		t.Errorf("the host with one flow gets %.3f", got)
	}
}

// TestTinThresholds keeps tins backlogged at 20 Mbit/s. Those above best effort
// in order take their threshold; best effort, first in order and of the whole
// rate, takes what they leave.
func TestTinThresholds(t *testing.T) {
	bulk, be, video, voice := uint8(8), uint8(0), uint8(34), uint8(46)
	for _, c := range []struct {
		mode  string
		codes []uint8
		want  []float64
	}{
		{"diffserv3", []uint8{be, bulk, voice}, []float64{11. / 16, 1. / 16, 4. / 16}},
		{"diffserv3", []uint8{be, voice}, []float64{12. / 16, 4. / 16}},
		{"diffserv4", []uint8{be, bulk, video, voice}, []float64{3. / 16, 1. / 16, 8. / 16, 4. / 16}},
		{"diffserv4", []uint8{bulk}, []float64{1}}, // nobody else: all of it
		{"besteffort", []uint8{be, bulk, voice}, []float64{1. / 3, 1. / 3, 1. / 3}},
	} {
		r := newRig(t, "bandwidth 20mbit flows "+c.mode)
		var flows []*pkt.Flow
		for i := range c.codes {
			flows = append(flows, flowFrom(i, i, i))
		}
		checkShares(t, c.mode+" shaped", saturate(r, flows, []int{1486}, c.codes, 20000), c.want, 0.01)
		r.check()
	}
}

// TestTinRounds does the same without a shaper: the tins' quanta decide.
func TestTinRounds(t *testing.T) {
	for _, c := range []struct {
		mode  string
		codes []uint8
		want  []float64
	}{
		{"diffserv3", []uint8{0, 8, 46}, []float64{1024. / 1344, 64. / 1344, 256. / 1344}},
		{"diffserv4", []uint8{0, 8, 34, 46}, []float64{1024. / 1856, 64. / 1856, 512. / 1856, 256. / 1856}},
		{"precedence", []uint8{0, 56}, []float64{256. / 354, 98. / 354}},
	} {
		r := newRig(t, "flows "+c.mode)
		var flows []*pkt.Flow
		for i := range c.codes {
			flows = append(flows, flowFrom(i, i, i))
		}
		checkShares(t, c.mode, saturate(r, flows, []int{1486}, c.codes, 20000), c.want, 0.01)
		r.check()
	}
}

func checkShares(t *testing.T, what string, sent []int, want []float64, slack float64) {
	t.Helper()
	total := 0
	for _, n := range sent {
		total += n
	}
	for i, n := range sent {
		if got := float64(n) / float64(total); math.Abs(got-want[i]) > slack {
			t.Errorf("%s: tin %d of the test gets %.3f, want %.3f", what, i, got, want[i])
		}
	}
}

// TestSparseFirst checks that a sparse flow waits for the packet in service and
// no other, beside eight bulk flows at 10 Mbit/s.
func TestSparseFirst(t *testing.T) {
	r := newRig(t, "bandwidth 10mbit besteffort docsis")
	worst := time.Duration(0)
	var bulks []*pkt.Flow
	for i := range 8 {
		bulks = append(bulks, flowFrom(1, 1, i))
		for range 30 {
			r.enq(bulks[i], 1500, ecn(pkt.ECT0))
		}
	}
	ping := flowFrom(5, 5, 5)
	next := pkt.Time(200 * ms)
	for r.now < pkt.Time(5*time.Second) {
		if r.now >= next {
			r.enq(ping, 100)
			next = r.now.Add(20 * ms)
		}
		p := r.deq()
		if p.Flow == ping {
			worst = max(worst, p.Sojourn(r.now))
		} else {
			r.enq(p.Flow, 1500, ecn(pkt.ECT0))
		}
		r.pool.Put(p)
	}
	if most := time.Duration(1518*8*100) + 1; worst > most { // a packet at 10 Mbit/s
		t.Errorf("the sparse flow waited %v, want at most %v", worst, most)
	}
}

// TestOrder checks that packets of one flow keep their order while flows are
// fewer than queues.
func TestOrder(t *testing.T) {
	for _, words := range []string{"", "bandwidth 20mbit ingress diffserv4", "hosts ack-filter", "memlimit 100k precedence"} {
		r := newRig(t, words)
		last := map[*pkt.Flow]uint64{}
		var flows []*pkt.Flow
		for i := range 100 {
			flows = append(flows, flowFrom(i%7, i%5, i))
		}
		for i := range 20000 {
			f := int(uint32(i) * 2654435761 >> 7 % uint32(len(flows)))
			r.enq(flows[f], 100+i*7919%1400, dscp(uint8(f%64)))
			r.now += 900000
			if p := r.q.Dequeue(r.now); p != nil {
				if p.ID < last[p.Flow] {
					t.Fatalf("%q: packet %d left after %d", words, p.ID, last[p.Flow])
				}
				last[p.Flow] = p.ID
				r.pool.Put(p)
			}
		}
	}
}

// TestTinIdle checks that a tin without traffic gathers no credit: voice, silent
// for two seconds, then takes its quarter and no more.
func TestTinIdle(t *testing.T) {
	r := newRig(t, "bandwidth 16mbit flows")
	be, voice := flowFrom(1, 1, 1), flowFrom(2, 2, 2)
	for range 10 {
		r.enq(be, 986, ecn(pkt.ECT0))
	}
	turn := func() {
		p := r.deq()
		r.enq(p.Flow, 986, ecn(pkt.ECT0), dscp(p.DSCP()))
		r.pool.Put(p)
	}
	for r.now < pkt.Time(2*time.Second) {
		turn()
	}
	for range 10 {
		r.enq(voice, 986, ecn(pkt.ECT0), dscp(46))
	}
	before := r.q.tins[2].count.packets
	for range 400 {
		turn()
	}
	if n := r.q.tins[2].count.packets - before; n < 99 || n > 102 {
		t.Errorf("voice sent %d of 400 packets, want 100", n)
	}
}

// TestFirstRound follows the deficits of tins without a shaper: one at 0 may send,
// one below waits for its quantum.
func TestFirstRound(t *testing.T) {
	r := newRig(t, "diffserv3 flows")
	be, bulk := r.q.tins[0], r.q.tins[1]
	for range 3 {
		r.enq(flowFrom(1, 1, 1), 986)
		r.enq(flowFrom(2, 2, 2), 986, dscp(8))
	}
	got := [][2]int{}
	for range 4 {
		r.deq()
		got = append(got, [2]int{be.deficit, bulk.deficit})
	}
	// 1000 bytes each: best effort sends from 0, then bulk does; then best effort
	// has 24 left of its 1024, and after that bulk's 64 are far from enough.
	want := [][2]int{{-1000, 0}, {24, -1000}, {-976, -936}, {-952, -936 + 64}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("after packet %d: deficits %v, want %v", i, got[i], want[i])
		}
	}
}
