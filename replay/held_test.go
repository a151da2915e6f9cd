package replay

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// starver is traffic of two classes: any of the first passes before the second.
type starver struct {
	*session
	g *traffic
}

func (s *starver) push(ds uint8, n int) {
	s.g.ect = ds
	for range n {
		p := s.g.packet()
		for p.Payload[0]>>4 != 4 { // of IPv6 Linux sees no class here
			p = s.g.packet()
		}
		p.Len = 1000
		s.q.Push(p)
	}
}

const urgent, bulk = 0x10, 0x08

// starve plays f on a prio scheduler and holds what must be of every such run:
// it is proved, and of the untold the trace says so.
func starve(t *testing.T, link string, f func(*starver)) (*session, []traces.Record) {
	t.Helper()
	s := play(t, traces.Scheduler{Qdisc: "prio", Link: link, Seed: 1}, LiveOptions{}, func(s *session) { f(&starver{s, newTraffic(t, 1)}) })
	if s.err != nil || s.result.Losses.Any() {
		t.Fatalf("%v, losses %+v", s.err, s.result.Losses)
	}
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Divergence != nil || !v.Complete || v.Untold != s.result.Untold || v.Decisions+v.Untold+v.Undecided != s.result.Packets {
		t.Errorf("%v %v: %+v", err, v.Divergence, v)
	}
	recs := s.records(t)
	none := uint64(0)
	for _, r := range recs {
		if r.Verdict == traces.NoVerdict {
			none++
		}
	}
	if n := uint64(len(recs)); n != s.result.Packets || none < s.result.Untold {
		t.Errorf("%d records of %d packets, %d of them without a verdict, %d untold", n, s.result.Packets, none, s.result.Untold)
	}
	return s, recs
}

// TestStarved: a packet that waits for minutes keeps the trace back for one of
// them at most, and gets its own verdict when its time has come.
func TestStarved(t *testing.T) {
	const seconds = 100
	written := 0
	s, recs := starve(t, "rate 1mbit", func(s *starver) {
		s.push(urgent, 10)
		s.push(bulk, 1)
		for range seconds {
			s.push(urgent, 130) // a second of them takes the link longer
			time.Sleep(time.Second)
		}
		synctest.Wait()
		written = s.trace.Len()
		if n := len(s.q.Given()); n < 11_000 {
			t.Errorf("%d verdicts given", n)
		}
		time.Sleep(time.Minute) // and now it leaves
		if s.q.Held() != 0 {
			t.Errorf("%d packets held", s.q.Held())
		}
	})
	if written < s.trace.Len()/3 {
		t.Errorf("of a trace of %d bytes %d were written while a packet waited", s.trace.Len(), written)
	}
	if i := slices.IndexFunc(recs, func(r traces.Record) bool { return r.Verdict == traces.NoVerdict }); s.result.Untold != 1 || s.result.Unfinished != 0 || i != 10 {
		t.Errorf("%d untold, %d unfinished, the first is record %d", s.result.Untold, s.result.Unfinished, i)
	}
}

// TestStarvedToTheEnd: one that waits still at the end is accepted then. It was
// never decided about, so that the trace does tell its fate.
func TestStarvedToTheEnd(t *testing.T) {
	s, _ := starve(t, "rate 1mbit", func(s *starver) {
		s.push(urgent, 10)
		s.push(bulk, 3)
		for range 70 {
			s.push(urgent, 130)
			time.Sleep(time.Second)
		}
	})
	if s.result.Untold != 0 || s.result.Unfinished < 3 || s.q.Held() != 0 {
		t.Errorf("%d untold, %d unfinished, %d held", s.result.Untold, s.result.Unfinished, s.q.Held())
	}
}

// TestStarvedBurst: the records that come all at once when a starved packet
// leaves at last may be more than the journal has room for. They wait for the
// writer, but what comes meanwhile does not add to them.
func TestStarvedBurst(t *testing.T) {
	const room = 2 * pageRecords
	j := &journal{free: make(chan *page, 2), full: make(chan *page, 2)}
	for range cap(j.free) {
		j.free <- &page{recs: make([]traces.Record, 0, pageRecords)}
	}
	l := &Live{log: j}
	written := uint64(0)
	write := func() { // all that has come to the writer
		for len(j.full) > 0 {
			p := <-j.full
			for i := range p.recs {
				if p.recs[i].Seq < uint32(written) {
					t.Fatal("out of order")
				}
				written = uint64(p.recs[i].Seq) + 1
			}
			j.free <- p
		}
	}
	come := func(n int) {
		for range n {
			id, e := l.held.push()
			e.rec.Seq, e.round = uint32(id), 1
			l.held.finish(id, e)
		}
	}
	settle := func(left int, lost uint64) {
		t.Helper()
		if l.settle(nfq.Batch{}, 0); l.held.n != left || j.counts.Losses.Records != lost {
			t.Fatalf("%d left, %d records lost: want %d and %d", l.held.n, j.counts.Losses.Records, left, lost)
		}
	}
	l.round.Advance(nfq.Batch{})
	id, _ := l.held.push()
	come(10 * room)
	settle(10*room+1, 0)
	first := l.held.at(id)
	first.round = 1
	l.held.finish(id, first)
	settle(9*room+1, 0)
	come(100)
	settle(9*room+1, 100)
	for left := 8; left >= 0; left-- {
		write()
		settle(left*room+1, 100)
	}
	write()
	settle(0, 100)
	come(5 * room)
	settle(0, uint64(100+4*room+1)) // nothing waited, and the disk is slow
}

// TestHeldBound: so many may wait for the oldest, and so long, and no more.
func TestHeldBound(t *testing.T) {
	var h held
	over := func() {
		id, e := h.push()
		e.round = 1
		if !h.finish(id, e) || h.finish(id, e) {
			t.Fatal("not over, or twice")
		}
	}
	id, first := h.push()
	first.rec.Time, first.flow, first.packet = 5, h.flow(first), nfq.Ref{ID: 7}
	if h.overdue(pkt.Never) != nil {
		t.Error("overdue, although nothing waits")
	}
	over()
	if now := pkt.Time(maxWait); h.overdue(now+5) != nil || h.overdue(now+6) == nil {
		t.Error("waits too long or not long enough")
	}
	for h.waiting() < maxWaiting {
		if over(); h.overdue(6) != nil {
			break
		}
	}
	if over(); h.waiting() != maxWaiting+1 || h.overdue(6) == nil {
		t.Fatalf("%d may wait", h.waiting())
	}
	f := h.at(id).flow
	h.keep()
	if h.waiting() != maxWaiting+1 || h.settled(2) == nil || h.overdue(pkt.Never) != nil || h.gone(nfq.Ref{ID: 7}) {
		t.Errorf("%d wait for nothing", h.waiting())
	}
	e := h.at(id)
	if e.flow != f || e.packet.ID != 7 || e.over {
		t.Errorf("kept %+v", e)
	}
	if late := h.undecided(func(*entry) {}); late != 1 {
		t.Errorf("%d late", late)
	}
	e.decided, e.round = true, 3
	if !h.finish(id, e) || len(h.late) != 0 || len(h.flows) != 1 || h.at(id) != nil || h.finish(id, h.at(id)) {
		t.Errorf("%d late ones kept", len(h.late))
	}
}

// TestGone finds packets by their numbers, which have gaps and wrap around.
func TestGone(t *testing.T) {
	var h held
	ids := []uint32{1<<32 - 700}
	for range 1000 {
		ids = append(ids, ids[len(ids)-1]+1+ids[len(ids)-1]%3)
	}
	for i, n := range ids {
		if _, e := h.push(); true {
			h.identify(e, nfq.Ref{Queue: 5, ID: n})
		}
		if i < 300 {
			h.pop()
		}
	}
	for i, n := range ids {
		if got := h.gone(nfq.Ref{Queue: 5, ID: n}); got != (i >= 300) {
			t.Errorf("packet %d, number %d: found %v", i, n, got)
		}
		if i >= 300 && h.at(uint64(i)).rec.Info&traces.Gone == 0 {
			t.Errorf("packet %d is not marked", i)
		}
	}
	for _, r := range []nfq.Ref{{Queue: 4, ID: ids[500]}, {Queue: 5, ID: ids[1000] + 1}, {Queue: 5, ID: ids[300] - 1}} {
		if h.gone(r) {
			t.Errorf("%+v found", r)
		}
	}
}

// TestGoneOfSeveralQueues: each queue has numbers of its own, and what they bring
// is held in one order.
func TestGoneOfSeveralQueues(t *testing.T) {
	var h held
	var refs []nfq.Ref
	next := [3]uint32{1, 5000, 1 << 31}
	for i := range 900 {
		q := i * i % 3
		refs = append(refs, nfq.Ref{Queue: uint16(q), ID: next[q]})
		next[q]++
		_, e := h.push()
		h.identify(e, refs[i])
	}
	for i, r := range refs {
		if !h.gone(r) || h.at(uint64(i)).rec.Info&traces.Gone == 0 {
			t.Fatalf("packet %d, %+v: not found", i, r)
		}
	}
	if h.gone(nfq.Ref{Queue: 7, ID: 3}) {
		t.Error("found a packet of a queue that brought none")
	}
}
