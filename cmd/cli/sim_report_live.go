package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// checkLive is check for a live run, whose trace is read to draw it.
func (d *drawn) checkLive(data bool, trace string) error {
	switch {
	case !d.wanted():
		return nil
	case trace == "" || trace == "-":
		return usageErrorf("--html, --svg and --plot draw what a trace's file holds: name one with -o FILE")
	case d.html == "-":
		return usageErrorf("--html -: standard output is for words here: name a file")
	}
	files := &places{}
	if err := d.check(data, files); err != nil {
		return err
	}
	return files.read("the trace", trace)
}

// live draws the run that a trace holds: its decisions are computed once more
// from its arrivals, and are the live ones if the digests agree, which the
// report says. command is the line that made the trace.
func (d *drawn) live(ctx context.Context, s *streams, trace, command string) error {
	if !d.wanted() {
		return nil
	}
	in, err := startTrace(ctx, s, trace, nil)
	if err != nil {
		return err
	}
	q := in.Header().Scheduler
	in.Close()
	if q == nil {
		return usageErrorf("%s has no scheduler in its header, so no live run to draw: simulate one with uq sim %s", trace, shellQuote(trace))
	}
	c := &simulation{
		trace: trace, qdiscs: []string{q.Qdisc}, link: q.Link, seed: q.Seed, gso: gsoWhole, flows: jsonFlows,
		quiet: true, setting: "the header's ", air: &airing{window: airWindow},
	}
	if err := cmp.Or(c.check(s.ports), c.air.check(nil, true)); err != nil {
		return err
	}
	c.watch = append(c.watch, d.watch)
	res, err := c.run(ctx, s)
	if err != nil {
		return err
	}
	facts, err := readTraceFacts(ctx, s, c)
	if err != nil {
		return fmt.Errorf("read the trace again: %w", err)
	}
	res.report.Loop = report.Live
	res.report.Notes = append(res.report.Notes, liveNote(facts, res.report.Runs[0].Digest)...)
	d.command = command
	return d.write(ctx, s, c, res)
}

// liveNote says whether a report is about the very decisions of the live run.
func liveNote(facts *traceFacts, digest string) []string {
	switch {
	case facts == nil || facts.end.Scheduled == nil:
		return []string{"the trace has no digest of its live run: these are the decisions that its arrivals lead to"}
	case facts.end.Scheduled.Digest == "":
		return []string{"the trace is anonymized: these are decisions about its arrivals, not those of the live run"}
	case facts.end.Scheduled.Digest != digest:
		return []string{fmt.Sprintf("these decisions are not all those of the live run, whose digest is %s: %d packets were undecided when it ended; uq verify compares them one by one",
			facts.end.Scheduled.Digest, facts.verdicts[traces.NoVerdict])}
	}
	return nil
}
