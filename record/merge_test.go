package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nfq/nfqtest"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// noted is a sink that remembers the order of ids and events.
type noted []string

func (n *noted) packet(b *block, e *entry) {
	*n = append(*n, fmt.Sprintf("%d.%d@%d", b.ring.queue, e.id, e.time))
}

func (n *noted) Event(e traces.Event) { *n = append(*n, fmt.Sprintf("%s@%d", e.Text, e.Time)) }

// TestMerge hands over blocks by hand and looks at what is written when.
func TestMerge(t *testing.T) {
	clock := StartClock()
	rings := newRings(3, 1, 64)
	var got noted
	m := newMerge(rings, clock, &got)
	hand := func(queue int, until pkt.Time, times ...pkt.Time) {
		b := rings[queue].take()
		for i, at := range times {
			b.add(&nfq.Packet{ID: uint32(i + 1)}, 64, at, at)
		}
		b.events = append(b.events, placedEvent{len(times), traces.Event{Time: until, Text: "end"}})
		b.until = until
		rings[queue].full <- b
	}
	step := func(what string, want ...string) {
		t.Helper()
		got = got[:0]
		m.write()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	for _, r := range rings {
		r.idle.Store(false)
	}
	hand(1, 25, 10, 20)
	step("others have said nothing")
	rings[0].idle.Store(true)
	step("the third has not")
	hand(2, 20, 5, 10, 20)
	rings[0].idle.Store(true)
	step("queue 2 up to what follows its block, ties in order", "2.1@5", "1.1@10", "2.2@10", "1.2@20", "2.3@20", "end@20")
	rings[2].idle.Store(true)
	step("all but queue 1 idle", "end@25")
	if len(rings[1].free) != minBlocks || len(rings[2].free) != minBlocks {
		t.Errorf("%d and %d blocks came back, want %d", len(rings[1].free), len(rings[2].free), minBlocks)
	}
	hand(0, 40, 30)
	step("queue 1 is busy")
	got = got[:0]
	m.rest()
	if want := []string{"0.1@30", "end@40"}; !slices.Equal(got, want) {
		t.Errorf("rest: got %v, want %v", got, want)
	}
}

// TestRunAll records from several queues with packets at random times: the
// trace is in order of time, every queue's own order holds, nothing is missing.
func TestRunAll(t *testing.T) {
	const queues, each = 4, 3000
	synctest.Test(t, func(t *testing.T) {
		qs, fakes := make([]Queue, queues), make([]*nfqtest.Queue, queues)
		for i := range qs {
			fakes[i] = nfqtest.New()
			qs[i] = fakes[i]
		}
		o := Options{Clock: StartClock()}
		var file bytes.Buffer
		w, err := traces.NewWriter(&file, NewHeader(o.Clock, traces.Capture{}), traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		var sum Summary
		go func() {
			defer close(done)
			sum, err = RunAll(ctx, qs, w, o)
		}()
		rng := rand.New(rand.NewPCG(1, 2))
		var left [queues]int
		for range queues * each {
			i := rng.IntN(queues)
			for left[i] == each {
				i = (i + 1) % queues
			}
			p := udpPackets(1)[0]
			p.Mark = uint32(i)<<16 | uint32(left[i])
			left[i]++
			fakes[i].Push(p)
			if rng.IntN(3) == 0 {
				time.Sleep(time.Duration(rng.IntN(300)) * time.Microsecond)
			}
			if rng.IntN(1000) == 0 {
				time.Sleep(300 * time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		cancel()
		<-done
		if err != nil || sum.Packets != queues*each || sum.Records != queues*each || sum.Losses.Any() {
			t.Fatalf("%v: %+v", err, sum)
		}
		checkOrder(t, file.Bytes(), queues, each)
		for i, f := range fakes {
			if n := len(f.Given()); n != each || f.Held() != 0 {
				t.Errorf("queue %d: %d verdicts, %d held", i, n, f.Held())
			}
		}
	})
}

func checkOrder(t *testing.T, trace []byte, queues, each int) {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	next := make([]int, queues)
	last := pkt.Time(0)
	var rec traces.Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		i := int(rec.Mark >> 16)
		if int(rec.Mark&0xffff) != next[i] {
			t.Fatalf("queue %d: packet %d, want %d", i, rec.Mark&0xffff, next[i])
		}
		next[i]++
		if rec.Time < last {
			t.Fatalf("time %v after %v", rec.Time, last)
		}
		last = rec.Time
	}
	for i, n := range next {
		if n != each {
			t.Errorf("queue %d: %d packets, want %d: %v", i, n, each, err)
		}
	}
}

// TestRunAllWritesSoon: while one queue is silent and another always holds
// something, what was recorded reaches the trace all the same.
func TestRunAllWritesSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent, busy, now := nfqtest.New(), nfqtest.New(), nfqtest.New()
		o := Options{Clock: StartClock()}
		var last Progress
		o.Progress = func(p Progress) { last = p }
		var file bytes.Buffer
		w, err := traces.NewWriter(&file, NewHeader(o.Clock, traces.Capture{}), traces.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := RunAll(ctx, []Queue{silent, busy, now}, w, o)
			done <- err
		}()
		now.Push(udpPackets(10)...)
		for range 1000 {
			busy.Push(udpPackets(1)...)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if last.Written.Records < 600 {
			t.Errorf("after 1 s %d records were written", last.Written.Records)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRunAllLimit: the limit is on the sum, and one queue's error ends all.
func TestRunAllLimit(t *testing.T) {
	broken := errors.New("broken")
	for _, fail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := nfqtest.New(), nfqtest.New()
			o := Options{Clock: StartClock(), Packets: 100}
			w, err := traces.NewWriter(&bytes.Buffer{}, NewHeader(o.Clock, traces.Capture{}), traces.WriterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a.PushAfter(time.Second, udpPackets(70)...)
			if fail {
				time.AfterFunc(2*time.Second, func() { b.Fail(broken) })
			} else {
				b.PushAfter(2*time.Second, udpPackets(70)...)
			}
			sum, err := RunAll(t.Context(), []Queue{a, b}, w, o)
			want := uint64(100)
			if fail {
				want = 70
			}
			if errors.Is(err, broken) != fail || sum.Packets != want || sum.Records != want || sum.Clean == fail || a.Held()+b.Held() != 0 {
				t.Errorf("fail %v: %v, %+v, %d held", fail, err, sum, a.Held()+b.Held())
			}
		})
	}
}
