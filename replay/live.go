package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/thread"
	"github.com/uqtool/uq/replay/raw"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// Timer says how the loop waits for a due time.
type Timer string

// The timers: sleep in the kernel; sleep until shortly before and then poll;
// poll all the time, which costs a core.
const (
	Sleep  Timer = "sleep"
	Hybrid Timer = "hybrid"
	Spin   Timer = "spin"
)

// ParseTimer reads a timer's name.
func ParseTimer(s string) (Timer, error) {
	switch t := Timer(s); t {
	case Sleep, Hybrid, Spin:
		return t, nil
	}
	return "", fmt.Errorf("timer %q: want sleep, hybrid or spin", s)
}

// DefaultFlows is how many flows a live report lists.
const DefaultFlows = 256

// spinBefore is how long before a due time Hybrid stops sleeping: more than a
// kernel timer usually oversleeps.
const spinBefore = 100 * time.Microsecond

// LiveOptions configure a Live. Clock and Scheduler are needed.
type LiveOptions struct {
	// Clock is the trace's time line.
	Clock record.Clock
	// Ports makes the port, of Scheduler: what decides, as the trace's header has
	// it.
	Ports     egress.Maker
	Scheduler traces.Scheduler
	// LinkHeader is the header's, in bytes.
	LinkHeader int
	// MTU is what the segments of super-packets are estimated with.
	MTU int
	// CEMark is the firewall mark (a single bit) that makes a rule behind the
	// queue set CE.
	CEMark uint32
	// Timer is how to wait; Hybrid when empty.
	Timer Timer
	// Flows is how many flows the report lists; 0 is DefaultFlows.
	Flows int
	// Packets ends the run after so many arrivals; 0 has no limit.
	Packets uint64
	// Drain, if not nil, is asked at the end, again and again and with the cause
	// of it, for how long to go on with packets still held: the earliest answer
	// counts. Without it they are accepted at once.
	Drain func(cause error) time.Duration
	// Thread, if not nil, is called in the loop's thread before it starts.
	Thread func() error
	// OnArrival, if not nil, is called in the loop with each packet as it was
	// received and its number, before the port sees it.
	OnArrival func(id uint64, p *nfq.Packet, at pkt.Time)
	// Sender sends the copies that a link makes; nil is a raw socket, which is
	// opened where it is needed.
	Sender Sender
	// OnCopy, if not nil, is called in the loop with each copy that was sent, and
	// the time just before; damaged says that a bit of it was flipped.
	OnCopy func(b []byte, damaged bool, at pkt.Time)
	// Witness tells of losses that nothing else does.
	Witness record.Witness
	// Progress, if not nil, is called about four times a second, from another
	// goroutine.
	Progress func(record.Progress)
	// Meter, if not nil, is fed by the loop.
	Meter *record.Meter
}

// Live schedules the packets of a queue.
type Live struct {
	q     record.Queue
	opt   LiveOptions
	port  *egress.Port
	pool  pkt.Pool
	dec   *decode.Decoder
	flows map[pkt.FlowKey]*pkt.Flow
	last  *pkt.Flow // of flows, met last: packets of a flow come in trains
	held  held
	out   []nfq.Verdict
	sent  []uint64 // ids of the packets in out
	left  []uint64 // ids of packets and copies that the port has let go of since
	round record.Rounds
	log   *journal
	rw    rewriter

	collector *report.Collector
	result    Result
	arrivals  uint64
	behind    int // records that waited for a held packet, and may come all at once
	ctx       context.Context
	deadline  pkt.Time // of draining, once the queue has ended
	lateness  *hdrhistogram.Histogram
}

// Result is what a live run measured beside its decisions.
type Result struct {
	// Run is the port's report, with the numbers a simulation has.
	Run *report.Run `json:"run"`
	// Counts are the packets that came and what was lost.
	record.Counts
	// Segs is how many packets on the wire those stand for.
	Segs uint64 `json:"segs"`
	// QueueFullKnown is how far Losses.QueueFull can be trusted.
	QueueFullKnown record.Certainty `json:"queue_full_known"`
	// Kept is what of it is in the trace.
	Kept record.Kept `json:"kept"`
	// Lateness is from the due time of a verdict to when it was handed over, in
	// nanoseconds.
	Lateness record.Distribution `json:"release_lateness_ns"`
	// Rewrites is what became of copies and corrupted packets; nil for a link that
	// makes none.
	Rewrites *Rewrites `json:"rewrites,omitempty"`
	// Unfinished packets were still held at the end, and accepted.
	Unfinished uint64 `json:"unfinished"`
	// Untold packets were held for so long that their records had to leave
	// without their fate.
	Untold uint64 `json:"untold,omitempty"`
	// Why is the reason of the end.
	Why string `json:"why"`
	// Horizon is until when the port decided.
	Horizon pkt.Time `json:"horizon_ns"`
}

// NewLive prepares a run over q. A configuration that cannot be read is an
// error. Where the link copies or corrupts packets (see Whole), q has the largest
// copy range and no super-packets; what it cannot rewrite is counted.
func NewLive(q record.Queue, opt LiveOptions) (*Live, error) {
	if opt.Timer == "" {
		opt.Timer = Hybrid
	}
	if opt.Flows == 0 {
		opt.Flows = DefaultFlows
	}
	l := &Live{
		q: q, opt: opt, dec: decode.New(opt.MTU), flows: map[pkt.FlowKey]*pkt.Flow{},
		collector: report.NewCollector(), lateness: hdrhistogram.New(1, int64(time.Minute), 3),
	}
	port, err := NewPort(opt.Ports, opt.Scheduler, egress.Tee(l.collector, (*decisions)(l)), &l.pool)
	if err != nil {
		return nil, err
	}
	l.port = port
	l.collector.WatchCell(port.Link())
	l.rw, err = newRewriter(port.Link(), opt.Scheduler.Seed, opt.Sender)
	return l, err
}

// Run schedules until ctx is done, the packet limit is reached or something
// breaks, writes arrivals and decisions to w and closes it. Packets still held
// at the end are accepted at once. Closing q is left to the caller.
func (l *Live) Run(ctx context.Context, w *traces.Writer) (Result, error) {
	defer thread.Reserve()()
	l.ctx, l.deadline = ctx, pkt.Never
	g := record.NewLedger(w, l.opt.Clock, l.opt.Witness)
	l.log = startJournal(g, l.opt.Clock, l.opt.Progress)
	release := g.StopWith(ctx, l.q)
	err := l.loop()
	release()
	l.rw.release()
	if l.rw.on {
		l.result.Rewrites = l.rewrites()
		l.log.note(l.result.Rewrites.String())
	}
	l.log.note(l.result.untoldNote())
	why := record.Why(ctx, err)
	if err == nil && l.limitReached() {
		why = fmt.Sprintf("limit of %d packets", l.opt.Packets)
	}
	end := traces.End{
		Clean: err == nil, Why: why,
		Scheduled: &traces.Scheduled{HorizonNs: int64(l.port.Now()), Digest: l.collector.Digest.String(), Untold: l.result.Untold},
	}
	counts, werr := l.log.close(end)
	l.result.Counts, l.result.Segs, l.result.Why = counts, l.log.segs, end.Why
	l.result.Kept, l.result.QueueFullKnown = g.Safe(), g.QueueFullKnown()
	l.result.Run = report.NewRun(l.port, l.collector, l.opt.Flows)
	l.result.Lateness = record.Distribute(l.lateness)
	l.result.Horizon = l.port.Now()
	return l.result, errors.Join(err, werr)
}

func (l *Live) loop() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if l.opt.Thread != nil {
		if err := l.opt.Thread(); err != nil {
			return err
		}
	}
	for {
		now, err := l.step()
		if errors.Is(err, io.EOF) && l.draining(now) {
			continue
		}
		if err != nil {
			l.finish()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		if l.limitReached() {
			l.log.ledger.Stop(l.q)
		}
	}
}

// step is one turn of the loop: packets come, verdicts go, and only then is
// anything written down.
func (l *Live) step() (pkt.Time, error) {
	b, err := l.q.Receive(l.timeout())
	now := l.opt.Clock.Now()
	l.round.Advance(b)
	l.opt.Meter.Arrived(len(b.Packets))
	for i := range b.Packets {
		l.arrive(&b.Packets[i], now)
	}
	l.port.Advance(now)
	if sendErr := l.send(); err == nil {
		err = sendErr
	}
	l.settle(b, now)
	return now, err
}

func (l *Live) limitReached() bool { return l.opt.Packets > 0 && l.arrivals >= l.opt.Packets }

// draining says whether the loop goes on although the queue feeds no more, and
// waits for what is due next.
func (l *Live) draining(now pkt.Time) bool {
	if l.opt.Drain == nil || l.port.Next() == pkt.Never {
		return false
	}
	l.deadline = min(l.deadline, now.Add(l.opt.Drain(context.Cause(l.ctx))))
	if now >= l.deadline {
		return false
	}
	time.Sleep(min(l.timeout(), l.deadline.Sub(now)))
	return true
}

// timeout is how long the loop may wait for packets.
func (l *Live) timeout() time.Duration {
	next, now := l.port.Next(), l.opt.Clock.Now()
	wait := nfq.Forever
	if next != pkt.Never {
		wait = max(next.Sub(now), 0)
	}
	switch {
	case l.opt.Timer == Spin && wait != nfq.Forever:
		wait = 0
	case l.opt.Timer == Hybrid && wait != nfq.Forever:
		wait = max(wait-spinBefore, 0)
	}
	if age, open := l.log.age(now); (open || l.held.n > 0) && (wait < 0 || wait > pageAge-age) {
		wait = max(pageAge-age, 0)
	}
	return wait
}

// arrive hands a packet to the port.
func (l *Live) arrive(p *nfq.Packet, now pkt.Time) {
	switch {
	case l.rw.sender != nil && p.Mark&raw.Mark != 0:
		l.rw.result.Returned++ // been through the scheduler once
		l.pass(p)
		return
	case l.limitReached():
		l.pass(p)
		return
	}
	id, e := l.held.push()
	l.held.identify(e, nfq.Ref{Queue: p.Queue, ID: p.ID})
	r := &e.rec
	l.dec.Decode(p.Payload, p.Len, record.Remarks(p.Info), r)
	if p.Damaged {
		r.Info |= traces.Truncated
	}
	r.Time, r.KernelTime, r.Mark = now, l.opt.Clock.FromRealtime(p.KernelTime), p.Mark
	r.Path = traces.Path{Hook: p.Hook, InDev: p.InDev, OutDev: p.OutDev}
	l.arrivals++
	l.log.count(r)
	if l.rw.on {
		e.bytes = l.rw.buffer(p.Payload)
	}
	if l.opt.OnArrival != nil {
		l.opt.OnArrival(id, p, now)
	}
	q := l.pool.Get()
	q.ID, q.Arrival = id, now
	q.Flow = l.flow(&r.Flow, e)
	r.Fill(q, l.opt.LinkHeader)
	l.port.Enqueue(now, q)
}

// flow is the port's flow of a key: the same as a traces.Source makes of the
// records, which numbers them in the same order. One past the table lives in e,
// as long as its packet, so that ever new flows cost no memory.
func (l *Live) flow(k *pkt.FlowKey, e *entry) *pkt.Flow {
	if l.last != nil && l.last.FlowKey == *k {
		return l.last
	}
	if f := l.flows[*k]; f != nil {
		l.last = f
		return f
	}
	if len(l.flows) >= traces.MaxFlows {
		f := l.held.flow(e)
		*f = *pkt.NewFlow(*k, pkt.OtherFlows, l.opt.Scheduler.Seed)
		return f
	}
	f := pkt.NewFlow(*k, uint32(len(l.flows)), l.opt.Scheduler.Seed)
	l.flows[*k] = f
	return f
}
