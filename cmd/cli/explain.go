package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/explain"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// explainOptions are the flags of uq explain.
type explainOptions struct {
	simulation
	qdisc     string
	packets   []uint
	firstDrop bool
	firstMark bool
	worst     int
	flow      string
	show      explain.Words
	json      bool

	damage *traces.Damage // met in a pass
}

// mostExplained bounds how many packets one run explains.
const mostExplained = 1000

// widest is the longest line of a paragraph that reads well.
const widest = 110

// explained is what uq explain --json prints.
type explained struct {
	Format  int                    `json:"uq_format"`
	Trace   string                 `json:"trace"`
	Qdisc   string                 `json:"qdisc"`
	Link    string                 `json:"link"`
	Seed    uint64                 `json:"seed"`
	GSO     string                 `json:"gso"`
	Notes   []string               `json:"notes,omitempty"`
	Packets []*explain.Explanation `json:"packets"`
}

func newExplainCmd(s *streams) *cobra.Command {
	o := explainOptions{simulation: simulation{setting: "--", quiet: true}}
	cmd := &cobra.Command{
		Use:   "explain [trace.zst|-]",
		Short: "Say why a packet was dropped, marked or late",
		Long: `Run a trace through a scheduler and a link as uq sim does, and say why one of
its packets was dropped, marked or late: what was queued ahead of it, by flow, who
went first, what the link did meanwhile, what the scheduler knew at its arrival and
around the decision, and where its time went, to the nanosecond.

Without --qdisc the scheduler, link and seed of the trace's header are used if it
was recorded with one, else fq_codel.

Packets are numbered from 0, as uq trace cat --json and uq sim --events number
them; where a qdisc takes super-packets apart (--gso), their segments are.`,
		Example: `  uq explain t.zst --qdisc "pfifo limit 100" --first-drop
  uq explain live.zst --worst
  uq explain t.zst --packet 812 --json | jq '.packets[0].time'
  uq explain t.zst --flow 10.0.1.2:4000 --worst=3`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && o.worst != 0 {
				if err := worstOf(args[1]); err != nil {
					return err
				}
			}
			return operands(0, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.trace = args[0]
			}
			return runExplain(cmd.Context(), s, o, cmd.Flags().Changed)
		},
	}
	f := cmd.Flags()
	f.UintSliceVar(&o.packets, "packet", nil, "number of the packet, from 0; repeatable")
	f.BoolVar(&o.firstDrop, "first-drop", false, "the packet that is dropped first")
	f.BoolVar(&o.firstMark, "first-mark", false, "the packet that is marked first")
	f.IntVar(&o.worst, "worst", 0, "the packets that wait longest in the queue, so many: --worst=3")
	f.Lookup("worst").NoOptDefVal = "1"
	once(f, &o.flow, "flow", "", `look only at flows whose words contain this: "10.0.0.1:5000>"`)
	once(f, &o.qdisc, "qdisc", "", "scheduler as tc writes it")
	once(f, &o.link, "link", "", "link behind the scheduler: "+linkHelp)
	f.Uint64Var(&o.seed, "seed", 1, "key of the flow hash and of all randomness")
	f.StringVar(&o.gso, "gso", gsoQdisc, "super-packets: whole, split, or as the qdisc does it in Linux; whole for a trace's own scheduler")
	f.BoolVar(&o.salvage, "salvage", false, "go on after damage in the middle of the trace")
	f.IntVar(&o.show.Flows, "flows", 12, "flows to list")
	f.IntVar(&o.show.Spans, "spans", 8, "opportunities of the link to list, the last ones before the decision")
	f.BoolVar(&o.json, "json", false, "print JSON, with up to 256 flows and 1024 opportunities of each packet")
	return cmd
}

func runExplain(ctx context.Context, s *streams, o explainOptions, given func(string) bool) error {
	if err := o.checkChoice(); err != nil {
		return err
	}
	in, err := openInput(ctx, s, o.trace, true)
	if err != nil {
		return err
	}
	defer in.close()
	res, err := o.prepare(s, in, given)
	if err != nil {
		return err
	}
	ids, err := o.choose(ctx, s, in)
	if err != nil {
		return err
	}
	obs := explain.New(ids...)
	if err := o.pass(ctx, s, in, obs, obs); err != nil {
		return err
	}
	if res.Packets, err = obs.Explanations(); err != nil {
		return usageErrorf("%s: %w", in.name, err)
	}
	if err := o.write(s, res); err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	return (&simulated{name: in.name, damage: o.damage}).complete(o.salvage)
}

// checkChoice finds what is wrong with the packets asked for.
func (o *explainOptions) checkChoice() error {
	choices := 0
	for _, chosen := range []bool{len(o.packets) > 0, o.firstDrop, o.firstMark, o.worst != 0} {
		if chosen {
			choices++
		}
	}
	if choices != 1 {
		return usageErrorf("say which packet, in one way: --packet N, --first-drop, --first-mark or --worst")
	}
	if o.worst < 0 || o.worst > mostExplained || len(o.packets) > mostExplained {
		return usageErrorf("--worst %d, %d times --packet: want at most %d packets", o.worst, len(o.packets), mostExplained)
	}
	if o.flow != "" && len(o.packets) > 0 {
		return usageErrorf("--flow: --packet names the packet already: leave out one")
	}
	if o.show.Flows < 0 || o.show.Spans < 0 {
		return usageErrorf("--flows %d, --spans %d: want 0 or more", o.show.Flows, o.show.Spans)
	}
	if o.worst != 0 {
		return worstOf(o.trace)
	}
	return nil
}

// worstOf finds a number that was meant for --worst, whose value needs a =.
func worstOf(trace string) error {
	if _, err := strconv.Atoi(trace); err != nil {
		return nil
	}
	if _, err := os.Stat(trace); err == nil {
		return nil
	}
	return usageErrorf("no trace %s: if you mean the %s worst packets, write --worst=%s", trace, trace, trace)
}

// prepare decides what is simulated.
func (o *explainOptions) prepare(s *streams, in *input, given func(string) bool) (*explained, error) {
	tr, err := in.reader(o.salvage)
	if err != nil {
		return nil, err
	}
	h := tr.Header()
	tr.close()
	res := &explained{Format: report.Format, Trace: in.name}
	own := h.Scheduler
	switch {
	case o.qdisc != "":
	case own != nil:
		o.qdisc = own.Qdisc
		if !given("seed") {
			o.seed = own.Seed
		}
		if !given("gso") {
			o.gso = gsoWhole
		}
		if h.Anonymized != "" {
			res.Notes = append(res.Notes, "anonymized: the flow hashes are not those of the live run, nor need its decisions be")
		}
	default:
		o.qdisc = "fq_codel"
	}
	o.qdiscs = []string{o.qdisc}
	if err := o.check(s.ports); err != nil {
		return nil, err
	}
	if err := o.chooseLink(s.ports, in.name, h); err != nil {
		return nil, err
	}
	l, err := s.ports.Link(o.config(""))
	if err != nil {
		return nil, err
	}
	res.Qdisc, res.Link, res.Seed, res.GSO = o.qdisc, report.LinkLine(l), o.seed, o.gso
	return res, nil
}

// choose names the packets to explain, which may take a run of its own.
func (o *explainOptions) choose(ctx context.Context, s *streams, in *input) (ids []uint64, err error) {
	if len(o.packets) > 0 {
		for _, id := range o.packets {
			ids = append(ids, uint64(id))
		}
		return ids, nil
	}
	f := &explain.Finder{Flow: o.flow, Worst: o.worst}
	if err := o.pass(ctx, s, in, f, nil); err != nil {
		return nil, err
	}
	if !f.FlowFound() {
		return nil, usageErrorf("--flow %q: no flow of %s has that in its words: uq sim lists them", o.flow, in.name)
	}
	id, ok := uint64(0), false
	switch {
	case o.firstDrop:
		id, ok = f.FirstDrop()
	case o.firstMark:
		id, ok = f.FirstMark()
	default:
		if ids = f.Latest(); len(ids) > 0 {
			return ids, nil
		}
	}
	if !ok {
		return nil, usageErrorf("%s: %s has no such packet to explain: none was %s", in.name, o.qdisc, o.wanted())
	}
	return []uint64{id}, nil
}

func (o *explainOptions) wanted() string {
	switch {
	case o.firstDrop:
		return "dropped"
	case o.firstMark:
		return "marked"
	}
	return "sent"
}

// pass runs the trace once, to its end or as far as obs needs it.
func (o *explainOptions) pass(ctx context.Context, s *streams, in *input, sink egress.Sink, obs *explain.Observer) error {
	tr, err := in.reader(o.salvage)
	if err != nil {
		return err
	}
	defer tr.close()
	src, err := traces.NewSource(tr.Reader, traces.SourceOptions{Seed: o.seed, Split: o.gso == gsoSplit})
	if err != nil {
		return usageErrorf("%s: %w", in.name, err)
	}
	o.watch = []func(int, string) egress.Sink{func(int, string) egress.Sink { return sink }}
	lanes, _, err := o.lanes(s.ports, tr.Header())
	if err != nil {
		return err
	}
	var from sim.Source = &interruptible{ctx: ctx, src: src}
	if obs != nil {
		obs.Attach(lanes[0].Port)
		from = obs.Source(from)
	}
	if _, err = sim.RunAll(from, lanes); err != nil && !errors.As(err, &o.damage) {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	return nil
}

func (o *explainOptions) write(s *streams, r *explained) error {
	if o.json {
		return encodeJSON(s.out, r)
	}
	if _, err := fmt.Fprintf(s.out, "%s, gso %s, seed %d\nqdisc %s\nlink %s\n", printable(r.Trace, ""), r.GSO, r.Seed, printable(r.Qdisc, ""), r.Link); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(s.out, "note: %s\n", n)
	}
	if isTerminal(s.out) {
		o.show.Width = min(terminal(s.out, os.Getenv).Width, widest)
	}
	for _, x := range r.Packets {
		if _, err := io.WriteString(s.out, "\n"); err != nil {
			return err
		}
		if err := x.WriteWords(s.out, o.show); err != nil {
			return err
		}
	}
	return nil
}
