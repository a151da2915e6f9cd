package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nfq/nfqtest"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// udpPacket is an IPv4 UDP packet of 100 bytes whose source port tells it from
// others.
func udpPacket(port uint16) nfq.Packet {
	b := make([]byte, 28)
	b[0], b[3], b[8], b[9] = 0x45, 100, 64, 17
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[20:], port)
	binary.BigEndian.PutUint16(b[22:], 53)
	b[25] = 80
	return nfq.Packet{Len: 100, Hook: 3, OutDev: 2, Mark: 7, Payload: b}
}

func udpPackets(n int) []nfq.Packet {
	ps := make([]nfq.Packet, n)
	for i := range ps {
		ps[i] = udpPacket(uint16(i))
	}
	return ps
}

// run is a recording in a bubble.
type run struct {
	q    *nfqtest.Queue
	out  file
	opts Options
	stop context.CancelCauseFunc
	done chan struct{}
	sum  Summary
	err  error
}

// file is a buffer that may be read while it is written.
type file struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Write(b)
}

// Bytes returns a copy of what is there.
func (f *file) Bytes() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.buf.Bytes())
}

// startRun begins a recording to the run's buffer, or to w if not nil.
func startRun(t *testing.T, o Options, w io.Writer) *run {
	t.Helper()
	r := &run{q: nfqtest.New(), opts: o, done: make(chan struct{})}
	if w == nil {
		w = &r.out
	}
	r.opts.Clock = StartClock()
	tw, err := traces.NewWriter(w, NewHeader(r.opts.Clock, traces.Capture{}), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.done)
		r.sum, r.err = Run(ctx, r.q, tw, r.opts)
	}()
	return r
}

// end stops the recording and waits for it.
func (r *run) end() {
	r.stop(errors.New("test over"))
	<-r.done
}

// read returns what is in a trace.
func read(t *testing.T, b []byte) (recs []traces.Record, events []traces.Event, end traces.End, ended bool) {
	t.Helper()
	tr, err := traces.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	tr.OnEvent(func(e traces.Event) { events = append(events, e) })
	for {
		var r traces.Record
		err := tr.Next(&r)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				var d *traces.Damage
				if !errors.As(err, &d) {
					t.Fatal(err)
				}
			}
			break
		}
		recs = append(recs, r)
	}
	end, ended = tr.End()
	return recs, events, end, ended
}

func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		stamped := udpPacket(1)
		stamped.KernelTime = time.Now().Add(9 * time.Millisecond).UnixNano()
		stamped.Info = nfq.CsumNotReady
		r.q.PushAfter(10*time.Millisecond, stamped)
		r.q.PushAfter(20*time.Millisecond, udpPackets(100)...)
		time.Sleep(30 * time.Millisecond)
		r.end()
		if r.err != nil {
			t.Fatal(r.err)
		}
		recs, events, end, ended := read(t, r.out.Bytes())
		if len(recs) != 101 || len(events) != 0 || !ended {
			t.Fatalf("%d records, events %v, ended %v", len(recs), events, ended)
		}
		flow, _ := pkt.ParseFlowKey("udp 10.0.0.1:1>10.0.0.2:53")
		want := traces.Record{
			Time: pkt.Time(10 * time.Millisecond), KernelTime: pkt.Time(9 * time.Millisecond), Flow: flow,
			Len: 100, Segs: 1, HdrLen: 28, Info: traces.CsumNotReady, Mark: 7, Path: traces.Path{Hook: 3, OutDev: 2},
			Verdict: traces.Accept, VerdictTime: pkt.Time(10 * time.Millisecond), Dequeued: traces.NoTime, Due: traces.NoTime,
		}
		if d := cmp.Diff(want, recs[0]); d != "" {
			t.Errorf("first record (-want +got):\n%s", d)
		}
		for i, rec := range recs[1:] {
			if rec.Time != pkt.Time(20*time.Millisecond) || rec.Flow.SrcPort != uint16(i) || rec.KernelTime != traces.NoTime {
				t.Errorf("record %d: %+v", i+1, rec)
			}
		}
		if want := (traces.End{Records: 101, DurationNs: 30e6, Clean: true, Why: "test over"}); cmp.Diff(want, end) != "" {
			t.Errorf("end (-want +got):\n%s", cmp.Diff(want, end))
		}
		s := r.sum
		if s.Packets != 101 || s.Bytes != 10100 || s.Segs != 101 || s.Records != 101 || s.Losses.Any() || !s.Clean ||
			s.FileBytes != uint64(len(r.out.Bytes())) || s.Batch.Count != 3 || s.Batch.Max != nfq.BatchSize || s.VerdictLatencyNs.Count != 101 {
			t.Errorf("summary %+v", s)
		}
	})
}

// Every packet gets one verdict, in order, at the time it came.
func TestVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		start := time.Now()
		for i := range 50 {
			r.q.PushAfter(time.Duration(i)*time.Millisecond, udpPackets(3)...)
		}
		time.Sleep(time.Second)
		r.end()
		given := r.q.Given()
		if len(given) != 150 || r.q.Held() != 0 {
			t.Fatalf("%d verdicts, %d packets held", len(given), r.q.Held())
		}
		for i, g := range given {
			if g.ID != uint32(i+1) || g.Action != nfq.Accept || g.UpTo || g.At.Sub(start) != time.Duration(i/3)*time.Millisecond {
				t.Fatalf("verdict %d: %+v", i, g)
			}
		}
	})
}

// Packets that arrived before the end are let pass and recorded.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		synctest.Wait()
		r.q.Push(udpPackets(1000)...)
		r.end()
		recs, _, end, _ := read(t, r.out.Bytes())
		if len(recs) != 1000 || r.q.Held() != 0 || !end.Clean {
			t.Errorf("%d records, %d held, %+v", len(recs), r.q.Held(), end)
		}
	})
}

func TestWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			cause error
			want  string
		}{
			{nil, "stopped"}, {context.Canceled, "stopped"},
			{context.DeadlineExceeded, "duration over"}, {errors.New("interrupted"), "interrupted"},
		} {
			r := startRun(t, Options{}, nil)
			r.stop(tt.cause)
			<-r.done
			if r.sum.Why != tt.want || !r.sum.Clean {
				t.Errorf("%v: why %q, want %q", tt.cause, r.sum.Why, tt.want)
			}
		}
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []Progress
		r := startRun(t, Options{Progress: func(p Progress) { all = append(all, p) }}, nil)
		r.q.Push(udpPackets(10)...)
		time.Sleep(10*time.Second + time.Millisecond)
		r.end()
		if len(all) != 41 {
			t.Errorf("%d reports in 10 s, want 40 and a last one", len(all))
		}
		last := all[len(all)-1]
		if last.Packets != 10 || last.Bytes != 1000 || last.Written.Records != 10 || last.Elapsed != 10*time.Second+time.Millisecond {
			t.Errorf("last report %+v", last)
		}
	})
}

// The capture does not allocate per packet.
func TestCaptureAllocs(t *testing.T) {
	o := Options{Clock: StartClock(), CopyRange: 128}
	ring := newRing(DefaultBuffer, o.CopyRange)
	c := newCapture(nullQueue{}, ring, &counters{}, o)
	b := nfq.Batch{Packets: udpPackets(nfq.BatchSize)}
	if n := testing.AllocsPerRun(1000, func() {
		if err := c.serve(b, o.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		for len(ring.full) > 0 {
			ring.free <- <-ring.full
		}
	}); n > 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}

type nullQueue struct{}

func (nullQueue) Receive(time.Duration) (nfq.Batch, error) { return nfq.Batch{}, io.EOF }
func (nullQueue) Send([]nfq.Verdict) error                 { return nil }
func (nullQueue) Shutdown()                                {}

func TestClock(t *testing.T) {
	c := StartClock()
	a := c.Anchor()
	if d := time.Since(time.Unix(0, a.RealtimeNs)); d < 0 || d > time.Minute {
		t.Errorf("the anchor is %v old", d)
	}
	for _, tt := range []struct {
		ns   int64
		want pkt.Time
	}{{0, traces.NoTime}, {-5, traces.NoTime}, {1 << 62, traces.NoTime}, {a.RealtimeNs + 5, 5}, {a.RealtimeNs - 5, -5}} {
		if got := c.FromRealtime(tt.ns); got != tt.want {
			t.Errorf("FromRealtime(%d): want %v, got %v", tt.ns, tt.want, got)
		}
	}
}

func TestHeader(t *testing.T) {
	h := NewHeader(StartClock(), traces.Capture{Queue: 3})
	if h.Host == nil || h.Host.CPUs < 1 || h.Anchor == nil || h.Capture.Queue != 3 || len(h.Devices) == 0 || len(h.NotCaptured) == 0 {
		t.Errorf("%+v", h)
	}
}

func BenchmarkCapture(b *testing.B) {
	o := Options{Clock: StartClock(), CopyRange: 128}
	tw, err := traces.NewWriter(io.Discard, NewHeader(o.Clock, traces.Capture{}), traces.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	rings := newRings(1, DefaultBuffer, o.CopyRange)
	ring := rings[0]
	c := newCapture(nullQueue{}, ring, &counters{}, o)
	wr := newWriter(NewLedger(tw, o.Clock, Witness{}), rings, tally{c.shared}, o)
	batch := nfq.Batch{Packets: udpPackets(nfq.BatchSize)}
	b.Run("capture", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_ = c.serve(nfq.Batch{Packets: batch.Packets[i%nfq.BatchSize : i%nfq.BatchSize+1]}, o.Clock.Now())
			for len(ring.full) > 0 {
				ring.free <- <-ring.full
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		blk := ring.take()
		now := o.Clock.Now()
		for i := range batch.Packets {
			blk.add(&batch.Packets[i], ring.snap, now, now)
		}
		for i := 0; b.Loop(); i++ {
			blk.entries[i%nfq.BatchSize].time = o.Clock.Now()
			wr.packet(blk, &blk.entries[i%nfq.BatchSize])
		}
		if wr.err != nil {
			b.Fatal(wr.err)
		}
	})
}

// TestMeter: what others see of a recording agrees with its summary.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Meter
		r := startRun(t, Options{Meter: &m}, nil)
		r.q.Push(udpPackets(150)...)
		time.Sleep(time.Second)
		r.end()
		got := m.Read()
		if got.Verdicts[traces.Accept] != 150 || got.Backlog != 0 || got.Late[0] != 150 || r.sum.VerdictLatencyNs.Count != 150 {
			t.Errorf("%+v, summary %+v", got, r.sum)
		}
	})
}

// TestDamaged: of a packet whose message could not be read whole, the headers may
// be cut: the trace says so, and it passes like any other.
func TestDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		damaged := udpPacket(1)
		damaged.Damaged = true
		r.q.Push(udpPacket(0), damaged, udpPacket(2))
		synctest.Wait()
		r.end()
		recs, _, _, _ := read(t, r.out.Bytes())
		if r.err != nil || len(recs) != 3 || len(r.q.Given()) != 3 {
			t.Fatalf("%v, %d records, %d verdicts", r.err, len(recs), len(r.q.Given()))
		}
		for i, rec := range recs {
			if got := rec.Info&traces.Truncated != 0; got != (i == 1) || rec.Verdict != traces.Accept {
				t.Errorf("record %d: %s, %s", i, rec.Info, rec.Verdict)
			}
		}
	})
}
