package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
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
	return nfq.Packet{Len: 100, HWProtocol: 0x800, Hook: 3, OutDev: 2, Mark: 7, Payload: b}
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

func TestLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		r.q.Push(udpPackets(2)...)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		r.q.Miss(5)
		r.q.Push(udpPackets(2)...)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		// Pushed and forgotten by the kernel before the loop wakes up.
		r.q.Push(udpPackets(3)...)
		r.q.Flush()
		time.Sleep(time.Second)
		r.end()
		if r.err != nil {
			t.Fatal(r.err)
		}
		recs, events, end, _ := read(t, r.out.Bytes())
		if len(recs) != 7 {
			t.Fatalf("%d records, want 7", len(recs))
		}
		for i, rec := range recs {
			want := traces.Accept
			if i >= 4 {
				want = traces.Lost
			}
			if rec.Verdict != want {
				t.Errorf("record %d: verdict %d, want %d", i, rec.Verdict, want)
			}
		}
		wantEvents := []traces.Event{
			{Time: 1e6, Kind: traces.ENOBUFS, Text: "receive buffer full"},
			{Time: 1e6, Kind: traces.IDGap, Count: 5},
			{Time: 2e6, Kind: traces.KernelFlush, Count: 3},
		}
		if d := cmp.Diff(wantEvents, events); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if d := cmp.Diff(map[string]uint64{"id_gap": 5, "kernel_flush": 3}, end.Lost); d != "" {
			t.Errorf("lost (-want +got):\n%s", d)
		}
		if want := (Losses{Missing: 5, Overflows: 1, Gone: 3}); r.sum.Losses != want || r.sum.Packets != 7 {
			t.Errorf("summary %+v, want losses %+v", r.sum, want)
		}
	})
}

// What only the kernel knows: packets that found its queue full, and ids missing
// after the last packet.
func TestKernelState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var state atomic.Pointer[nfq.KernelState]
		state.Store(&nfq.KernelState{})
		r := startRun(t, Options{KernelState: func() (nfq.KernelState, error) { return *state.Load(), nil }}, nil)
		r.q.Push(udpPackets(2)...)
		time.Sleep(300 * time.Millisecond)
		state.Store(&nfq.KernelState{Full: 3})
		time.Sleep(time.Second)
		state.Store(&nfq.KernelState{Full: 4, Undelivered: 2})
		r.end()
		_, events, end, _ := read(t, r.out.Bytes())
		want := []traces.Event{
			{Time: 500e6, Kind: traces.QueueFull, Count: 3},
			{Time: 1300e6, Kind: traces.QueueFull, Count: 1},
			{Time: 1300e6, Kind: traces.IDGap, Count: 2, Text: "after the last packet"},
		}
		if d := cmp.Diff(want, events); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if want := (Losses{Missing: 2, QueueFull: 4}); r.sum.Losses != want {
			t.Errorf("losses %+v, want %+v", r.sum.Losses, want)
		}
		if d := cmp.Diff(map[string]uint64{"id_gap": 2, "queue_full": 4}, end.Lost); d != "" {
			t.Errorf("lost (-want +got):\n%s", d)
		}
	})
}

// slowWriter takes a while for every write.
type slowWriter struct {
	w    io.Writer
	each time.Duration
}

func (s *slowWriter) Write(b []byte) (int, error) {
	time.Sleep(s.each)
	return s.w.Write(b)
}

// A disk that is too slow costs records, not packets, and the trace says so.
func TestSlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		start := time.Now()
		r := startRun(t, Options{Buffer: 4096}, &slowWriter{&out, 500 * time.Millisecond})
		const n = 200
		for i := range n {
			r.q.PushAfter(time.Duration(i)*10*time.Millisecond, udpPackets(500)...)
		}
		time.Sleep(3 * time.Second)
		r.end()
		if r.err != nil {
			t.Fatal(r.err)
		}
		given := r.q.Given()
		if len(given) != n*500 || r.q.Held() != 0 {
			t.Errorf("%d verdicts, want %d", len(given), n*500)
		}
		for i, g := range given {
			if want := time.Duration(500+i/500*10) * time.Millisecond; g.At.Sub(start) != want {
				t.Fatalf("verdict %d at %v, want %v: the disk held up the packets", i, g.At.Sub(start), want)
			}
		}
		recs, events, end, _ := read(t, out.Bytes())
		var told uint64
		for _, e := range events {
			if e.Kind == traces.WriterOverrun {
				told += e.Count
			}
		}
		lost := r.sum.Losses.Records
		if lost == 0 || uint64(len(recs))+lost != n*500 || told != lost || end.Lost["writer_overrun"] != lost || !end.Clean {
			t.Errorf("%d records, %d lost, events tell %d, end %+v", len(recs), lost, told, end)
		}
	})
}

// failingWriter is a disk that is full after some bytes.
type failingWriter struct {
	room int
	bytes.Buffer
}

var errDiskFull = errors.New("no space left on device")

func (f *failingWriter) Write(b []byte) (int, error) {
	if f.Len()+len(b) > f.room {
		return 0, errDiskFull
	}
	return f.Buffer.Write(b)
}

func TestFailingWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed bool
		w := &failingWriter{room: 1500}
		r := startRun(t, Options{Progress: func(p Progress) { failed = failed || p.Err != nil }}, w)
		for i := range 400 {
			r.q.PushAfter(time.Duration(i)*10*time.Millisecond, udpPackets(100)...)
		}
		time.Sleep(5 * time.Second)
		r.end()
		if !errors.Is(r.err, errDiskFull) || !strings.Contains(r.err.Error(), "packets passed") {
			t.Errorf("error %v", r.err)
		}
		if len(r.q.Given()) != 40000 || !failed || r.sum.Clean {
			t.Errorf("%d verdicts, progress told %v, clean %v", len(r.q.Given()), failed, r.sum.Clean)
		}
		recs, _, _, ended := read(t, w.Bytes())
		if ended || len(recs) == 0 || uint64(len(recs))+r.sum.Losses.Records > 40000 {
			t.Errorf("%d records, ended %v, %+v", len(recs), ended, r.sum)
		}
	})
}

// A process killed at any moment leaves all but the last second.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		for i := range 1000 {
			r.q.PushAfter(time.Duration(i)*10*time.Millisecond, udpPacket(1))
		}
		for range 9 {
			time.Sleep(time.Second + time.Millisecond)
			synctest.Wait()
			recs, _, _, _ := read(t, r.out.Bytes())
			now := r.opts.Clock.Now()
			if age := now.Sub(recs[len(recs)-1].Time); age > time.Second {
				t.Errorf("at %v the newest record on disk is %v old", now, age)
			}
		}
		r.end()
	})
}

// The queue's own failure ends the recording, and the trace says so.
func TestQueueFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		r.q.Push(udpPackets(3)...)
		broken := errors.New("broken")
		r.q.Fail(broken)
		<-r.done
		recs, _, end, _ := read(t, r.out.Bytes())
		if !errors.Is(r.err, broken) || len(recs) != 3 || end.Clean || end.Why != "broken" || r.sum.Clean {
			t.Errorf("error %v, %d records, end %+v, clean %v", r.err, len(recs), end, r.sum.Clean)
		}
	})
}

func TestSendFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{}, nil)
		r.q.SendErr = errors.New("no verdicts today")
		r.q.Push(udpPackets(3)...)
		<-r.done
		recs, _, end, _ := read(t, r.out.Bytes())
		if !errors.Is(r.err, r.q.SendErr) || len(recs) != 0 || end.Clean {
			t.Errorf("error %v, %d records, end %+v", r.err, len(recs), end)
		}
	})
}

func TestPacketLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRun(t, Options{Packets: 100}, nil)
		r.q.Push(udpPackets(150)...)
		<-r.done
		recs, _, end, _ := read(t, r.out.Bytes())
		if r.err != nil || len(recs) != 100 || r.sum.Packets != 100 || end.Why != "limit of 100 packets" || r.sum.Losses.Any() {
			t.Errorf("error %v, %d records, summary %+v", r.err, len(recs), r.sum)
		}
		if r.q.Held() != 0 {
			t.Errorf("%d packets have no verdict", r.q.Held())
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
	ring := newRing(DefaultBuffer, o.CopyRange)
	c := newCapture(nullQueue{}, ring, &counters{}, o)
	wr := newWriter(tw, ring, c.shared, o)
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
