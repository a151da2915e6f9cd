package record

import (
	"time"

	"github.com/uqtool/uq/record/decode"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// tickEvery is how often the writer reports and thinks of flushing.
const tickEvery = 250 * time.Millisecond

// writer is the side that decodes and writes.
type writer struct {
	*Ledger
	full     <-chan *block
	merge    *merge
	shared   tally
	dec      *decode.Decoder
	rec      traces.Record
	progress func(Progress)
}

func newWriter(g *Ledger, rings []*ring, shared tally, o Options) *writer {
	wr := &writer{Ledger: g, full: rings[0].full, shared: shared, dec: decode.New(o.MTU), progress: o.Progress}
	wr.merge = newMerge(rings, o.Clock, wr)
	return wr
}

// run writes blocks until the captures have ended and their channel is closed.
func (wr *writer) run() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case b, ok := <-wr.full:
			if !ok {
				wr.merge.rest()
				return
			}
			wr.merge.add(b)
			wr.merge.write()
		case <-tick.C:
			wr.merge.write()
			wr.tick()
		}
	}
}

// tick does what is due by time. The select above is fair, so a busy queue does
// not keep it waiting.
func (wr *writer) tick() {
	wr.Tick()
	if wr.progress != nil {
		wr.progress(wr.report())
	}
}

func (wr *writer) packet(b *block, e *entry) {
	r := &wr.rec
	wr.dec.Decode(b.bytes[e.off:e.off+uint32(e.seen)], e.len, Remarks(e.info), r)
	if e.damaged {
		r.Info |= traces.Truncated
	}
	r.Time, r.VerdictTime = e.time, e.verdict
	r.KernelTime = wr.clock.FromRealtime(e.kernelTime)
	r.Mark = e.mark
	r.Path = traces.Path{Hook: e.hook, InDev: e.inDev, OutDev: e.outDev}
	r.Verdict, r.Reason = traces.Accept, pkt.NoReason
	if e.lost {
		r.Verdict = traces.Lost
	}
	r.Dequeued, r.Due = traces.NoTime, traces.NoTime
	wr.Append(r)
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

// rest writes down what the capture could not put into a block any more: the
// records it dropped at the end, and what was lost.
func (wr *writer) rest(overrun uint64, l nfq.Loss) {
	now := wr.clock.Now()
	if overrun > 0 {
		wr.Event(OverrunEvent(now, overrun))
	}
	for _, e := range LossEvents(now, l) {
		wr.Event(e)
	}
}

// close ends the trace after received packets.
func (wr *writer) close(why string, clean bool, received uint64) {
	wr.Close(traces.End{Clean: clean, Why: why}, received, wr.shared.get().Losses)
	if wr.progress != nil {
		wr.progress(wr.report())
	}
}
