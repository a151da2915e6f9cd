package nfq_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
)

const testQueue = 7

func open(t testing.TB, c nfq.Config) *nfq.Queue {
	t.Helper()
	c.Queue = testQueue
	q, err := nfq.Open(c)
	if errors.Is(err, nfq.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// count is what a run of pump saw.
type count struct {
	packets, bytes uint64
	payload        uint64
	gso            uint64
	maxLen         uint32
	loss           nfq.Loss
	batches        int
}

// pump accepts everything until the queue is shut down. each may be nil.
func pump(q *nfq.Queue, upTo bool, each func(*nfq.Packet)) (count, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var n count
	vs := make([]nfq.Verdict, 0, nfq.BatchSize)
	for {
		b, err := q.Receive(nfq.Forever)
		n.loss.Add(b.Loss)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		vs = vs[:0]
		for i := range b.Packets {
			p := &b.Packets[i]
			n.packets++
			n.bytes += uint64(p.Len)
			n.payload += uint64(len(p.Payload))
			n.maxLen = max(n.maxLen, p.Len)
			if p.Info&nfq.GSO != 0 {
				n.gso++
			}
			if each != nil {
				each(p)
			}
			if !upTo {
				vs = append(vs, nfq.Verdict{ID: p.ID, Action: nfq.Accept})
			}
		}
		if len(b.Packets) > 0 {
			n.batches++
			if upTo {
				vs = append(vs, nfq.Verdict{ID: b.Packets[len(b.Packets)-1].ID, Action: nfq.Accept, UpTo: true})
			}
		}
		if err := q.Send(vs); err != nil {
			return n, err
		}
	}
}

// start runs pump and returns a function that shuts the queue down and gives
// the count.
func start(t testing.TB, q *nfq.Queue, upTo bool) func() count {
	t.Helper()
	done := make(chan struct{})
	var n count
	var err error
	go func() {
		defer close(done)
		n, err = pump(q, upTo, nil)
	}()
	return func() count {
		t.Helper()
		q.Shutdown()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("the loop did not end after Shutdown")
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func TestLiveUDP(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		for _, upTo := range []bool{false, true} {
			port := livetest.UDPSink(t, "127.0.0.1")
			q := open(t, nfq.Config{})
			rule := livetest.AddRule(t, testQueue, 17, port)
			stop := start(t, q, upTo)
			const n, size = 5000, 1200
			if err := livetest.SendUDPGently("127.0.0.1", port, n, size); err != nil {
				t.Fatal(err)
			}
			got := stop()
			if got.packets != n || got.bytes != n*(size+28) || got.payload != n*nfq.DefaultCopyRange || got.loss.Any() {
				t.Errorf("upTo %v: got %+v, want %d packets of %d bytes, %d seen, no loss", upTo, got, n, size+28, nfq.DefaultCopyRange)
			}
			t.Logf("upTo %v: %d batches, receive buffer %d", upTo, got.batches, q.RcvBuf())
			rule.Remove()
			q.Close()
		}
	})
}

func TestLiveGSO(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		livetest.SetLoopbackMTU(t, 1500)
		for _, gso := range []bool{true, false} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			q := open(t, nfq.Config{GSO: gso})
			rule := livetest.AddRule(t, testQueue, 6, uint16(l.Addr().(*net.TCPAddr).Port))
			stop := start(t, q, false)
			const n = 8 << 20
			if err := livetest.BulkTCP(l, n); err != nil {
				t.Fatal(err)
			}
			got := stop()
			if (got.gso > 0) != gso || (got.maxLen > 1500) != gso || got.bytes < n {
				t.Errorf("gso %v: got %+v", gso, got)
			}
			t.Logf("gso %v: %+v", gso, got)
			rule.Remove()
			q.Close()
		}
	})
}

func TestLiveBusy(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		open(t, nfq.Config{})
		_, err := nfq.Open(nfq.Config{Queue: testQueue})
		if !errors.Is(err, nfq.ErrBusy) || !strings.Contains(err.Error(), "another program") {
			t.Fatalf("got %v, want ErrBusy naming another program", err)
		}
		t.Log(err)
	})
}

func TestLiveBindUnderTraffic(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port := livetest.UDPSink(t, "127.0.0.1")
		livetest.AddRule(t, testQueue, 17, port)
		var stopped atomic.Bool
		done := make(chan error, 1)
		go func() {
			var err error
			for !stopped.Load() && err == nil {
				err = livetest.SendUDP("127.0.0.1", port, 100, 100)
			}
			done <- err
		}()
		for range 20 {
			q := open(t, nfq.Config{})
			first := firstPackets(t, q)
			if first.Packets[0].ID != 1 {
				t.Fatalf("got %+v, want packets from id 1", first)
			}
			last := first.Packets[len(first.Packets)-1].ID
			if err := q.Send([]nfq.Verdict{{ID: last, Action: nfq.Accept, UpTo: true}}); err != nil {
				t.Fatal(err)
			}
			lost := first.Loss
			lost.Add(start(t, q, false)().loss)
			// Unless the test got no processor while the packets came.
			if lost.Any() && lost.Overflows == 0 {
				t.Errorf("lost %+v", lost)
			}
			q.Close()
		}
		stopped.Store(true)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// firstPackets is the first batch that holds some, with all losses until then.
func firstPackets(t *testing.T, q *nfq.Queue) nfq.Batch {
	t.Helper()
	var lost nfq.Loss
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		b, err := q.Receive(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		lost.Add(b.Loss)
		if len(b.Packets) > 0 {
			b.Loss = lost
			return b
		}
	}
	t.Fatalf("no packets, lost %+v", lost)
	return nfq.Batch{}
}

func TestLiveOverflow(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port, longest := livetest.UDPLongest(t, "127.0.0.1")
		q := open(t, nfq.Config{RcvBuf: 1})
		livetest.AddRule(t, testQueue, 17, port)
		n := uint64(200)
		if err := livetest.SendUDP("127.0.0.1", port, int(n), 100); err != nil {
			t.Fatal(err)
		}
		stop := start(t, q, false)
		n += uint64(livetest.SendThrough(t, "127.0.0.1", port, longest)) // the last packet shows the gap before it
		got := stop()
		if got.loss.Overflows == 0 || got.loss.Missing == 0 || got.packets+got.loss.Missing != n {
			t.Errorf("got %+v, want overflows, and packets and missing to make %d", got, n)
		}
		t.Logf("%+v, receive buffer %d", got, q.RcvBuf())
	})
}

func TestLiveFlush(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port := livetest.UDPSink(t, "127.0.0.1")
		q := open(t, nfq.Config{})
		rule := livetest.AddRule(t, testQueue, 17, port)
		const n = 10
		if err := livetest.SendUDP("127.0.0.1", port, n, 100); err != nil {
			t.Fatal(err)
		}
		rule.Flush()
		stop := start(t, q, false)
		if err := livetest.SendUDP("127.0.0.1", port, n, 100); err != nil {
			t.Fatal(err)
		}
		got := stop() // after all that is queued
		if got.packets != 2*n || got.loss.Gone != n {
			t.Errorf("got %+v, want %d packets, %d gone", got, 2*n, n)
		}
	})
}

// TestLiveShutdown stops under full traffic: nobody's packet may be dropped
// before Close, and Receive must come to io.EOF.
func TestLiveShutdown(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		q := open(t, nfq.Config{GSO: true})
		livetest.AddRule(t, testQueue, 6, uint16(l.Addr().(*net.TCPAddr).Port))
		stop := start(t, q, false)
		done := make(chan error, 1)
		go func() { done <- livetest.BulkTCP(l, 64<<20) }()
		time.Sleep(10 * time.Millisecond)
		if n := stop(); n.loss.Any() {
			t.Errorf("lost %+v", n.loss)
		}
		// The queue is still bound, and still lets packets pass by itself.
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkLive is the cost of one UDP packet over loopback without a queue,
// with one verdict a packet and with one verdict a batch.
func BenchmarkLive(b *testing.B) {
	for _, mode := range []string{"none", "single", "upto"} {
		b.Run(mode, func(b *testing.B) {
			livetest.Bench(b, func(b *testing.B) {
				port := livetest.UDPSink(b, "127.0.0.1")
				stop := func() count { return count{packets: uint64(b.N), batches: 1} }
				if mode != "none" {
					q := open(b, nfq.Config{})
					livetest.AddRule(b, testQueue, 17, port)
					stop = start(b, q, mode == "upto")
				}
				b.ResetTimer()
				if err := livetest.SendUDP("127.0.0.1", port, b.N, 1400); err != nil {
					b.Fatal(err)
				}
				n := stop()
				b.ReportMetric(float64(n.packets)/float64(n.batches), "packets/batch")
				b.ReportMetric(float64(n.packets)/b.Elapsed().Seconds(), "packets/s")
				if n.packets+n.loss.Missing != uint64(b.N) {
					b.Errorf("%d packets, %+v, want %d", n.packets, n.loss, b.N)
				}
			})
		})
	}
}

// BenchmarkLiveTCP is the cost of a MiB over loopback in 64 KiB super-packets.
func BenchmarkLiveTCP(b *testing.B) {
	for _, mode := range []string{"none", "gso", "segments"} {
		b.Run(mode, func(b *testing.B) {
			livetest.Bench(b, func(b *testing.B) {
				livetest.SetLoopbackMTU(b, 1500)
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				if mode != "none" {
					q := open(b, nfq.Config{GSO: mode == "gso"})
					livetest.AddRule(b, testQueue, 6, uint16(l.Addr().(*net.TCPAddr).Port))
					defer start(b, q, false)()
				}
				b.SetBytes(1 << 20)
				b.ResetTimer()
				if err := livetest.BulkTCP(l, b.N<<20); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
