package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/corpus"
)

// simOptions are the flags of uq sim.
type simOptions struct {
	trace  string // "" for the embedded one, "-" for standard input
	qdiscs []string
	link   string
	seed   uint64
	gso    string
	flows  int
	json   bool
	events bool
	list   bool
	help   string
	// salvage goes on after damage in the middle of the trace.
	salvage bool
}

// jsonFlows is how many flows a JSON report lists unless told otherwise.
const jsonFlows = 256

func newSimCmd(s *streams) *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "sim [trace.zst|-]",
		Short: "Run a trace through schedulers in virtual time",
		Long: `Run a trace's packets through one or more schedulers and a link in
deterministic virtual time, and print what became of them side by side.

Without a trace an embedded one, recorded from real traffic, is used. Without
--qdisc pfifo is compared with fq_codel. Without --link the bottleneck that the
trace's header states is used.`,
		Example: `  uq sim
  uq sim t.zst --qdisc "fq_codel limit 1000 target 5ms" --qdisc "codel ecn"
  uq sim t.zst --link "rate 20mbit delay 10ms" --gso split --json
  uq sim t.zst --qdisc pfifo --events | grep drop`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.trace = args[0]
			}
			switch {
			case o.list:
				return runSimList(s, o.json)
			case o.help != "":
				return runQdiscHelp(s, o.help)
			}
			if o.json && !cmd.Flags().Changed("flows") {
				o.flows = jsonFlows
			}
			return runSim(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.qdiscs, "qdisc", nil, `scheduler as tc writes it, "fq_codel target 5ms"; repeatable: `+kindNames(s.ports))
	f.BoolVar(&o.list, "list", false, "print every scheduler and link with its options, and do nothing else")
	f.StringVar(&o.help, "qdisc-help", "", "print one scheduler's options, and do nothing else")
	f.StringVar(&o.link, "link", "", "link behind the scheduler: "+linkHelp)
	f.Uint64Var(&o.seed, "seed", 1, "key of the flow hash and of all randomness")
	f.StringVar(&o.gso, "gso", gsoQdisc, "super-packets: whole, as recorded, split into the packets on the wire, or as each qdisc does it in Linux")
	f.IntVar(&o.flows, "flows", 12, fmt.Sprintf("flows to list, the largest first (with --json %d)", jsonFlows))
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage in the middle of the trace")
	f.BoolVar(&o.json, "json", false, "print the report, or with --events each event, as JSON on standard output")
	f.BoolVar(&o.events, "events", false, "print every decision on standard output, the report on standard error")
	return cmd
}

func kindNames(ports egress.Maker) string { return strings.Join(ports.Qdiscs.Names(), ", ") }

// config is the port in words, with one of the qdiscs.
func (o *simOptions) config(qdisc string) egress.Config {
	return egress.Config{Qdisc: qdisc, Link: o.link, Seed: o.seed}
}

// runSim checks the flags before it reads anything, then runs every qdisc.
func runSim(ctx context.Context, s *streams, o simOptions) error {
	if len(o.qdiscs) == 0 {
		o.qdiscs = []string{"pfifo", "fq_codel"}
	}
	for _, q := range o.qdiscs {
		if err := s.ports.CheckQdisc(q); err != nil {
			return usageErrorf("--qdisc: %w", err)
		}
	}
	if o.gso != gsoWhole && o.gso != gsoSplit && o.gso != gsoQdisc {
		return usageErrorf("--gso %q: want whole, split or qdisc", o.gso)
	}
	if o.flows < 0 {
		return usageErrorf("--flows %d: want 0 or more", o.flows)
	}
	in, err := openInput(ctx, s, o.trace, false)
	if err != nil {
		return err
	}
	defer in.close()
	tr, err := in.reader(o.salvage)
	if err != nil {
		return err
	}
	defer tr.close()
	if o.link == "" {
		if o.link = headerLink(tr.Header()); o.link == "" {
			return usageErrorf("%s states no bottleneck: say what link to simulate, for example --link \"rate 20mbit\"", in.name)
		}
		if _, err := s.ports.Link(o.config("")); err != nil {
			return usageErrorf("%s was recorded with the link %q: %w: say another with --link", in.name, o.link, err)
		}
	}
	if _, err := s.ports.Link(o.config("")); err != nil {
		return usageErrorf("--link: %w", err)
	}
	return simulate(ctx, s, o, in, tr)
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
func simulate(ctx context.Context, s *streams, o simOptions, in *input, tr *openTrace) error {
	// Little is allocated once the tables stand; collecting early keeps them from
	// being held twice.
	defer debug.SetGCPercent(debug.SetGCPercent(simGCPercent))
	status := newStatus(s.err, in.size)
	defer status.clear()
	tr.onRead = status.add
	ahead := traces.NewPrefetch(tr.Reader, true)
	defer ahead.Close()
	src, err := traces.NewSource(ahead, traces.SourceOptions{Seed: o.seed, Split: o.gso == gsoSplit})
	if err != nil {
		return usageErrorf("%s: %w", in.name, err)
	}
	var out *eventOutput
	if o.events {
		out = newEventOutput(s.out, o.json, len(o.qdiscs) > 1)
	}
	lanes, collectors, err := o.lanes(s.ports, out, tr.Header())
	if err != nil {
		return err
	}
	_, err = sim.RunAll(&interruptible{ctx: ctx, src: src}, lanes)
	status.clear()
	if ferr := out.flush(); ferr != nil {
		return fmt.Errorf("write events: %w", ferr)
	}
	var damage *traces.Damage
	if err != nil && !errors.As(err, &damage) {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	runs := make([]*report.Run, len(lanes))
	for i, l := range lanes {
		runs[i] = report.NewRun(l.Port, collectors[i], o.flows)
		runs[i].SplitGSO = l.Split || o.gso == gsoSplit
	}
	return writeReport(s, o, in, tr.Header(), runs, damage)
}

// lanes makes a port with its collector for every qdisc.
func (o *simOptions) lanes(ports egress.Maker, out *eventOutput, h traces.Header) (lanes []sim.Lane, cs []*report.Collector, err error) {
	for _, q := range o.qdiscs {
		c, pool := report.NewCollector(), &pkt.Pool{}
		var sink egress.Sink = c
		if out != nil {
			sink = egress.Tee(c, out.sink(q))
		}
		port, err := ports.Port(o.config(q), sink, pool)
		if err != nil {
			return nil, nil, err
		}
		l := sim.Lane{Port: port, Pool: pool, Split: o.gso == gsoQdisc && splits(port.Scheduler())}
		if h.Capture != nil {
			l.MTU = uint32(min(max(h.Capture.SegmentMTU, 0), math.MaxUint16))
		}
		lanes, cs = append(lanes, l), append(cs, c)
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

func writeReport(s *streams, o simOptions, in *input, h traces.Header, runs []*report.Run, damage *traces.Damage) error {
	l, err := s.ports.Link(o.config(""))
	if err != nil {
		return err
	}
	r := &report.Report{
		Format: report.Format, Trace: in.name, Loop: report.OpenLoop, GSO: o.gso, Seed: o.seed,
		Link: report.LinkLine(l), Runs: runs,
	}
	if o.gso == gsoQdisc {
		r.GSO = gsoWhole
		r.Notes = append(r.Notes, splitNotes(runs)...)
	}
	if c := h.Capture; c != nil && c.Direction == "both" {
		r.Notes = append(r.Notes, "both directions were recorded: here they share one queue and one link")
	}
	if damage != nil {
		r.Notes = append(r.Notes, damage.Error())
	}
	out := s.out
	if o.events {
		out = s.err
	}
	if o.json && !o.events {
		err = r.WriteJSON(out)
	} else {
		err = r.WriteWords(out, report.Words{Flows: o.flows})
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	switch {
	case damage == nil:
		return nil
	case salvageable(damage) && !o.salvage:
		return damagedErrorf("%s: %w: --salvage goes on behind that", in.name, damage)
	}
	return damagedErrorf("%s: %w", in.name, damage)
}

// splitNotes tells of the qdiscs that took super-packets apart on their own.
func splitNotes(runs []*report.Run) (notes []string) {
	for _, r := range runs {
		if r.SplitGSO {
			notes = append(notes, r.Kind+" took super-packets apart, as in Linux, and counts their segments: --gso whole keeps them whole, --gso split does it for all")
		}
	}
	return notes
}

// input is a trace that can be opened, several times where that was asked for.
type input struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
	temp string // a copy of standard input
}

// openInput finds the trace. Standard input is copied to a temporary file when
// it must be read more than once.
func openInput(ctx context.Context, s *streams, path string, again bool) (*input, error) {
	switch {
	case path == "":
		data := corpus.Default()
		return &input{name: corpus.DefaultName + " (embedded)", size: int64(len(data)), open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(data)), nil
		}}, nil
	case path == "-" && again:
		return spool(s.in)
	}
	in := &input{name: path, open: func() (io.ReadCloser, error) { return openTraceInput(ctx, s, path) }}
	if path == "-" {
		in.name = "standard input"
	} else if st, err := os.Stat(path); err != nil {
		return nil, usageErrorf("open trace: %w", err)
	} else if st.Mode().IsRegular() {
		in.size = st.Size()
	}
	return in, nil
}

func spool(r io.Reader) (*input, error) {
	f, err := os.CreateTemp("", "uq-sim-*.zst")
	if err != nil {
		return nil, fmt.Errorf("copy standard input: %w", err)
	}
	defer f.Close()
	n, err := io.Copy(f, r)
	if err != nil {
		os.Remove(f.Name())
		return nil, fmt.Errorf("copy standard input: %w", err)
	}
	name := f.Name()
	return &input{name: "standard input", size: n, temp: name, open: func() (io.ReadCloser, error) { return os.Open(name) }}, nil
}

func (in *input) close() {
	if in.temp != "" {
		os.Remove(in.temp)
	}
}

// openTrace is a trace being read.
type openTrace struct {
	*traces.Reader
	file   io.ReadCloser
	onRead func(int)
}

// Read counts what passes, for the progress line.
func (t *openTrace) Read(p []byte) (int, error) {
	n, err := t.file.Read(p)
	if t.onRead != nil {
		t.onRead(n)
	}
	return n, err
}

func (in *input) reader(salvage bool) (*openTrace, error) {
	f, err := in.open()
	if err != nil {
		return nil, err
	}
	open := traces.NewReader
	if salvage {
		open = traces.Salvage
	}
	t := &openTrace{file: f}
	if t.Reader, err = open(t); err != nil {
		f.Close()
		return nil, traceError(in.name, err)
	}
	return t, nil
}

func (t *openTrace) close() { t.file.Close() }
