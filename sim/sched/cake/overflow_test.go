package cake

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// TestLongestFirst checks whose packets go when memory is short: the head of the
// queue with most bytes, of equals the first.
func TestLongestFirst(t *testing.T) {
	r := newRig(t, "diffserv3 flows memlimit 8k")
	for i, n := range []int{1000, 1000, 1000, 500} { // 1600 or 1088 bytes of memory each
		f := flowFrom(i/2, 1, 1)
		f.Hash = uint32(100 - i/2)
		r.enq(f, n-14)
	}
	if len(r.dropped) != 0 {
		t.Fatalf("%d dropped early", len(r.dropped))
	}
	voice := flowFrom(3, 3, 3)
	voice.Hash = 5
	r.enq(voice, 2200, dscp(46)) // now the longest
	r.enq(voice, 100, dscp(46))
	if got := dropped(r, pkt.Overmemory); got != "4" {
		t.Errorf("dropped %q, want the longest queue's head", got)
	}
	r.enq(flowFrom(4, 4, 4), 1486)
	if got := dropped(r, pkt.Overmemory); got != "4 0" {
		t.Errorf("dropped %q, want then the head of the first flow, 2000 bytes", got)
	}
	if v := r.q.tins[2].flows[5].vars; v.Count != 1 || v.PDrop == 0 {
		t.Errorf("the flow's control law was not told: %+v", v)
	}
	if n := r.q.tins[2].count.unresponsive; n != 1 {
		t.Errorf("%d unresponsive flows, want 1", n)
	}
	r.check()
}

// TestHeap compares the heap with a search through all queues (in check) under
// random traffic, across rebuilds.
func TestHeap(t *testing.T) {
	r := newRig(t, "diffserv4 memlimit 300k")
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 30000 {
		if i%5000 == 0 {
			r.q.overflow.live = 0 // let go of it
		}
		r.enq(flowFrom(rng.IntN(50), rng.IntN(50), rng.IntN(3)), 40+rng.IntN(1400), dscp(uint8(rng.IntN(64))))
		if i%97 == 0 {
			r.check()
		}
		if rng.IntN(3) == 0 {
			r.now = r.now.Add(time.Duration(rng.IntN(1000000)))
			if p := r.q.Dequeue(r.now); p != nil {
				r.pool.Put(p)
			}
		}
	}
	if len(r.dropped) < 1000 {
		t.Errorf("only %d drops", len(r.dropped))
	}
}

// TestMemoryBound checks the bound between calls, for packets of all sizes.
func TestMemoryBound(t *testing.T) {
	for _, words := range []string{"memlimit 1", "memlimit 2k", "memlimit 50k ingress bandwidth 1mbit"} {
		r := newRig(t, words)
		for i := range 500 {
			r.enq(flowFrom(1, 1, i%9), i*7919%65000)
			if r.q.memory > r.q.memoryLimit {
				t.Fatalf("%s: %d bytes of memory", words, r.q.memory)
			}
			r.check()
		}
	}
}
