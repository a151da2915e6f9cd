package nfq_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/thread"
)

// TestLiveQueues binds two queues on one socket: packets come in one order and
// tell their queue, verdicts find it, and so do complaints.
func TestLiveQueues(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		ports := []uint16{livetest.UDPSink(t, "127.0.0.1"), livetest.UDPSink(t, "127.0.0.1")}
		q := open(t, nfq.Config{Queues: 2})
		for i, port := range ports {
			livetest.AddRule(t, testQueue+uint16(i), 17, port)
		}
		send := func() (got [][2]int) {
			for i := range 10 {
				if err := livetest.SendUDP("127.0.0.1", ports[i%3%2], 1, 100+i); err != nil {
					t.Fatal(err)
				}
			}
			for len(got) < 10 {
				b, err := q.Receive(5 * time.Second)
				if err != nil || b.Loss.Any() {
					t.Fatalf("%v, %+v", err, b.Loss)
				}
				for _, p := range b.Packets {
					got = append(got, [2]int{int(p.Queue) - testQueue, int(p.ID)})
				}
			}
			return got
		}
		verdicts := func(got [][2]int) (vs []nfq.Verdict) {
			for _, g := range got {
				vs = append(vs, nfq.Verdict{Queue: testQueue + uint16(g[0]), ID: uint32(g[1]), Action: nfq.Accept})
			}
			return vs
		}
		first := send()
		want := [][2]int{{0, 1}, {1, 1}, {0, 2}, {0, 3}, {1, 2}, {0, 4}, {0, 5}, {1, 3}, {0, 6}, {0, 7}}
		if d := cmp.Diff(want, first); d != "" {
			t.Errorf("queue and id (-want +got):\n%s", d)
		}
		if err := q.Send(verdicts(first)); err != nil {
			t.Fatal(err)
		}
		second := send()
		flush(t)
		if err := q.Send(verdicts(second)); err != nil {
			t.Fatal(err)
		}
		b, err := q.Receive(time.Second)
		var gone [][2]int
		for _, r := range b.Gone {
			gone = append(gone, [2]int{int(r.Queue) - testQueue, int(r.ID)})
		}
		if d := cmp.Diff(second, gone); err != nil || d != "" || b.Loss.Gone != 10 {
			t.Errorf("%v, %+v, gone (-want +got):\n%s", err, b.Loss, d)
		}
		if err := q.Send([]nfq.Verdict{{Queue: testQueue + 2, ID: 1}}); err == nil || !strings.Contains(err.Error(), "only queues 7 to 8") {
			t.Errorf("a verdict for a queue that is not bound: %v", err)
		}
	})
}

// flush makes the kernel give up every packet: see livetest.Rule.
func flush(t *testing.T) {
	t.Helper()
	livetest.AddRule(t, 99, 17, 1).Flush()
}

// TestLiveBusyPoll: a queue that polls finds packets, keeps to its timeouts and
// hears a Shutdown while it polls.
func TestLiveBusyPoll(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port := livetest.UDPSink(t, "127.0.0.1")
		q := open(t, nfq.Config{BusyPoll: nfq.MaxBusyPoll})
		livetest.AddRule(t, testQueue, 17, port)
		for began := time.Now(); time.Since(began) < 30*time.Millisecond; { // it may return early
			if b, err := q.Receive(30 * time.Millisecond); err != nil || len(b.Packets) > 0 {
				t.Fatalf("%+v, %v, want nothing", b, err)
			}
		}
		stop := start(t, q, false)
		if err := livetest.SendUDPGently("127.0.0.1", port, 500, 100); err != nil {
			t.Fatal(err)
		}
		if n := stop(); n.packets != 500 || n.loss.Any() {
			t.Errorf("got %+v, want 500 packets", n)
		}
	})
}

// TestLiveCollect: a loop that waits for packets behind the runtime's back
// does not keep the collector waiting.
func TestLiveCollect(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		defer thread.Reserve()()
		q := open(t, nfq.Config{})
		stop := start(t, q, false)
		time.Sleep(50 * time.Millisecond) // asleep by now
		began := time.Now()
		for range 20 {
			runtime.GC()
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("20 collections took %v", d)
		}
		stop()
	})
}
