package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/inject"
	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// replayOptions are the flags of uq replay.
type replayOptions struct {
	trace    string
	live     bool
	qdisc    string
	link     string
	seed     uint64
	gso      string
	gsoAsked bool
	speed    string
	from, to time.Duration
	limit    uint64
	loops    int
	flows    int
	json     bool
	liveOnly liveOptions
	sel      inject.Selection // made of them
}

func newReplayCmd(s *streams) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay TRACE [--live] [flags]",
		Short: "Send a trace's packets through a scheduler again, simulated or live",
		Long: `Send a trace's packets through a scheduler and a link again, at the recorded
times.

Without --live that is a simulation, as uq sim runs it. With --live real packets
with the recorded sizes, flows and headers pass a real NFQUEUE in a throwaway
network of namespaces, are held, released, marked and dropped there, and are met
at the far end. Needs no root. The report accounts for every packet and says how
late the replay itself was; with -o the outcome is a trace that uq verify proves.`,
		Example: `  uq replay t.zst --qdisc fq_codel --link "rate 20mbit"
  uq replay t.zst --live --qdisc "fq_codel ecn" --link "rate 20mbit delay 10ms" -o live.zst
  uq replay t.zst --live --compare --speed 0.5 --to 10s --timer spin --cpu 0,1`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.trace, o.gsoAsked = args[0], cmd.Flags().Changed("gso")
			if !o.live {
				if err := refuse(cmd.Flags(), "needs --live", liveFlags); err != nil {
					return err
				}
			}
			return runReplay(cmd.Context(), s, &o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.live, "live", false, "send real packets through a real queue")
	f.StringVar(&o.qdisc, "qdisc", "", `scheduler as tc writes it, "fq_codel target 5ms" (default: the trace's own, else fq_codel): `+kindNames(s.ports))
	f.StringVar(&o.link, "link", "", "link behind the scheduler: "+linkHelp+" (default: what the trace states)")
	f.Uint64Var(&o.seed, "seed", 1, "key of the flow hash and of all randomness")
	f.StringVar(&o.gso, "gso", "whole", "super-packets: whole, as recorded, or split into the packets on the wire")
	f.StringVar(&o.speed, "speed", "1", "factor to replay faster or slower by, 0.001 to 1000")
	f.DurationVar(&o.from, "from", 0, "leave out what was recorded before this time of the trace")
	f.DurationVar(&o.to, "to", 0, "leave out what was recorded from this time on (0: the end)")
	f.Uint64Var(&o.limit, "limit", 0, "take at most so many packets from the trace (0: no limit)")
	f.IntVar(&o.loops, "loop", 1, fmt.Sprintf("send them so many times, up to %d", inject.MaxLoops))
	f.IntVar(&o.flows, "flows", 12, "flows to print, the largest first")
	f.BoolVar(&o.json, "json", false, "print the report as JSON on standard output")
	o.liveOnly.flags(f)
	return cmd
}

// validate makes the selection and checks the words for scheduler and link.
func (o *replayOptions) validate(ports egress.Maker) error {
	speed, err := inject.ParseSpeed(o.speed)
	switch {
	case err != nil:
		return usageErrorf("--speed: %w", err)
	case o.gso != "whole" && o.gso != "split":
		return usageErrorf("--gso %q: want whole or split", o.gso)
	case o.loops < 1 || o.loops > inject.MaxLoops:
		return usageErrorf("--loop %d: want 1 to %d", o.loops, inject.MaxLoops)
	case o.from < 0 || o.to < 0 || o.to != 0 && o.to <= o.from:
		return usageErrorf("--from %s --to %s: want 0 or more, and the end after the beginning", o.from, o.to)
	case o.flows < 0:
		return usageErrorf("--flows %d: want 0 or more", o.flows)
	}
	if o.qdisc != "" {
		if err := ports.CheckQdisc(o.qdisc); err != nil {
			return usageErrorf("--qdisc: %w", err)
		}
	}
	if o.link != "" {
		if _, err := ports.Link(o.config()); err != nil {
			return usageErrorf("--link: %w", err)
		}
	}
	o.sel = inject.Selection{From: pkt.Time(o.from), To: pkt.Time(o.to), Limit: o.limit, Loops: o.loops, Speed: speed, Split: o.gso == "split"}
	if err := o.liveOnly.validate(); err != nil {
		return err
	}
	return o.liveOnly.drawn.checkLive(o.json, o.liveOnly.output)
}

// complete takes from the trace's header what the flags leave open.
func (o *replayOptions) complete(name string, h traces.Header) error {
	if o.qdisc == "" {
		o.qdisc = "fq_codel"
		if h.Scheduler != nil {
			o.qdisc = h.Scheduler.Qdisc
		}
	}
	if o.link == "" {
		if o.link = headerLink(h); o.link == "" {
			return usageErrorf("%s states no bottleneck: say what link to replay over, for example --link \"rate 20mbit\"", name)
		}
	}
	return nil
}

// config is the port in words.
func (o *replayOptions) config() egress.Config {
	return egress.Config{Qdisc: o.qdisc, Link: o.link, Seed: o.seed}
}

// scheduler is the configuration for headers.
func (o *replayOptions) scheduler() traces.Scheduler {
	return traces.Scheduler{Qdisc: o.qdisc, Link: o.link, Seed: o.seed, GSO: o.gso}
}

// replayReport is what uq replay --json prints.
type replayReport struct {
	Format  int    `json:"uq_format"`
	Command string `json:"command"`
	Trace   string `json:"trace"`
	// Mode is "live", "simulated" or "device NAME".
	Mode   string   `json:"mode"`
	Loop   string   `json:"loop"`
	GSO    string   `json:"gso"`
	Seed   uint64   `json:"seed"`
	Speed  string   `json:"speed"`
	Link   string   `json:"link,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	Output string   `json:"output,omitempty"`
	*inject.Report
}

// report is the report's head.
func (o *replayOptions) report(trace string) *replayReport {
	return &replayReport{
		Format: report.Format, Command: "replay", Trace: trace, Mode: "simulated", Loop: report.OpenLoop,
		GSO: o.gso, Seed: o.seed, Speed: o.sel.Speed.String(),
	}
}

// runReplay checks the flags before it reads anything.
func runReplay(ctx context.Context, s *streams, o *replayOptions) error {
	if err := o.validate(s.ports); err != nil {
		return err
	}
	in, err := openReplayInput(ctx, s, o.trace)
	if err != nil {
		return err
	}
	defer in.close()
	head, err := in.reader(false)
	if err != nil {
		return err
	}
	h := head.Header()
	head.close()
	if o.liveOnly.dev != "" {
		rep := o.report(in.name)
		return replayOnDevice(ctx, s, o, in, rep)
	}
	if err := o.complete(in.name, h); err != nil {
		return err
	}
	l, err := s.ports.Link(o.config())
	if err != nil {
		return usageErrorf("--link: %w", err)
	}
	rep := o.report(in.name)
	rep.Link = report.LinkLine(l)
	if o.live {
		if err := o.takeWhole(l, rep); err != nil {
			return err
		}
		o.link = link.Pin(o.link, l)
		rep.Mode, rep.Output = "live", o.liveOnly.output
		return replayLive(ctx, s, o, in, rep)
	}
	return replaySimulated(ctx, s, o, in, rep)
}

// nothingSelected is said where not one packet was sent.
const nothingSelected = "no packet was sent: the trace has none between --from and --to"

// replaySimulated runs the selection in virtual time.
func replaySimulated(ctx context.Context, s *streams, o *replayOptions, in *input, rep *replayReport) error {
	var last *openTrace
	defer func() {
		if last != nil {
			last.close()
		}
	}()
	feed, err := inject.NewFeed(func() (*traces.Reader, error) {
		tr, err := in.reader(false)
		if err != nil {
			return nil, err
		}
		if last != nil {
			last.close()
		}
		last = tr
		return tr.Reader, nil
	}, o.sel)
	if err != nil {
		return err
	}
	c, pool := report.NewCollector(), &pkt.Pool{}
	port, err := replay.NewPort(s.ports, o.scheduler(), c, pool)
	if err != nil {
		return err
	}
	c.WatchCell(port.Link())
	_, err = sim.Run(&interruptible{ctx: ctx, src: &inject.SimSource{Feed: feed, Seed: o.seed}}, port, pool)
	var damage *traces.Damage
	if err != nil && !errors.As(err, &damage) {
		return err
	}
	if damage != nil {
		rep.Notes = append(rep.Notes, damage.Error())
		err = damagedErrorf("%s: %w", in.name, damage)
	}
	rep.Report = &inject.Report{Run: report.NewRun(port, c, replay.DefaultFlows)}
	if rep.Run.ArrivedPackets == 0 {
		rep.Notes = append(rep.Notes, nothingSelected)
	}
	return errors.Join(writeReplay(s, o, rep), err)
}

// writeReplay prints the report.
func writeReplay(s *streams, o *replayOptions, rep *replayReport) error {
	write := writeReplayWords
	if o.json {
		write = func(w io.Writer, rep *replayReport, _ int) error { return encodeJSON(w, rep) }
	}
	if err := write(s.out, rep, o.flows); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
