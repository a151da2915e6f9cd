package nfq_test

import (
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
)

// TestLiveUnknownID: a verdict for an id that the kernel does not know, or does
// not know any more, is refused, counted and named; the queue goes on.
func TestLiveUnknownID(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port := livetest.UDPSink(t, "127.0.0.1")
		q := open(t, nfq.Config{})
		livetest.AddRule(t, testQueue, 17, port)
		passed := livetest.AddCounter(t, "passed", 100, 17, port)
		var gone []nfq.Ref
		var loss nfq.Loss
		take := func(done func(nfq.Batch) bool) {
			t.Helper()
			for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
				b, err := q.Receive(100 * time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				gone = append(gone, b.Gone...)
				loss.Add(b.Loss)
				if done(b) {
					return
				}
			}
			t.Fatalf("waited in vain: gone %v, %+v", gone, loss)
		}
		give := func(ids ...uint32) {
			t.Helper()
			for _, id := range ids {
				if err := q.Send([]nfq.Verdict{{ID: id, Action: nfq.Accept}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		give(12345)
		take(func(nfq.Batch) bool { return loss.Gone == 1 })
		for round := range uint32(2) {
			if err := livetest.SendUDP("127.0.0.1", port, 1, 100); err != nil {
				t.Fatal(err)
			}
			take(func(b nfq.Batch) bool { return len(b.Packets) == 1 && b.Packets[0].ID == round+1 })
			give(round+1, round+1)
			take(func(nfq.Batch) bool { return loss.Gone == uint64(round)+2 })
		}
		if !slices.Equal(gone, []nfq.Ref{{Queue: testQueue, ID: 12345}, {Queue: testQueue, ID: 1}, {Queue: testQueue, ID: 2}}) || loss != (nfq.Loss{Gone: 3}) || passed.Packets() != 2 {
			t.Errorf("gone %v, %+v, %d packets passed", gone, loss, passed.Packets())
		}
	})
}
