package record

import (
	"bytes"
	"errors"
	"fmt"
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

// What becomes of asking the kernel for its own account.
func readable() (nfq.KernelState, error) { return nfq.KernelState{}, nil }
func secret() (nfq.KernelState, error) {
	return nfq.KernelState{}, errors.New("not permitted")
}

// Where the kernel's account may not be read, the rule's counter tells what never
// came; where it may, only what fail-open let pass. Nothing is told that is not
// certain.
func TestRule(t *testing.T) {
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
