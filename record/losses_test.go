package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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

// What only the kernel knows: packets that found its queue full, and ids missing
// after the last packet.
func TestKernelState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var state atomic.Pointer[nfq.KernelState]
		state.Store(&nfq.KernelState{})
		r := startRun(t, Options{Witness: Witness{KernelState: func() (nfq.KernelState, error) { return *state.Load(), nil }}}, nil)
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

// Where the kernel's account may not be read, the rule's counter tells what never
// came; where it may, only what fail-open let pass. Nothing is told that is not
// certain.
func TestRule(t *testing.T) {
	readable := func() (nfq.KernelState, error) { return nfq.KernelState{}, nil }
	secret := func() (nfq.KernelState, error) { return nfq.KernelState{}, errors.New("not permitted") }
	for name, tt := range map[string]struct {
		witness Witness
		fed     uint64
		fail    bool // of the counter
		limit   uint64
		full    uint64
		text    string
		known   Certainty // Exact unless set
	}{
		"all came":  {fed: 15},
		"more came": {fed: 13},
		"segmented": {fed: 18, witness: Witness{Segmented: true}, full: 3, known: AtLeast,
			text: "counted by the rule, but never delivered; at least, since it counts super-packets before they are segmented"},
		"segmented, more came":        {fed: 13, witness: Witness{Segmented: true}, known: AtLeast},
		"segmented, the kernel knows": {fed: 18, witness: Witness{KernelState: readable, Segmented: true}},
		"some did not":                {fed: 18, full: 3, text: "counted by the rule, but never delivered"},
		"limit":                       {fed: 18, limit: 4, full: 3, text: "counted by the rule, but never delivered"},
		"unreadable":                  {fed: 18, witness: Witness{KernelState: secret}, full: 3, text: "counted by the rule, but never delivered"},
		"the kernel knows":            {fed: 18, witness: Witness{KernelState: readable}},
		"fail-open": {fed: 18, witness: Witness{KernelState: readable, FailOpen: true}, full: 3,
			text: "counted by the rule, and passed unseen: fail-open"},
		"no counter":                  {fed: 18, fail: true, known: Unknown},
		"no counter, unreadable":      {fed: 18, fail: true, witness: Witness{KernelState: secret}, known: Unknown},
		"no counter, readable":        {fed: 18, fail: true, witness: Witness{KernelState: readable}},
		"fail-open without a counter": {fed: 18, fail: true, witness: Witness{KernelState: readable, FailOpen: true}, known: Unknown},
	} {
		synctest.Test(t, func(t *testing.T) {
			tt.witness.Fed = func() (uint64, error) {
				if tt.fail {
					return 0, errors.New("no counter")
				}
				return tt.fed, nil
			}
			r := startRun(t, Options{Witness: tt.witness, Packets: tt.limit}, nil)
			r.q.Push(udpPackets(6)...)
			synctest.Wait()
			r.q.Miss(5)
			r.q.Push(udpPackets(4)...)
			synctest.Wait()
			if tt.limit == 0 {
				r.end()
			}
			<-r.done
			want := tt.full
			if tt.limit > 0 {
				want = tt.fed - 6 // the limit ended it before the rest
			}
			_, events, end, _ := read(t, r.out.Bytes())
			var told uint64
			for _, e := range events {
				if e.Kind == traces.QueueFull {
					told += e.Count
					if e.Text != tt.text {
						t.Errorf("%s: text %q", name, e.Text)
					}
				}
			}
			if told != want || r.sum.Losses.QueueFull != want || end.Lost["queue_full"] != want {
				t.Errorf("%s: told %d, counted %d, end %v: want %d", name, told, r.sum.Losses.QueueFull, end.Lost, want)
			}
			if tt.known == "" {
				tt.known = Exact
			}
			if r.sum.QueueFullKnown != tt.known {
				t.Errorf("%s: known %q, want %q", name, r.sum.QueueFullKnown, tt.known)
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

// TestQuota: of what several captures take together, no more than the limit is
// within it, whatever the limit.
func TestQuota(t *testing.T) {
	for _, tt := range []struct {
		limit, taken uint64
		n, want      int
	}{
		{0, 1 << 40, 64, 64},
		{100, 0, 64, 64},
		{100, 64, 64, 36},
		{100, 100, 64, 0},
		{100, 164, 64, 0},
		{1 << 63, 0, 64, 64},
		{1<<63 + 1, 1, 64, 64},
		{1<<64 - 1, 0, 64, 64},
		{1<<64 - 1, 1<<64 - 11, 4, 4},
	} {
		q := &quota{limit: tt.limit}
		q.taken.Store(tt.taken)
		if got := q.take(tt.n); got != tt.want {
			t.Errorf("limit %d, %d taken: %d of %d are within, want %d", tt.limit, tt.taken, got, tt.n, tt.want)
		}
	}
}

// TestFullWithID: a kernel that gives a packet its id before it drops it for want
// of room in the queue has it both in its own account and in a gap of the ids. It
// is one loss, whichever is seen first, and the events tell of as many as the end.
func TestFullWithID(t *testing.T) {
	type step struct {
		gap   uint64
		state nfq.KernelState
	}
	for name, tt := range map[string]struct {
		steps []step // the reader meets a gap, with the kernel's account by then
		end   nfq.KernelState
		want  Losses
	}{
		"gap seen":                  {[]step{{20, nfq.KernelState{Full: 30}}}, nfq.KernelState{Full: 30}, Losses{QueueFull: 30}},
		"gaps seen":                 {[]step{{20, nfq.KernelState{Full: 30}}, {15, nfq.KernelState{Full: 40}}}, nfq.KernelState{Full: 50}, Losses{QueueFull: 50}},
		"no gap: there is no id":    {[]step{{0, nfq.KernelState{Full: 30}}}, nfq.KernelState{Full: 30}, Losses{QueueFull: 30}},
		"receive buffer":            {[]step{{20, nfq.KernelState{Undelivered: 20}}}, nfq.KernelState{Undelivered: 20}, Losses{Missing: 20}},
		"receive buffer, no ids":    {[]step{{20, nfq.KernelState{Undelivered: 20, Full: 7}}}, nfq.KernelState{Undelivered: 20, Full: 7}, Losses{Missing: 20, QueueFull: 7}},
		"both":                      {[]step{{27, nfq.KernelState{Undelivered: 20, Full: 7}}}, nfq.KernelState{Undelivered: 20, Full: 7}, Losses{Missing: 20, QueueFull: 7}},
		"both, one after the other": {[]step{{7, nfq.KernelState{Full: 7}}, {20, nfq.KernelState{Undelivered: 20, Full: 7}}}, nfq.KernelState{Undelivered: 20, Full: 7}, Losses{Missing: 20, QueueFull: 7}},
		"both, seen in the wrong order": {[]step{{7, nfq.KernelState{Full: 7}}, {5, nfq.KernelState{Undelivered: 20, Full: 7}}, {15, nfq.KernelState{Undelivered: 20, Full: 7}}},
			nfq.KernelState{Undelivered: 20, Full: 7}, Losses{Missing: 20, QueueFull: 7}},
		"the last ones unseen": {[]step{{7, nfq.KernelState{Full: 7}}}, nfq.KernelState{Undelivered: 20, Full: 9}, Losses{Missing: 20, QueueFull: 9}},
		"nothing explains it":  {[]step{{20, nfq.KernelState{}}}, nfq.KernelState{}, Losses{Missing: 20}},
	} {
		var out bytes.Buffer
		clock := StartClock()
		w, err := traces.NewWriter(&out, NewHeader(clock, traces.Capture{}), traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var state nfq.KernelState
		g := NewLedger(w, clock, Witness{KernelState: func() (nfq.KernelState, error) { return state, nil }})
		var seen Losses
		for _, s := range tt.steps {
			state = s.state
			g.Tick()
			seen.Missing += s.gap
			for _, e := range LossEvents(clock.Now(), nfq.Loss{Missing: s.gap}) {
				g.Event(e)
			}
		}
		state = tt.end
		if got := g.Close(traces.End{}, 0, seen); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		_, events, end, _ := read(t, out.Bytes())
		told := map[string]uint64{}
		for _, e := range events {
			told[e.Kind.String()] += e.Count
		}
		if d := cmp.Diff(told, tt.want.ByKind()); d != "" {
			t.Errorf("%s: events (-told +want):\n%s", name, d)
		}
		if d := cmp.Diff(tt.want.ByKind(), end.Lost, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: end (-want +got):\n%s", name, d)
		}
	}
}

// TestWayOut: more room helps a full disk, and nothing else.
func TestWayOut(t *testing.T) {
	const room, other = "make room or write to another disk", "write to another file"
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, room},
		{fmt.Errorf("write: %w", syscall.EDQUOT), room},
		{errDiskFull, room}, // as another process told it
		{syscall.EIO, other},
		{fmt.Errorf("write: %w", syscall.EPIPE), other},
	} {
		if got := WayOut(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
		if got := (&WriteError{Err: tt.err}).Error(); !strings.Contains(got, tt.want) {
			t.Errorf("%v: %s", tt.err, got)
		}
	}
}
