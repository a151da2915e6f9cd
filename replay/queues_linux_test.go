package replay

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// sendTo sends n datagrams of growing length to each of so many hosts at once.
func sendTo(t *testing.T, hosts, n int, port uint16) {
	var wg sync.WaitGroup
	for h := range hosts {
		wg.Go(func() {
			c, err := net.ListenUDP("udp4", nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			for i := range n {
				if _, err := c.WriteTo(make([]byte, 100+i), &net.UDPAddr{IP: net.IPv4(127, 0, 2, byte(h+1)), Port: int(port)}); err != nil {
					t.Error(err)
				}
				if i%8 == 7 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

// TestLiveQueues schedules flows that come through several queues in one port:
// every packet is decided, flows keep their order, the rule counted as many, and
// the simulator decides the same.
func TestLiveQueues(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		const queue, queues, hosts, each, port = 50, 3, 12, 700, 4001
		q, err := nfq.Open(nfq.Config{Queue: queue, Queues: queues, GSO: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = q.Close() }()
		through := &through{Queue: q, of: map[uint16]int{}}
		conf := traces.Scheduler{Qdisc: "fq_codel limit 400", Link: "rate 60mbit", Seed: 1}
		clock := record.StartClock()
		h := record.NewHeader(clock, traces.Capture{Queue: queue, Queues: queues, Mode: "test"})
		h.Scheduler = &conf
		var file bytes.Buffer
		w, err := traces.NewWriter(&file, h, traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := NewLive(through, LiveOptions{Clock: clock, Ports: ports, Scheduler: conf, LinkHeader: 14, MTU: 1500, CEMark: 1})
		if err != nil {
			t.Fatal(err)
		}
		table, err := nft.Install(nft.Rule{Hook: nft.Output, Proto: pkt.ProtoUDP, DstPort: port, Queue: queue, Queues: queues})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = table.Remove() }()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(0, func() { sendTo(t, hosts, each, port); cancel() })
		res, err := l.Run(ctx, w)
		if err != nil || res.Losses.Any() || res.Packets != hosts*each || res.Kept.Records != res.Packets {
			t.Errorf("%v: %+v", err, res)
		}
		if c, err := table.Counter(0); err != nil || c.Packets != res.Packets {
			t.Errorf("the rule counted %d packets, %v, the loop %d", c.Packets, err, res.Packets)
		}
		if len(through.of) != queues {
			t.Errorf("packets by queue: %v, want %d queues", through.of, queues)
		}
		if res.Run.Dropped == 0 {
			t.Error("nothing was dropped: the test wants decisions of both kinds")
		}
		checkQueues(t, file.Bytes(), hosts*each)
	})
}

// checkQueues verifies the trace and wants flows in order.
func checkQueues(t *testing.T, trace []byte, packets uint64) {
	t.Helper()
	v, err := verify(t, trace)
	if err != nil || v.Divergence != nil || v.Packets != packets {
		t.Errorf("verify: %v, %v: %+v", err, v.Divergence, v)
	}
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	last := map[pkt.FlowKey]uint32{}
	var rec traces.Record
	for r.Next(&rec) == nil {
		if rec.Len <= last[rec.Flow] {
			t.Fatalf("%s: %d bytes after %d", rec.Flow, rec.Len, last[rec.Flow])
		}
		last[rec.Flow] = rec.Len
	}
}

// through counts the packets of each queue.
type through struct {
	*nfq.Queue
	of map[uint16]int
}

func (q *through) Receive(timeout time.Duration) (nfq.Batch, error) {
	b, err := q.Queue.Receive(timeout)
	for i := range b.Packets {
		q.of[b.Packets[i].Queue]++
	}
	return b, err
}
