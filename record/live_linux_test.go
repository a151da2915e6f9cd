package record_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/livetest"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

const testQueue = 11

// recorded is a finished live recording.
type recorded struct {
	sum    record.Summary
	recs   []traces.Record
	events []traces.Event
	end    traces.End
}

// live records while f makes traffic on a port that goes through the queue.
func live(t *testing.T, c nfq.Config, proto uint8, port uint16, f func(*livetest.Rule)) recorded {
	t.Helper()
	c.Queue = testQueue
	q, err := nfq.Open(c)
	if errors.Is(err, nfq.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	rule := livetest.AddRule(t, testQueue, proto, port)
	defer rule.Remove()

	var out bytes.Buffer
	clock := record.StartClock()
	w, err := traces.NewWriter(&out, record.NewHeader(clock, traces.Capture{Queue: testQueue, Mode: "lab", GSO: c.GSO}), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	var r recorded
	go func() {
		defer close(done)
		r.sum, err = record.Run(ctx, q, w, record.Options{Clock: clock, MTU: 1500})
	}()
	f(rule)
	stop()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	r.read(t, out.Bytes())
	return r
}

func (r *recorded) read(t *testing.T, b []byte) {
	t.Helper()
	tr, err := traces.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	tr.OnEvent(func(e traces.Event) { r.events = append(r.events, e) })
	for {
		var rec traces.Record
		if err := tr.Next(&rec); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		r.recs = append(r.recs, rec)
	}
	var ok bool
	if r.end, ok = tr.End(); !ok || !r.end.Clean {
		t.Errorf("end %+v, there %v", r.end, ok)
	}
}

func TestLiveRecordUDP(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		for _, addr := range []string{"127.0.0.1", "::1"} {
			port := livetest.UDPSink(t, addr)
			const n, size = 3000, 1200
			r := live(t, nfq.Config{}, pkt.ProtoUDP, port, func(*livetest.Rule) {
				if err := livetest.SendUDPGently(addr, port, n, size); err != nil {
					t.Fatal(err)
				}
			})
			hdr := uint32(28)
			if addr == "::1" {
				hdr = 48
			}
			if len(r.recs) != n || r.sum.Packets != n || r.sum.Losses.Any() || len(r.events) != 0 {
				t.Fatalf("%s: %d records, %+v, events %v", addr, len(r.recs), r.sum, r.events)
			}
			for i, rec := range r.recs {
				if rec.Len != size+hdr || rec.HdrLen != uint16(hdr) || rec.Flow.DstPort != port || rec.Flow.Proto != pkt.ProtoUDP ||
					rec.Verdict != traces.Accept || rec.VerdictTime < rec.Time || rec.Path.Hook != 3 || rec.Path.OutDev != 1 || rec.Segs != 1 {
					t.Fatalf("%s: record %d: %+v", addr, i, rec)
				}
			}
			t.Logf("%s: %+v", addr, r.sum)
		}
	})
}

func TestLiveRecordGSO(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		livetest.SetLoopbackMTU(t, 1500)
		for _, gso := range []bool{true, false} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			const n = 8 << 20
			r := live(t, nfq.Config{GSO: gso}, pkt.ProtoTCP, uint16(l.Addr().(*net.TCPAddr).Port), func(*livetest.Rule) {
				if err := livetest.BulkTCP(l, n); err != nil {
					t.Fatal(err)
				}
			})
			var payload uint64
			for _, rec := range r.recs {
				payload += uint64(rec.Len) - uint64(rec.HdrLen)
				if rec.Info&(traces.Undecoded|traces.Truncated) != 0 || rec.L4Flags == 0 {
					t.Fatalf("record %+v", rec)
				}
			}
			segs := uint64(n/1448) + 1
			if payload < n || r.sum.Segs < segs || r.sum.Segs > segs+segs/5 || r.sum.Losses.Any() {
				t.Errorf("gso %v: %d bytes of payload, want %d; about %d segments, got %+v", gso, payload, n, segs, r.sum)
			}
			if super := r.sum.Segs > 2*r.sum.Packets; super != gso {
				t.Errorf("gso %v: %d packets stand for %d", gso, r.sum.Packets, r.sum.Segs)
			}
			t.Logf("gso %v: %+v", gso, r.sum)
		}
	})
}

// The kernel gives up everything that is queued when any base chain goes; the
// recording notes it and goes on.
func TestLiveRecordFlush(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port := livetest.UDPSink(t, "127.0.0.1")
		const n = 20000
		r := live(t, nfq.Config{}, pkt.ProtoUDP, port, func(rule *livetest.Rule) {
			done := make(chan error, 1)
			go func() { done <- livetest.SendUDPGently("127.0.0.1", port, n, 100) }()
			for len(done) == 0 {
				rule.Flush()
				time.Sleep(time.Millisecond)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
		var lost, told uint64
		for _, rec := range r.recs {
			if rec.Verdict == traces.Lost {
				lost++
			}
		}
		for _, e := range r.events {
			if e.Kind == traces.KernelFlush {
				told += e.Count
			}
		}
		if len(r.recs) != n || told != r.sum.Losses.Gone || told < lost {
			t.Errorf("%d records, %d lost, events tell %d, %+v", len(r.recs), lost, told, r.sum.Losses)
		}
		t.Logf("%d of %d lost, events tell %d", lost, n, told)
	})
}

// A receive buffer without room costs packets; they are counted.
func TestLiveRecordOverflow(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port, longest := livetest.UDPLongest(t, "127.0.0.1")
		n := uint64(5000)
		r := live(t, nfq.Config{RcvBuf: 1}, pkt.ProtoUDP, port, func(*livetest.Rule) {
			if err := livetest.SendUDP("127.0.0.1", port, int(n), 100); err != nil {
				t.Fatal(err)
			}
			n += uint64(livetest.SendThrough(t, "127.0.0.1", port, longest)) // the last packet shows the gap before it
		})
		var told uint64
		for _, e := range r.events {
			if e.Kind == traces.IDGap {
				told += e.Count
			}
		}
		if got := r.sum.Packets + r.sum.Losses.Missing; got != n || told != r.sum.Losses.Missing || r.sum.Losses.Overflows == 0 || r.end.Lost["id_gap"] != r.sum.Losses.Missing {
			t.Errorf("%d packets and missing, want %d: %+v, end %+v", got, n, r.sum, r.end)
		}
		t.Logf("%+v", r.sum.Losses)
	})
}

// TestLiveRecordQuiet holds the capture to a garbage-free life: whatever the
// number of packets, next to nothing is allocated.
func TestLiveRecordQuiet(t *testing.T) {
	livetest.Test(t, func(t *testing.T) {
		port := livetest.UDPSink(t, "127.0.0.1")
		const n = 50000
		var before, after runtime.MemStats
		r := live(t, nfq.Config{}, pkt.ProtoUDP, port, func(*livetest.Rule) {
			runtime.ReadMemStats(&before)
			if err := livetest.SendUDPGently("127.0.0.1", port, n, 1400); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
		})
		perPacket := float64(after.Mallocs-before.Mallocs) / float64(r.sum.Packets)
		t.Logf("%.3f allocations a packet, %.0f packets/s, %.2f bytes a record, latency %+v", perPacket, r.sum.PacketsPerSecond, r.sum.BytesPerPacket, r.sum.VerdictLatencyNs)
		if r.sum.Packets < n/2 || perPacket > 0.1 {
			t.Errorf("%.3f allocations a packet, %+v", perPacket, r.sum)
		}
	})
}
