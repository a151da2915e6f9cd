package inject

import (
	"syscall"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Balance is where the packets of a replay went. Every packet of the trace's
// selection is in exactly one class, as the counts of the processes explain it;
// Unexplained is what they do not.
//
//	Packets   = Unsendable + SendErrors + Sent
//	Sent      = Delivered + Dropped + lost, by class
type Balance struct {
	Packets uint64 `json:"packets"`
	// Unsendable packets were not tried, by reason, and SendErrors refused by
	// the kernel, by errno.
	Unsendable map[string]uint64 `json:"unsendable,omitempty"`
	SendErrors map[string]uint64 `json:"send_errors,omitempty"`
	Sent       uint64            `json:"sent"`

	// Delivered packets were let go by the scheduler and met by the sink;
	// Dropped is by the scheduler or its link, by reason.
	Delivered     uint64            `json:"delivered"`
	Dropped       uint64            `json:"dropped"`
	DropsByReason map[string]uint64 `json:"drops_by_reason,omitempty"`
	Lost          Lost              `json:"lost"`
	// Unexplained is what is left. It should be 0.
	Unexplained int64 `json:"unexplained"`

	// Marked packets were delivered with a CE mark of the scheduler, of which
	// CE were met with CE.
	Marked uint64 `json:"marked"`
	CE     uint64 `json:"marked_met_with_ce"`
	Stray  Stray  `json:"stray"`
	// Rewritten is nil where the link neither copies nor corrupts.
	Rewritten *Rewritten `json:"rewritten,omitempty"`
}

// Lost are the packets that the scheduler did not decide about, or whose
// decision did not count, by class.
type Lost struct {
	// Link packets were taken by the source's device, which did not pass them
	// on: it was down, or the kernel's backlog full.
	Link uint64 `json:"link"`
	// Router packets were discarded by the router's IP stack before the queue.
	Router uint64 `json:"router"`
	// RcvBuf packets did not fit the queue reader's receive buffer: gaps in the
	// queue's ids, announced by ENOBUFS.
	RcvBuf uint64 `json:"id_gap"`
	// QueueFull packets met the queue's rule when the queue was full.
	QueueFull uint64 `json:"queue_full"`
	// Flushed packets were given up by the kernel before their verdict.
	Flushed uint64 `json:"kernel_flush"`
	// Unfinished packets were still held at the end, and let go.
	Unfinished uint64 `json:"unfinished"`
	// Unscheduled packets passed at the end, when nobody scheduled any more.
	Unscheduled uint64 `json:"unscheduled"`
	// Unrecorded packets passed, but the outcome does not tell how.
	Unrecorded uint64 `json:"unrecorded"`
	// Released packets were let go, but not sent by the router's device, and
	// Missed ones did not fit the sink's ring.
	Released uint64 `json:"gone_after_release"`
	Missed   uint64 `json:"receiver_missed"`
}

// Sum is over all classes.
func (l *Lost) Sum() uint64 {
	return l.Link + l.Router + l.RcvBuf + l.QueueFull + l.Flushed + l.Unfinished + l.Unscheduled + l.Unrecorded + l.Released + l.Missed
}

// ceBits is ECN's Congestion Experienced in the DS field.
const ceBits = 3

// tally sorts fates.
type tally struct {
	b       Balance
	unseen  uint64 // sent, but not met by the router
	missing uint64 // let go, but not met by the sink
	harm    Rewritten
}

func newTally() *tally {
	return &tally{b: Balance{Unsendable: map[string]uint64{}, SendErrors: map[string]uint64{}, DropsByReason: map[string]uint64{}}}
}

// add counts a packet.
func (t *tally) add(f *Fate) {
	b := &t.b
	b.Packets++
	switch {
	case f.Why != Sendable:
		b.Unsendable[f.Why.String()]++
		return
	case !f.Sent():
		b.SendErrors[errnoName(f.Errno)]++
		return
	}
	b.Sent++
	switch r := &f.Record; {
	case !f.Arrived:
		t.unseen++
	case !f.Recorded:
		b.Lost.Unrecorded++
	case r.Info&traces.Gone != 0:
		b.Lost.Flushed++
	case r.Reason == pkt.Shutdown:
		b.Lost.Unfinished++
	case r.Verdict == traces.Drop:
		b.Dropped++
		b.DropsByReason[r.Reason.String()]++
	case f.Received == 0:
		t.missing++
	default:
		t.deliver(f)
	}
}

func (t *tally) deliver(f *Fate) {
	t.b.Delivered++
	t.harm.meet(f.corrupted(), f.sums)
	if f.Record.Verdict == traces.MarkCE {
		t.b.Marked++
		if f.DS&ceBits == ceBits {
			t.b.CE++
		}
	}
}

func errnoName(errno uint16) string {
	if errno == 0 {
		return "not tried"
	}
	return syscall.Errno(errno).Error()
}

// accounts are the processes' own counts.
type accounts struct {
	source SourceResult
	router RouterResult
	sink   SinkResult
	queued uint64 // packets that met the queue's rule
	maxLen int    // of the kernel's queue
}

// overflowedLast says that packets which met the rule, but not the reader,
// found the receive buffer full, although no later id tells so: there was no
// later packet. The kernel's own account settles it where it can be read; else
// a queue that was never half full was not full.
func (a *accounts) overflowedLast() bool {
	if k := a.router.Kernel; k != nil {
		return k.Full == 0
	}
	return a.router.Live.Losses.Overflows > 0 && a.router.Live.Run.MaxQlen < a.maxLen/2
}

func accountsOf(res *netns.Result, source SourceResult, router RouterResult, sink SinkResult) accounts {
	return accounts{source: source, router: router, sink: sink, queued: res.Queued.Packets, maxLen: router.MaxLen}
}

// close explains what the router or the sink did not meet, class by class,
// each at most as far as its counter goes.
func (t *tally) close(a *accounts, r rest) Balance {
	b, l, stray := &t.b, &t.b.Lost, r.stray
	b.Stray = stray
	take := func(from *uint64, class *uint64, most uint64) {
		n := min(*from, most)
		*class += n
		*from -= n
	}
	live := &a.router.Live
	arrived := live.Packets
	take(&t.unseen, &l.Link, less(b.Sent, a.source.Link.TxPackets)+less(a.source.Link.TxPackets, a.router.In.RxPackets))
	take(&t.unseen, &l.RcvBuf, live.Losses.Missing)
	// What the sink met without the outcome telling of it may lack a record.
	take(&t.unseen, &l.Unscheduled, less(stray.Received, l.Unrecorded))
	full := &l.QueueFull
	if a.overflowedLast() {
		full = &l.RcvBuf
	}
	take(&t.unseen, full, less(a.queued, arrived+live.Losses.Missing+l.Unscheduled))
	take(&t.unseen, &l.Router, a.router.Discarded)
	take(&t.missing, &l.Flushed, less(live.Losses.Gone, l.Flushed))
	unsent := a.router.Out.Drops + less(b.Delivered+t.missing+l.Unfinished+a.copiesSent(), less(a.router.Out.TxPackets, a.sink.Foreign))
	take(&t.missing, &l.Released, unsent)
	take(&t.missing, &l.Missed, a.sink.Missed)
	b.Unexplained = int64(t.unseen + t.missing)
	if rw := a.router.Live.Rewrites; rw != nil {
		b.Rewritten = t.rewritten(rw, r.copies, less(unsent, l.Released), less(a.sink.Missed, l.Missed))
	}
	return *b
}

// copiesSent is how many packets left the router that never arrived there.
func (a *accounts) copiesSent() uint64 {
	if rw := a.router.Live.Rewrites; rw != nil {
		return rw.Sent
	}
	return 0
}

// rewritten accounts for the copies that were met or not, of which some were
// unsent and some missed. What is not explained is a copy gone without reason, or
// an intact packet that was changed.
func (t *tally) rewritten(rw *replay.Rewrites, met Rewritten, unsent, missed uint64) *Rewritten {
	met.Rewrites = *rw
	met.Damaged += t.harm.Damaged
	met.Unchecked += t.harm.Unchecked
	met.Intact += t.harm.Intact
	met.Harmed += t.harm.Harmed
	met.Released = min(met.Gone, unsent)
	met.Missed = min(met.Gone-met.Released, missed)
	t.b.Unexplained += int64(met.Gone - met.Released - met.Missed + less(met.Intact, total(rw.Unchanged)))
	return &met
}

func total(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// less is a - b, not below 0.
func less(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}
