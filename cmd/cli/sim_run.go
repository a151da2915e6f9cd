package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/traces"
)

// simulation is a trace run through one or more qdiscs and a link: what uq sim
// does, and whatever else needs its results.
type simulation struct {
	trace  string   // "" for the embedded one, "-" for standard input
	qdiscs []string // none are pfifo and fq_codel
	link   string   // "" is the one that the trace's header states
	seed   uint64
	gso    string
	flows  int // to list in the report, the largest first
	// salvage goes on after damage in the middle of the trace.
	salvage bool

	// setting is what stands before the name of a setting in an error.
	setting string
	// watch makes what else follows the decisions of a qdisc, the lane-th; it
	// may answer nil.
	watch   []func(lane int, qdisc string) egress.Sink
	watched bool // something does
	// air, if not nil, draws the medium of an access point.
	air *airing
	// quiet shows no progress.
	quiet bool

	header traces.Header // the trace's, once that is open
}

// simulated is what came out of it.
type simulated struct {
	report *report.Report
	header traces.Header
	ports  []*egress.Port
	name   string         // of the trace, to people
	damage *traces.Damage // nil if the trace was whole
}

// config is the port in words, with one of the qdiscs.
func (c *simulation) config(qdisc string) egress.Config {
	return egress.Config{Qdisc: qdisc, Link: c.link, Seed: c.seed}
}

// check finds what is wrong with the settings before anything is read.
func (c *simulation) check(ports egress.Maker) error {
	if len(c.qdiscs) == 0 {
		c.qdiscs = []string{"pfifo", "fq_codel"}
	}
	for _, q := range c.qdiscs {
		if err := ports.CheckQdisc(q); err != nil {
			return usageErrorf("%sqdisc: %w", c.setting, err)
		}
	}
	if c.gso != gsoWhole && c.gso != gsoSplit && c.gso != gsoQdisc {
		return usageErrorf("%sgso %q: want whole, split or qdisc", c.setting, c.gso)
	}
	if c.flows < 0 {
		return usageErrorf("%sflows %d: want 0 or more", c.setting, c.flows)
	}
	return nil
}

// run reads the trace once and drives all qdiscs with it. What a damaged trace
// yielded before the damage is a result.
func (c *simulation) run(ctx context.Context, s *streams) (*simulated, error) {
	in, err := openInput(ctx, s, c.trace, false)
	if err != nil {
		return nil, err
	}
	defer in.close()
	tr, err := in.reader(c.salvage)
	if err != nil {
		return nil, err
	}
	defer tr.close()
	c.header = tr.Header()
	if err := c.chooseLink(s.ports, in.name, tr.Header()); err != nil {
		return nil, err
	}
	return c.simulate(ctx, s, in, tr)
}

// chooseLink takes the link from the trace's header unless one was named.
func (c *simulation) chooseLink(ports egress.Maker, name string, h traces.Header) error {
	stated := c.link == ""
	if stated {
		if c.link = headerLink(h); c.link == "" {
			return usageErrorf("%s states no bottleneck: say what link to simulate, for example %slink \"rate 20mbit\"", name, c.setting)
		}
	}
	switch _, err := ports.Link(c.config("")); {
	case err != nil && stated:
		return usageErrorf("%s was recorded with the link %q: %w: say another with %slink", name, c.link, err, c.setting)
	case err != nil:
		return usageErrorf("%slink: %w", c.setting, err)
	}
	return nil
}

// headerLink is the link a trace was recorded behind or scheduled with: its
// scheduler's, else the lab's bottleneck less its queue.
func headerLink(h traces.Header) string {
	if h.Scheduler != nil && h.Scheduler.Link != "" {
		return h.Scheduler.Link
	}
	if h.Scenario == nil {
		return ""
	}
	var keep []string
	words := strings.Fields(h.Scenario.Bottleneck)
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == "rate" || words[i] == "delay" {
			keep = append(keep, words[i], words[i+1])
		}
	}
	return strings.Join(keep, " ")
}

// What becomes of super-packets.
const (
	gsoWhole = "whole" // as recorded
	gsoSplit = "split" // the packets on the wire, for all qdiscs
	gsoQdisc = "qdisc" // split for those qdiscs that do it in Linux
)

// splits says whether a scheduler, or one inside it, takes super-packets apart
// before it queues them.
func splits(s sched.Scheduler) bool { return sched.Splits(s) }

// simGCPercent is by how much garbage may exceed what is in use.
const simGCPercent = 25

// simulate runs all qdiscs over the trace, which is read once.
func (c *simulation) simulate(ctx context.Context, s *streams, in *input, tr *openTrace) (*simulated, error) {
	// Little is allocated once the tables stand; collecting early keeps them from
	// being held twice.
	defer debug.SetGCPercent(debug.SetGCPercent(simGCPercent))
	if !c.quiet {
		status := newStatus(s.err, in.size)
		defer status.clear()
		tr.onRead = status.add
	}
	lanes, collectors, err := c.lanes(s.ports, tr.Header())
	if err != nil {
		return nil, err
	}
	src, err := traces.NewSource(tr.Reader, traces.SourceOptions{Seed: c.seed, Split: c.gso == gsoSplit, NoTransport: !c.looksAtTransport(s.ports.Qdiscs)})
	if err != nil {
		return nil, usageErrorf("%s: %w", in.name, err)
	}
	ahead := traces.NewPrefetch(src)
	defer ahead.Close()
	res := &simulated{header: tr.Header(), name: in.name}
	_, err = sim.RunAll(&interruptibleFiller{interruptible{ctx: ctx, src: ahead}, ahead}, lanes)
	if err != nil && !errors.As(err, &res.damage) {
		return nil, fmt.Errorf("%s: %w", in.name, err)
	}
	runs := make([]*report.Run, len(lanes))
	for i, l := range lanes {
		runs[i] = report.NewRun(l.Port, collectors[i], c.flows)
		runs[i].SplitGSO = l.Split || c.gso == gsoSplit
		res.ports = append(res.ports, l.Port)
	}
	c.air.hand(runs)
	res.report, err = c.report(s.ports, res, runs)
	return res, err
}

// lanes makes a port with its collector for every qdisc.
func (c *simulation) lanes(ports egress.Maker, h traces.Header) (lanes []sim.Lane, cs []*report.Collector, err error) {
	for i, q := range c.qdiscs {
		collector, pool := report.NewCollector(), &pkt.Pool{}
		var sink egress.Sink = collector
		for _, watch := range c.watch {
			if w := watch(i, q); w != nil {
				c.watched = true
				sink = egress.Tee(sink, w)
			}
		}
		port, err := ports.Port(c.config(q), sink, pool)
		if err != nil {
			return nil, nil, err
		}
		collector.WatchCell(port.Link())
		if err := c.air.watch(port); err != nil {
			return nil, nil, err
		}
		l := sim.Lane{Port: port, Pool: pool, Split: c.gso == gsoQdisc && splits(port.Scheduler())}
		if h.Capture != nil {
			l.MTU = uint32(min(max(h.Capture.SegmentMTU, 0), math.MaxUint16))
		}
		lanes, cs = append(lanes, l), append(cs, collector)
	}
	return lanes, cs, nil
}

// interruptible is a Source that ends when ctx does.
type interruptible struct {
	ctx context.Context
	src sim.Source
	n   uint
}

// Next implements sim.Source.
func (s *interruptible) Next(p *pkt.Packet) (bool, error) {
	if s.n++; s.n%4096 == 0 && s.ctx.Err() != nil {
		return false, s.ctx.Err()
	}
	return s.src.Next(p)
}

// Mind implements sim.Minder.
func (s *interruptible) Mind() error { return s.ctx.Err() }

// interruptibleFiller is an interruptible that gives several packets at once.
type interruptibleFiller struct {
	interruptible
	many sim.Filler
}

// Fill implements sim.Filler.
func (s *interruptibleFiller) Fill(ps []*pkt.Packet) (int, error) {
	if s.n++; s.n%64 == 0 && s.ctx.Err() != nil {
		return 0, s.ctx.Err()
	}
	return s.many.Fill(ps)
}

// report puts the runs side by side, with what must be said about them.
func (c *simulation) report(ports egress.Maker, res *simulated, runs []*report.Run) (*report.Report, error) {
	l, err := ports.Link(c.config(""))
	if err != nil {
		return nil, err
	}
	r := &report.Report{
		Format: report.Format, Trace: res.name, Loop: report.OpenLoop, GSO: c.gso, Seed: c.seed,
		Link: report.LinkLine(l), Runs: runs,
	}
	if c.gso == gsoQdisc {
		r.GSO = gsoWhole
		r.Notes = append(r.Notes, splitNotes(runs)...)
	}
	up := runs[0].WiFi != nil
	if up {
		r.Notes = append(r.Notes, runs[0].WiFi.Notes()...)
	}
	if h := res.header.Capture; h != nil && h.Direction == "both" && !up {
		r.Notes = append(r.Notes, "both directions were recorded: here they share one queue and one link")
	}
	if res.damage != nil {
		r.Notes = append(r.Notes, res.damage.Error())
	}
	return r, nil
}

// complete is nil if the whole trace was used, else the error that says which
// part was not.
func (r *simulated) complete(salvage bool) error {
	switch {
	case r.damage == nil:
		return nil
	case salvageable(r.damage) && !salvage:
		return damagedErrorf("%s: %w: --salvage goes on behind that", r.name, r.damage)
	}
	return damagedErrorf("%s: %w", r.name, r.damage)
}

// splitNotes tells of the qdiscs that took super-packets apart on their own.
func splitNotes(runs []*report.Run) []string {
	var kinds []string
	for _, r := range runs {
		if r.SplitGSO && !slices.Contains(kinds, r.Kind) {
			kinds = append(kinds, r.Kind)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	counts := " counts"
	if len(kinds) > 1 {
		counts = " count"
	}
	return []string{strings.Join(kinds, ", ") + " took super-packets apart, as in Linux, and" + counts + " their segments: --gso whole keeps them whole, --gso split does it for all"}
}
