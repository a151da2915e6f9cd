package cake

import (
	"math"
	"testing"

	"github.com/uqtool/uq/sim/random"
)

// TestCollisions activates flows at random, as a population of that many would
// be, and counts those that must share a queue. Plain hashing into 1024 queues
// would put 1−(1−1/1024)^(n−1) of them with others: 9 % of 100. With eight ways a
// flow shares only where eight others hold its set of queues.
func TestCollisions(t *testing.T) {
	for _, c := range []struct {
		flows  int
		plain  float64 // of the flows, in a table of 1024
		shared float64 // at most, of the flows
	}{
		{100, 0.092, 0.0001},
		{256, 0.22, 0.001},
		{500, 0.386, 0.025},
		{1000, 0.623, 0.15},
	} {
		shared, sum, direct := 0, 0, 0
		const tables = 100
		for table := range tables {
			tin := &tin{}
			used := map[uint32]bool{}
			r := random.Stream(uint64(table), "hashes")
			for range c.flows {
				h := r.Uint32()
				if used[h%queues] {
					direct++
				}
				used[h%queues] = true
				i, _ := tin.reserved(h, h%queues)
				if tin.flows[i].set != idle {
					shared++
				}
				tin.tags[i], tin.flows[i].set = h, sparse
				sum++
			}
		}
		got := float64(shared) / float64(sum)
		if got > c.shared {
			t.Errorf("%d flows: %.4f of them share a queue, want at most %.4f", c.flows, got, c.shared)
		}
		// A check on the hashes: late comers that met another in a plain table.
		late := 1 - 1024*(1-math.Pow(1-1.0/1024, float64(c.flows)))/float64(c.flows)
		if plain := float64(direct) / float64(sum); math.Abs(plain-late) > 0.01 {
			t.Errorf("%d flows: %.3f fell on used queues of a plain table, want %.3f", c.flows, plain, late)
		}
		if alone := math.Pow(1-1.0/1024, float64(c.flows-1)); math.Abs(1-alone-c.plain) > 0.002 {
			t.Errorf("%d flows: %.3f not alone in a plain table, the test says %.3f", c.flows, 1-alone, c.plain)
		}
	}
}

// TestClassify walks one set of queues through its cases.
func TestClassify(t *testing.T) {
	r := newRig(t, "besteffort flows")
	tin := r.q.tins[0]
	hash := func(h uint32) *flow {
		f := flowFrom(1, 1, 1)
		f.Hash = h
		r.enq(f, 1000)
		return lastServed(r, tin)
	}
	queue := func(h uint32) int { return int(hash(h).number) }
	counts := func() [3]uint64 {
		return [3]uint64{tin.count.wayHits, tin.count.wayMisses, tin.count.wayCollisions}
	}
	for i := range uint32(8) { // eight flows that all want queue 13
		want := 8 + (5+int(i))%8
		if got := queue(13 + i<<10); got != want {
			t.Errorf("flow %d is in queue %d, want %d", i, got, want)
		}
	}
	if got := counts(); got != [3]uint64{0, 8, 0} {
		t.Errorf("counters %v, want eight misses", got)
	}
	if got := queue(13 + 3<<10); got != 8 || counts() != [3]uint64{1, 8, 0} {
		t.Errorf("the fourth again: queue %d, counters %v", got, counts())
	}
	if got := queue(13); got != 13 || counts() != [3]uint64{1, 8, 0} {
		t.Errorf("the first again: queue %d, counters %v", got, counts())
	}
	if got := queue(13 + 8<<10); got != 13 || counts() != [3]uint64{1, 8, 1} {
		t.Errorf("a ninth: queue %d, counters %v, want a collision", got, counts())
	}
	if got := queue(13); got != 13 || counts() != [3]uint64{1, 8, 2} {
		t.Errorf("the first, whose queue the ninth took over: %d, %v", got, counts())
	}
	r.check()
}

// lastServed is the flow that got the last packet.
func lastServed(r *rig, t *tin) *flow {
	for i := range t.flows {
		if f := &t.flows[i]; f.tail != nil && f.tail.ID == r.id-1 {
			return f
		}
	}
	return nil
}

// TestReservation checks that an idle queue is kept for its flow while others
// are free.
func TestReservation(t *testing.T) {
	r := newRig(t, "besteffort flows")
	tin := r.q.tins[0]
	first, second := flowFrom(1, 1, 1), flowFrom(1, 1, 2)
	first.Hash, second.Hash = 13, 13+1<<10
	r.enq(first, 1000)
	r.enq(second, 1000)
	r.now += 1e12
	for r.deq() != nil {
		r.now += 1e12
	}
	for range 3 { // poll until the flows have decayed
		r.enq(flowFrom(9, 9, 9), 100)
		r.deq()
		r.now += 1e12
	}
	if tin.flows[14].set != idle {
		t.Fatalf("queue 14 is in set %d", tin.flows[14].set)
	}
	r.enq(second, 1000)
	if f := lastServed(r, tin); f.number != 14 || tin.count.wayHits != 1 {
		t.Errorf("the second flow came back to queue %d, %d hits", f.number, tin.count.wayHits)
	}
}

// TestIsolations checks which flows share a queue in each mode.
func TestIsolations(t *testing.T) {
	base := flowFrom(1, 1, 1)
	for mode, want := range map[string]string{
		"flowblind": "port src dst", "srchost": "port dst", "dsthost": "port src", "hosts": "port",
		"flows": "", "dual-srchost": "", "dual-dsthost": "", "triple-isolate": "",
	} {
		got := ""
		for _, c := range []struct {
			what          string
			src, dst, prt int
		}{{"port", 1, 1, 2}, {"src", 2, 1, 1}, {"dst", 1, 2, 1}} {
			r := newRig(t, "besteffort "+mode)
			r.enq(base, 100)
			a := lastServed(r, r.q.tins[0])
			r.enq(flowFrom(c.src, c.dst, c.prt), 100)
			if lastServed(r, r.q.tins[0]) == a {
				got += " " + c.what
			}
		}
		if len(got) > 0 {
			got = got[1:]
		}
		if got != want {
			t.Errorf("%s: flows that differ in %q share a queue, want %q", mode, got, want)
		}
	}
}

// TestHostHash checks that the hash of addresses is spread evenly, by a χ² test
// over neighbouring addresses, and pins it: runs are recorded with it.
func TestHostHash(t *testing.T) {
	k := newHashKey(random.Stream(1, "sched/cake"))
	for _, v6 := range []bool{false, true} {
		var cells [256]float64
		const n = 65536
		for i := range n {
			a := [16]byte{10, 0, byte(i >> 8), byte(i)}
			if v6 {
				a = [16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)}
			}
			cells[k.sum(&a, v6)%256]++
		}
		chi := 0.0
		for _, c := range cells {
			chi += (c - n/256) * (c - n/256) / (n / 256)
		}
		if chi < 150 || chi > 400 { // 255 degrees of freedom: 255 ± 5·23
			t.Errorf("v6 %v: χ² is %.0f", v6, chi)
		}
	}
	if got := k.sum(&[16]byte{192, 0, 2, 1}, false); got != hostGolden {
		t.Errorf("hash %#x, want %#x: recorded runs would change", got, uint32(hostGolden))
	}
}

const hostGolden = 0xc49cfcb7
