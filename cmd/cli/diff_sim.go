package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/explain/diff"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// simulations compares two of them over one trace, or one with what the trace
// recorded.
func (o *diffOptions) simulations(ctx context.Context, s *streams, d *diff.Differ, r *diffReport, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	in, err := openInput(ctx, s, name, false)
	if err != nil {
		return err
	}
	defer in.close()
	tr, err := in.reader(o.salvage)
	if err != nil {
		return err
	}
	defer tr.close()
	configs, err := o.configs(s.ports, in.name, tr.Header())
	if err != nil {
		return err
	}
	var rec *recordedRun
	var blocks traces.BlockReader = tr.Reader
	runs := []*comparedRun{&r.A, &r.B}
	if len(configs) == 1 {
		rec = &recordedRun{Reader: tr.Reader, name: in.name, d: d}
		r.A, runs, blocks = rec.about(), runs[1:], (*fedBlocks)(rec)
	}
	var lanes []sim.Lane
	for i, c := range configs {
		pool := &pkt.Pool{}
		port, err := s.ports.Port(c, d.Side(i+2-len(configs)), pool)
		if err != nil {
			return usageErrorf("--qdisc: %w", err)
		}
		*runs[i] = comparedRun{Source: "simulated", Name: in.name, Qdisc: c.Qdisc, Link: report.LinkLine(port.Link()), GSO: o.gso, Seed: &c.Seed}
		lanes = append(lanes, sim.Lane{Port: port, Pool: pool})
	}
	src, err := traces.NewSource(blocks, traces.SourceOptions{Seed: configs[0].Seed, Split: o.gso == gsoSplit})
	if err != nil {
		return usageErrorf("%s: %w", in.name, err)
	}
	supers := &superPackets{src: src}
	if _, err = sim.RunAll(&interruptible{ctx: ctx, src: supers}, lanes); err != nil && !r.damaged(in.name, err) {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	if rec == nil {
		r.noteWhole(supers.n, lanes)
	}
	if rec != nil {
		rec.end()
	} else {
		d.End(0, pkt.Never)
	}
	d.End(1, pkt.Never)
	return nil
}

// superPackets counts those that came.
type superPackets struct {
	src sim.Source
	n   int
}

// Next implements sim.Source.
func (s *superPackets) Next(p *pkt.Packet) (bool, error) {
	ok, err := s.src.Next(p)
	if ok && p.Segs > 1 {
		s.n++
	}
	return ok, err
}

// noteWhole says which qdisc had super-packets whole that it takes apart elsewhere.
func (r *diffReport) noteWhole(supers int, lanes []sim.Lane) {
	if supers == 0 {
		return
	}
	what := fmt.Sprintf("%d super-packets", supers)
	if supers == 1 {
		what = "1 super-packet"
	}
	for i, run := range []comparedRun{r.A, r.B} {
		if i > 0 && run.Qdisc == r.A.Qdisc || !splits(lanes[i].Port.Scheduler()) {
			continue
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s went whole to %q, which takes them apart in Linux and in uq sim: --gso split compares the packets on the wire", what, run.Qdisc))
	}
}

// configs are the two to simulate, or the one to compare a recording with.
func (o *diffOptions) configs(ports egress.Maker, name string, h traces.Header) ([]egress.Config, error) {
	two := len(o.qdiscs) == 2 || len(o.links) == 2
	own := h.Scheduler
	switch {
	case !two && own == nil:
		return nil, usageErrorf("%s was recorded without a scheduler, so there are no decisions to compare with: name two qdiscs, --qdisc A --qdisc B", name)
	case !two && h.Anonymized != "":
		return nil, usageErrorf("%s: anonymized: flow hashes changed, its decisions cannot be computed again: compare two qdiscs, --qdisc A --qdisc B", name)
	case !two && o.gso == gsoSplit:
		return nil, usageErrorf("--gso split: the packets of %s were decided about whole: leave it out", name)
	case len(o.qdiscs) == 0 && own == nil:
		return nil, usageErrorf("name what to simulate: --qdisc A")
	}
	n := 1
	if two {
		n = 2
	}
	var cs []egress.Config
	for i := range n {
		c := simulation{setting: "--", seed: o.seed, gso: o.gso, link: nth(o.links, i)}
		q := nth(o.qdiscs, i)
		if q == "" {
			q = own.Qdisc
		}
		if own != nil && !o.seedGiven {
			c.seed = own.Seed
		}
		c.qdiscs = []string{q}
		if err := c.check(ports); err != nil {
			return nil, err
		}
		if err := c.chooseLink(ports, name, h); err != nil {
			return nil, err
		}
		cs = append(cs, c.config(q))
	}
	return cs, nil
}

// nth is the i-th word, or the only one.
func nth(words []string, i int) string {
	switch {
	case len(words) == 0:
		return ""
	case len(words) == 1:
		return words[0]
	}
	return words[i]
}

// recordedRun is a trace with the decisions of a live run.
type recordedRun struct {
	*traces.Reader
	name  string
	d     *diff.Differ
	side  int
	in    io.Closer
	block traces.Block
	n     uint64
	last  pkt.Time
}

func newRecordedRun(r io.Reader, in io.Closer, name string, salvage bool, d *diff.Differ, side int) (*recordedRun, error) {
	open := traces.NewReader
	if salvage {
		open = traces.Salvage
	}
	tr, err := open(r)
	if err != nil {
		return nil, traceError(name, err)
	}
	return &recordedRun{Reader: tr, name: name, d: d, side: side, in: in}, nil
}

func (r *recordedRun) close()      { _ = r.in.Close() }
func (r *recordedRun) fed() uint64 { return r.n }

func (r *recordedRun) about() comparedRun {
	c := comparedRun{Source: "recorded", Name: r.name}
	if own := r.Header().Scheduler; own != nil {
		c.Qdisc, c.Link, c.GSO, c.Seed = own.Qdisc, own.Link, own.GSO, &own.Seed
	}
	return c
}

// pull implements pulled: a block at a time.
func (r *recordedRun) pull() (more bool, err error) {
	if err = (*fedBlocks)(r).NextBlock(&r.block); err == nil {
		return true, nil
	}
	r.end()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return false, err
}

// end tells the Differ until when the live run decided.
func (r *recordedRun) end() {
	horizon := pkt.Never
	end, complete := r.End()
	switch {
	case complete && end.Scheduled != nil:
		horizon = pkt.Time(end.Scheduled.HorizonNs)
	case !complete:
		horizon = r.last
	}
	r.d.End(r.side, horizon)
}

// fedBlocks is a recordedRun whose blocks go to the Differ as they are read.
type fedBlocks recordedRun

// NextBlock implements traces.BlockReader.
func (f *fedBlocks) NextBlock(b *traces.Block) error {
	b.HeadersOnly = false
	if err := f.Reader.NextBlock(b); err != nil {
		return err
	}
	var rec traces.Record
	var p pkt.Packet
	link := f.Reader.Header().LinkHeader
	for i := range b.Time {
		b.Record(i, &rec)
		rec.Fill(&p, link)
		if err := f.d.Arrive(f.side, f.n, diff.Packet{Flow: rec.Flow, Len: p.Len, Arrival: rec.Time}); err != nil {
			return fmt.Errorf("record %d: %w", f.n, err)
		}
		if err := f.d.Decide(f.side, f.n, fateOf(&rec)); err != nil {
			return fmt.Errorf("record %d: %w", f.n, err)
		}
		f.n, f.last = f.n+1, rec.Time
	}
	return nil
}

// fateOf is what a record says became of its packet.
func fateOf(r *traces.Record) diff.Fate {
	f := diff.Fate{Outcome: diff.Delivered, Dequeued: r.Dequeued, End: r.Due}
	switch {
	case r.Verdict == traces.NoVerdict || r.Reason == pkt.Shutdown:
		return diff.Fate{}
	case r.Verdict == traces.MarkCE:
		f.Mark = r.Reason
	case r.Verdict != traces.Accept:
		f.Outcome, f.Reason = diff.Dropped, r.Reason
	}
	return f
}
