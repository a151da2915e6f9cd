package record

import (
	"fmt"
	"time"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

const (
	// tickEvery is how often the writer reports and thinks of flushing.
	tickEvery = 250 * time.Millisecond
	// flushAfter, with a tick and a block's age on top, keeps what a crash loses
	// below one second.
	flushAfter = 700 * time.Millisecond
)

// writer is the side that decodes and writes.
type writer struct {
	w      *traces.Writer
	clock  Clock
	ring   *ring
	shared *counters
	dec    *decode.Decoder
	rec    traces.Record

	progress    func(Progress)
	kernelState func() (nfq.KernelState, error)

	flushed   pkt.Time // when last
	segs      uint64
	packets   uint64 // that came to be written
	blocks    uint64 // of the trace, when safe was set
	safe      uint64 // records in those blocks
	queueFull uint64 // as the kernel told
	undelivered,
	undeliveredTold uint64
	err error
}

func newWriter(w *traces.Writer, r *ring, shared *counters, o Options) *writer {
	return &writer{
		w: w, clock: o.Clock, ring: r, shared: shared, dec: decode.New(o.MTU),
		progress: o.Progress, kernelState: o.KernelState,
	}
}

// run writes blocks until the capture closes the ring.
func (wr *writer) run() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case b, ok := <-wr.ring.full:
			if !ok {
				return
			}
			wr.block(b)
			wr.ring.free <- b
		case <-tick.C:
			wr.tick()
		}
	}
}

// tick does what is due by time. The select above is fair, so a busy queue does
// not keep it waiting.
func (wr *writer) tick() {
	wr.askKernel()
	if now := wr.clock.Now(); now.Sub(wr.flushed) >= flushAfter {
		wr.flushed = now
		wr.keep(wr.w.Flush)
	}
	if wr.progress != nil {
		wr.progress(wr.report())
	}
}

// block writes the packets and events of b in order.
func (wr *writer) block(b *block) {
	ev := b.events
	for i := range b.entries {
		for len(ev) > 0 && ev[0].at <= i {
			wr.event(ev[0].Event)
			ev = ev[1:]
		}
		wr.packet(b, &b.entries[i])
	}
	for _, e := range ev {
		wr.event(e.Event)
	}
}

func (wr *writer) packet(b *block, e *entry) {
	r := &wr.rec
	wr.dec.Decode(b.bytes[e.off:e.off+uint32(e.seen)], e.len, Remarks(e.info), r)
	wr.segs += uint64(r.Segs)
	r.Time, r.VerdictTime = e.time, e.verdict
	r.KernelTime = wr.clock.FromRealtime(e.kernelTime)
	r.Mark = e.mark
	r.Path = traces.Path{Hook: e.hook, InDev: e.inDev, OutDev: e.outDev}
	r.Verdict, r.Reason = traces.Accept, pkt.NoReason
	if e.lost {
		r.Verdict = traces.Lost
	}
	r.Dequeued, r.Due = traces.NoTime, traces.NoTime
	wr.packets++
	if wr.err == nil {
		wr.err = wr.w.Append(r)
		wr.noteBlocks()
	}
}

// noteBlocks notes which records cannot be lost any more: a block takes along
// all that were waiting for one.
func (wr *writer) noteBlocks() {
	if st := wr.w.Stats(); wr.err == nil && st.Blocks != wr.blocks {
		wr.blocks, wr.safe = st.Blocks, st.Records
	}
}

// Remarks translates the kernel's bits.
func Remarks(k nfq.SkbInfo) traces.Info {
	var i traces.Info
	if k&nfq.GSO != 0 {
		i |= traces.GSO
	}
	if k&nfq.CsumNotReady != 0 {
		i |= traces.CsumNotReady
	}
	if k&nfq.CsumNotVerified != 0 {
		i |= traces.CsumNotVerified
	}
	return i
}

func (wr *writer) event(e traces.Event) {
	wr.keep(func() error { return wr.w.Event(e) })
}

// overrun writes down the records that the capture dropped at the end and could
// not put into a block any more.
func (wr *writer) overrun(n uint64) {
	if n > 0 {
		wr.event(OverrunEvent(wr.clock.Now(), n))
	}
}

// keep calls f unless the trace is broken, and remembers if it breaks.
func (wr *writer) keep(f func() error) {
	if wr.err == nil {
		wr.err = f()
		wr.noteBlocks()
	}
}

// askKernel looks for losses that only the kernel knows: packets that found the
// queue full have no id.
func (wr *writer) askKernel() {
	if wr.kernelState == nil {
		return
	}
	st, err := wr.kernelState()
	if err != nil {
		return
	}
	if st.Full > wr.queueFull {
		wr.event(traces.Event{Time: wr.clock.Now(), Kind: traces.QueueFull, Count: st.Full - wr.queueFull})
		wr.queueFull = st.Full
	}
	wr.undelivered = max(wr.undelivered, st.Undelivered)
}

// close asks the kernel for the last time and ends the trace. Ids missing at
// the very end have no successor to show the gap.
func (wr *writer) close(why string, clean bool) {
	wr.askKernel()
	if seen := wr.shared.get().Losses.Missing; wr.undelivered > seen {
		wr.undeliveredTold = wr.undelivered - seen
		wr.event(traces.Event{Time: wr.clock.Now(), Kind: traces.IDGap, Count: wr.undeliveredTold, Text: "after the last packet"})
	}
	end := traces.End{DurationNs: int64(wr.clock.Now()), Clean: clean, Why: why, Lost: wr.losses().ByKind()}
	wr.keep(func() error { return wr.w.Close(end) })
	if wr.progress != nil {
		wr.progress(wr.report())
	}
}

// losses joins what both sides know.
func (wr *writer) losses() Losses {
	l := wr.shared.get().Losses
	l.Missing += wr.undeliveredTold
	if wr.err != nil {
		l.Records += wr.packets - wr.safe
	}
	l.QueueFull = wr.queueFull
	return l
}

// failure is the trace's error, with the way out.
func (wr *writer) failure() error {
	if wr.err == nil {
		return nil
	}
	return fmt.Errorf("record: the packets passed, but %d records were not written: %w", wr.losses().Records, wr.err)
}
