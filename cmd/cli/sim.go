package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/metric"
	"github.com/uqtool/uq/sim/report"
)

// simOptions are the flags of uq sim.
type simOptions struct {
	simulation
	export  simExport
	asserts assertions
	drawn   drawn
	json    bool
	events  bool
	list    bool
	help    string
	listed  int // flows in words; the report may have more
	// metrics lists what assertions can name.
	metrics bool
}

// jsonFlows is how many flows a JSON report lists unless told otherwise.
const jsonFlows = 256

func newSimCmd(s *streams) *cobra.Command {
	o := simOptions{simulation: simulation{setting: "--", air: &airing{}}}
	cmd := &cobra.Command{
		Use:   "sim [trace.zst|-]",
		Short: "Run a trace through schedulers in virtual time",
		Long: `Run a trace's packets through one or more schedulers and a link in
deterministic virtual time, and print what became of them side by side.

Without a trace an embedded one, recorded from real traffic, is used. Without
--qdisc pfifo is compared with fq_codel. Without --link the bottleneck that the
trace's header states is used.

` + eventsHelp,
		Example: `  uq sim
  uq sim t.zst --qdisc "fq_codel limit 1000 target 5ms" --qdisc "codel ecn"
  uq sim t.zst --link "rate 20mbit delay 10ms" --gso split --json
  uq sim t.zst --qdisc pfifo --events | grep drop
  uq sim t.zst --link "wifi ht20 sta 10.0.2.2 mcs15 sgi sta 10.0.2.3 mcs0" --qdisc pfifo --qdisc "mac80211 airtime"
  uq sim t.zst --html report.html --plot
  uq sim t.zst --assert "fq_codel.sojourn_p99 < pfifo.sojourn_p99 / 5"`,
		Args: operands(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.trace = args[0]
			}
			switch {
			case o.list:
				return runSimList(s, o.json)
			case cmd.Flags().Changed("qdisc-help"):
				return runQdiscHelp(s, o.help)
			case o.metrics:
				return runSimMetrics(s, o.json)
			}
			o.listed = o.flows
			if (o.json || o.drawn.html != "") && !cmd.Flags().Changed("flows") {
				o.flows = jsonFlows
			}
			return runSim(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.qdiscs, "qdisc", nil, `scheduler as tc writes it, "fq_codel target 5ms"; repeatable: `+kindNames(s.ports))
	f.BoolVar(&o.list, "list", false, "print every scheduler and link with its options, and do nothing else")
	f.StringVar(&o.help, "qdisc-help", "", "print one scheduler's options, and do nothing else")
	f.BoolVar(&o.metrics, "metrics", false, "print every metric that --assert can name, and do nothing else")
	o.asserts.flags(f)
	once(f, &o.link, "link", "", "link behind the scheduler: "+linkHelp)
	f.Uint64Var(&o.seed, "seed", 1, "key of the flow hash and of all randomness")
	f.StringVar(&o.gso, "gso", gsoQdisc, "super-packets: whole, as recorded, split into the packets on the wire, or as each qdisc does it in Linux")
	f.IntVar(&o.flows, "flows", 12, fmt.Sprintf("flows to list, the largest first (with --json or --html %d)", jsonFlows))
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage in the middle of the trace")
	f.BoolVar(&o.json, "json", false, "print the report, or with --events each event, as JSON on standard output")
	o.export.flag(f)
	f.BoolVar(&o.events, "events", false, "print every decision on standard output, the report on standard error")
	o.drawn.flags(f)
	o.air.flags(f)
	return cmd
}

func kindNames(ports egress.Maker) string { return strings.Join(ports.Qdiscs.Names(), ", ") }

// runSim checks the flags before it reads anything, then runs every qdisc.
func runSim(ctx context.Context, s *streams, o simOptions) error {
	if err := o.check(s.ports); err != nil {
		return err
	}
	files := &places{}
	s = files.guard(s)
	if err := o.export.watch(s, &o.simulation, files); err != nil {
		return err
	}
	defer o.export.discard()
	if err := o.asserts.check(&o.simulation, s.ports); err != nil {
		return err
	}
	o.watch = append(o.watch, o.asserts.watch)
	if err := o.drawn.check(o.json || o.events, files); err != nil {
		return err
	}
	if err := o.air.check(files, o.drawn.html != "" || o.drawn.svg != ""); err != nil {
		return err
	}
	if err := cmp.Or(files.trace(s, "the trace", o.trace), files.output(s.out)); err != nil {
		return err
	}
	if o.drawn.wanted() {
		o.watch = append(o.watch, o.drawn.watch)
	}
	var out *eventOutput
	if o.events {
		out = newEventOutput(s.out, o.json, o.qdiscs)
		o.watch = append(o.watch, func(i int, qdisc string) egress.Sink { return out.sink(i, qdisc) })
	}
	res, err := o.run(ctx, s)
	if ferr := out.flush(); ferr != nil {
		return fmt.Errorf("write events: %w", ferr)
	}
	if err != nil {
		return err
	}
	if err := o.export.finish(s); err != nil {
		return err
	}
	checked := o.asserts.results(&o.simulation, res)
	if err := writeReport(s, o, res.report, checked); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	annotate(s.err, onGitHub(os.Getenv), checked)
	if err := o.air.write(s, res.report); err != nil {
		return err
	}
	if err := o.drawn.write(ctx, s, &o.simulation, res); err != nil {
		return err
	}
	return errors.Join(verdict(checked), res.complete(o.salvage))
}

// writeReport prints it on standard output, or beside events on standard error,
// with how the assertions fared.
func writeReport(s *streams, o simOptions, r *report.Report, checked []metric.Result) error {
	out := s.out
	switch {
	case o.events, o.drawn.html == "-":
		out = s.err
	case o.json:
		return writeReportJSON(s.out, r, checked)
	}
	var b strings.Builder
	if err := r.WriteWords(&b, report.Words{Flows: o.listed}); err != nil {
		return err
	}
	if _, err := io.WriteString(out, printable(b.String(), "\n")); err != nil {
		return err
	}
	return writeResults(out, checked)
}
