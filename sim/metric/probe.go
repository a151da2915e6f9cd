package metric

import (
	"slices"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
)

// Probe collects the events of the flows that assertions select, each selector's
// together. It is a Sink for one run.
type Probe struct {
	groups []group
}

type group struct {
	text  string // as in flow(...)
	match selector
	// known remembers what match said of a flow, by its ID.
	known []verdict
	c     *report.Collector
}

type verdict uint8

const (
	unseen verdict = iota
	apart
	within
)

// NewProbe returns a probe for the flows that the assertions name, or nil if
// they name none.
func NewProbe(as []*Assertion, names Flows) (*Probe, error) {
	p := &Probe{}
	for _, a := range as {
		for _, s := range a.selectors() {
			if slices.ContainsFunc(p.groups, func(g group) bool { return g.text == s.arg }) {
				continue
			}
			sel, err := names.selector(s.arg)
			if err != nil {
				return nil, a.wrap(err)
			}
			p.groups = append(p.groups, group{text: s.arg, match: sel, c: report.NewCollector()})
		}
	}
	if len(p.groups) == 0 {
		return nil, nil
	}
	return p, nil
}

// Event implements egress.Sink.
func (p *Probe) Event(e egress.Event) {
	for i := range p.groups {
		if g := &p.groups[i]; g.has(e.Packet.Flow) {
			g.c.Event(e)
		}
	}
}

func (g *group) has(f *pkt.Flow) bool {
	if f.ID >= report.MaxFlows {
		return g.match.match(&f.FlowKey) // no room to remember it, but it has its key
	}
	for int(f.ID) >= len(g.known) {
		g.known = append(g.known, unseen)
	}
	v := &g.known[f.ID]
	if *v == unseen {
		*v = apart
		if g.match.match(&f.FlowKey) {
			*v = within
		}
	}
	return *v == within
}

// run is what the flows of a selector went through, as a report's run.
func (p *Probe) run(text string, of *Lane) *report.Run {
	if p == nil {
		return nil
	}
	for i := range p.groups {
		if g := &p.groups[i]; g.text == text {
			r := report.NewRun(of.Port, g.c, 0)
			r.FlowCount = len(g.c.Flows())
			r.DurationUs = of.Run.DurationUs
			if r.Throughput = 0; r.DurationUs > 0 {
				r.Throughput = float64(r.DeliveredBytes) * 8e6 / r.DurationUs
			}
			return r
		}
	}
	return nil
}
