package fifo_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fifo"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// TestLimit has which of a burst of packets are refused: the newest that do not
// fit, and in a bfifo not the smaller ones after them.
func TestLimit(t *testing.T) {
	for _, c := range []struct {
		name    string
		make    func([]string, sched.Env) (sched.Scheduler, error)
		words   string
		lengths []uint32
		dropped []uint64
	}{
		{"as many as fit", fifo.NewPackets, "limit 3", []uint32{1, 1, 1, 1, 1}, []uint64{3, 4}},
		{"none", fifo.NewPackets, "limit 0", []uint32{1, 1}, []uint64{0, 1}},
		{"to the byte", fifo.NewBytes, "limit 3000", []uint32{1500, 1500, 1}, []uint64{2}},
		{"a small one still fits", fifo.NewBytes, "limit 3000", []uint32{1500, 1400, 1500, 100, 1}, []uint64{2, 4}},
		{"nothing is small enough", fifo.NewBytes, "limit 0", []uint32{1}, []uint64{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var drops schedtest.Drops
			q, err := c.make(strings.Fields(c.words), sched.Env{MTU: sched.EthernetMTU, Drop: drops.Drop})
			if err != nil {
				t.Fatal(err)
			}
			var want []uint64
			for i, n := range c.lengths {
				q.Enqueue(0, &pkt.Packet{ID: uint64(i), Len: n})
				if !slices.Contains(c.dropped, uint64(i)) {
					want = append(want, uint64(i))
				}
			}
			if got := drops.IDs(); !slices.Equal(got, c.dropped) {
				t.Errorf("dropped %d, want %d", got, c.dropped)
			}
			for _, why := range drops.Reasons {
				if why != pkt.Overlimit {
					t.Errorf("dropped for %s", why)
				}
			}
			var left []uint64
			for {
				shown := q.(sched.Peeker).Peek(1)
				p := q.Dequeue(1)
				if shown != p {
					t.Fatalf("peeked %v, dequeued %v", shown, p)
				}
				if p == nil {
					break
				}
				left = append(left, p.ID)
			}
			if !slices.Equal(left, want) {
				t.Errorf("left are %d, want %d", left, want)
			}
		})
	}
}

// TestDefaults: a thousand packets, or a thousand of the device's largest.
func TestDefaults(t *testing.T) {
	p, err := fifo.NewPackets(nil, sched.Env{MTU: 9014})
	if err != nil || sched.Line(p) != "pfifo limit 1000p" {
		t.Errorf("%s, %v", sched.Line(p), err)
	}
	b, err := fifo.NewBytes(nil, sched.Env{MTU: 9014})
	if err != nil || b.(*fifo.FIFO).Limit != 9014000 {
		t.Errorf("%s, %v", sched.Line(b), err)
	}
}
