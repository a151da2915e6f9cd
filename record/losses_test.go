package record

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/traces"
)

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

// A complaint comes behind all packets that wait in the socket, so it may be
// about a block that was full long ago.
func TestLateLosses(t *testing.T) {
	for _, tt := range []struct{ buffer, packets int }{{DefaultBuffer, 5000}, {DefaultBuffer, 5000 - 5000%nfq.BatchSize}, {16384, 8192}} {
		synctest.Test(t, func(t *testing.T) {
			r := startRun(t, Options{Buffer: tt.buffer}, nil)
			r.q.Push(udpPackets(tt.packets)...)
			r.q.Flush()
			time.Sleep(time.Second)
			r.q.Push(udpPackets(3)...)
			time.Sleep(time.Second)
			r.end()
			recs, _, _, _ := read(t, r.out.Bytes())
			lost := 0
			for _, rec := range recs {
				if rec.Verdict == traces.Lost {
					lost++
				}
			}
			if len(recs) != tt.packets+3 || lost != tt.packets || r.sum.Losses.Gone != uint64(lost) || r.sum.Losses.Records != 0 {
				t.Errorf("%d records, %d of them lost, losses %+v: want %d lost", len(recs), lost, r.sum.Losses, tt.packets)
			}
		})
	}
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

// What is lost while the disk holds up the trace is told as soon as there is room
// again, at the very end at the latest.
func TestLossesWithoutRoom(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			r := startRun(t, Options{Buffer: 2048}, &slowWriter{&out, 2 * time.Second})
			for i := range 60 {
				r.q.PushAfter(time.Duration(i)*10*time.Millisecond, udpPackets(500)...)
			}
			time.Sleep(590 * time.Millisecond)
			r.q.Miss(5)
			r.q.Push(udpPackets(1)...)
			time.Sleep(time.Millisecond)
			if !late {
				time.Sleep(10 * time.Second)
			}
			r.end()
			_, events, end, _ := read(t, out.Bytes())
			told := map[traces.EventKind]uint64{}
			for _, e := range events {
				told[e.Kind] += max(e.Count, 1)
			}
			want := map[traces.EventKind]uint64{traces.ENOBUFS: 1, traces.IDGap: 5, traces.WriterOverrun: r.sum.Losses.Records}
			if d := cmp.Diff(want, told); d != "" || end.Lost["id_gap"] != 5 || r.sum.Losses.Records == 0 {
				t.Errorf("late %v: events (-want +got):\n%s\nend %v", late, d, end.Lost)
			}
		})
	}
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
		if n := uint64(len(recs)); ended || n == 0 || n != r.sum.Records || n != r.sum.Segs || 100*n != r.sum.RecordedBytes || n+r.sum.Losses.Records != 40000 {
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

// A verdict that cannot be sent is none: its packet is recorded as lost, and
// counted. The recording ends with it.
func TestSendFailure(t *testing.T) {
	dead := errors.New("no verdicts today")
	for _, tt := range []struct {
		err            error
		packets, given int
	}{
		{dead, 3, 0},
		{&nfq.SendError{Sent: 0, Err: dead}, 3, 0},
		{&nfq.SendError{Sent: 2, Err: dead}, 3, 2},
		{&nfq.SendError{Sent: 40, Err: dead}, nfq.BatchSize, 40},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m Meter
			r := startRun(t, Options{Meter: &m}, nil)
			r.q.SendErr = tt.err
			r.q.Push(udpPackets(tt.packets)...)
			<-r.done
			recs, events, end, _ := read(t, r.out.Bytes())
			lost := tt.packets - tt.given
			if !errors.Is(r.err, dead) || end.Clean || len(recs) != tt.packets || r.sum.Packets != uint64(tt.packets) ||
				len(r.q.Given()) != tt.given || r.sum.VerdictLatencyNs.Count != int64(tt.given) {
				t.Errorf("%v: error %v, %d records, %d given, summary %+v", tt, r.err, len(recs), len(r.q.Given()), r.sum)
			}
			for i, rec := range recs {
				if want := i >= tt.given; (rec.Verdict == traces.Lost) != want {
					t.Errorf("%v: record %d: verdict %s", tt, i, rec.Verdict)
				}
			}
			if want := (Losses{Refused: uint64(lost)}); r.sum.Losses != want || end.Lost[refusedName] != uint64(lost) {
				t.Errorf("%v: losses %+v, end %v, want %+v", tt, r.sum.Losses, end.Lost, want)
			}
			if len(events) != 1 || events[0].Text != "verdicts refused" || events[0].Count != uint64(lost) {
				t.Errorf("%v: events %v", tt, events)
			}
			if got := m.Read(); got.Verdicts[traces.Accept] != uint64(tt.given) || got.Backlog != uint64(lost) {
				t.Errorf("%v: meter %+v", tt, got)
			}
		})
	}
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
