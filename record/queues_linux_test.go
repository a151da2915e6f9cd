package record_test

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

// firstQueue is that of a range.
const firstQueue = 40

// countedQueue counts what came through a queue.
type countedQueue struct {
	*nfq.Queue
	packets uint64
}

func (q *countedQueue) Receive(timeout time.Duration) (nfq.Batch, error) {
	b, err := q.Queue.Receive(timeout)
	q.packets += uint64(len(b.Packets))
	return b, err
}

// The flows of a test of several queues: each between two hosts of its own. A
// packet's length tells its place in its flow.
const (
	flows     = 16
	perFlow   = 1500
	flowPort  = 4000
	shortest  = 20
	sequences = 1000
)

// sendFlows sends all flows at once.
func sendFlows(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for f := range flows {
		wg.Go(func() {
			// An unconnected socket does not hear that nobody listens.
			c, err := net.ListenUDP("udp4", nil)
			to := &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(f+1)), Port: flowPort}
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			buf := make([]byte, shortest+sequences)
			for i := range perFlow {
				if _, err := c.WriteTo(buf[:shortest+i%sequences], to); err != nil {
					t.Error(err)
				}
				if i%64 == 63 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

// checkFlows wants every flow whole and in order, and the trace in order of
// time.
func checkFlows(t *testing.T, trace []byte) {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	next := map[pkt.FlowKey]int{}
	last := pkt.Time(0)
	var rec traces.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		seq := int(rec.Len) - 28 - shortest
		if n := next[rec.Flow]; seq != n%sequences {
			t.Fatalf("%s: packet %d of its flow comes in place %d", rec.Flow, seq, n)
		}
		next[rec.Flow]++
		if rec.Time < last {
			t.Fatalf("time %v comes after %v", rec.Time, last)
		}
		last = rec.Time
	}
	for k, n := range next {
		if n != perFlow {
			t.Errorf("%s: %d packets, want %d", k, n, perFlow)
		}
	}
	if len(next) != flows {
		t.Errorf("%d flows, want %d", len(next), flows)
	}
}

// TestLiveQueues spreads flows over queues, a thread each: the rule's counter,
// the recording and every flow's order agree.
func TestLiveQueues(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		for _, queues := range []int{2, 4} {
			counted := make([]*countedQueue, queues)
			qs := make([]record.Queue, queues)
			for i := range qs {
				q, err := nfq.Open(nfq.Config{Queue: firstQueue + uint16(i), GSO: true})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = q.Close() }()
				counted[i] = &countedQueue{Queue: q}
				qs[i] = counted[i]
			}
			table, err := nft.Install(nft.Rule{Hook: nft.Output, Proto: pkt.ProtoUDP, DstPort: flowPort, Queue: firstQueue, Queues: queues})
			if err != nil {
				t.Fatal(err)
			}
			o := record.Options{Clock: record.StartClock()}
			var file bytes.Buffer
			w, err := traces.NewWriter(&file, record.NewHeader(o.Clock, traces.Capture{Queue: firstQueue}), traces.WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(0, func() { sendFlows(t); cancel() })
			sum, err := record.RunAll(ctx, qs, w, o)
			if err != nil || sum.Losses.Any() || sum.Packets != flows*perFlow || sum.Records != sum.Packets {
				t.Errorf("%d queues: %v, %+v", queues, err, sum)
			}
			if c, err := table.Counter(0); err != nil || c.Packets != sum.Packets {
				t.Errorf("%d queues: the rule counted %d packets, %v, the recording %d", queues, c.Packets, err, sum.Packets)
			}
			for i, q := range counted {
				if q.packets == 0 || q.packets == sum.Packets {
					t.Errorf("queue %d of %d: %d packets of %d", i, queues, q.packets, sum.Packets)
				}
			}
			checkFlows(t, file.Bytes())
			if err := table.Remove(); err != nil {
				t.Error(err)
			}
			for _, q := range counted {
				_ = q.Close()
			}
		}
	})
}
