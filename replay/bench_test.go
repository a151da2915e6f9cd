package replay

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/thread"
	"github.com/uqtool/uq/traces"
)

// stream is a queue that always has another batch of the same few flows, and
// forgets verdicts.
type stream struct {
	batch  []nfq.Packet
	next   uint32
	given  int
	closed bool
}

// flood makes a stream of batches of n packets.
func flood(tb testing.TB, n int) *stream {
	s := &stream{next: 1}
	g := newTraffic(tb, 1)
	for range n {
		s.batch = append(s.batch, g.packet())
	}
	return s
}

func (s *stream) Receive(time.Duration) (nfq.Batch, error) {
	if s.closed {
		return nfq.Batch{}, io.EOF
	}
	for i := range s.batch {
		s.batch[i].ID = s.next
		s.next++
	}
	return nfq.Batch{Packets: s.batch}, nil
}

func (s *stream) Send(vs []nfq.Verdict) error {
	s.given += len(vs)
	return nil
}

func (s *stream) Shutdown() { s.closed = true }

// started is a Live over q whose loop the caller turns, and what ends its
// journal.
func started(tb testing.TB, q record.Queue, conf traces.Scheduler) (*Live, func()) {
	tb.Helper()
	opt := LiveOptions{Clock: record.StartClock(), Ports: ports, Scheduler: conf, LinkHeader: 14, MTU: 1500, CEMark: 1, Meter: &record.Meter{}}
	h := record.NewHeader(opt.Clock, traces.Capture{Mode: "test"})
	h.Scheduler = &conf
	w, err := traces.NewWriter(io.Discard, h, traces.WriterOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := NewLive(q, opt)
	if err != nil {
		tb.Fatal(err)
	}
	l.log = startJournal(record.NewLedger(w, opt.Clock, record.Witness{}), opt.Clock, nil)
	return l, func() {
		if _, err := l.log.close(traces.End{}); err != nil {
			tb.Error(err)
		}
	}
}

// TestLiveAllocs: the loop allocates nothing once its tables have their size,
// whether packets pass at once or are held and dropped, and the collector has
// nothing to do.
func TestLiveAllocs(t *testing.T) {
	for _, lnk := range []string{"unlimited", "rate 100mbit"} {
		q := flood(t, nfq.BatchSize)
		l, end := started(t, q, traces.Scheduler{Qdisc: "fq_codel limit 500", Link: lnk, Seed: 1})
		step := func() {
			if _, err := l.step(); err != nil {
				t.Fatal(err)
			}
		}
		release := thread.Reserve()
		for range 2000 {
			step()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if n := testing.AllocsPerRun(2000, step); n > 0 {
			t.Errorf("%s: %v allocations a batch, want none", lnk, n)
		}
		if runtime.ReadMemStats(&after); after.NumGC != before.NumGC {
			t.Errorf("%s: %d collections in %d packets, want none", lnk, after.NumGC-before.NumGC, 2000*nfq.BatchSize)
		}
		release()
		if q.given == 0 {
			t.Errorf("%s: no verdicts", lnk)
		}
		end()
	}
}

// BenchmarkLoop is what a turn of the loop costs per packet without a kernel, in
// batches of one and of many.
func BenchmarkLoop(b *testing.B) {
	for name, n := range map[string]int{"single": 1, "batch": nfq.BatchSize} {
		b.Run(name, func(b *testing.B) {
			q := flood(b, n)
			l, end := started(b, q, traces.Scheduler{Qdisc: "fq_codel", Link: "unlimited", Seed: 1})
			defer end()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.step(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(q.given), "ns/packet")
		})
	}
}
