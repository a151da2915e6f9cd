package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// recordOptions are the flags of uq record.
type recordOptions struct {
	output   string
	duration time.Duration
	json     bool
	metrics  string
	gso      string
	set      recordSettings
	queues   queuesOptions
	sched    schedOptions
	lab      labOptions
	host     hostOptions
	drawn    drawn
	command  []string
}

// recordSettings is how to record, wherever the queue is. It travels to the
// lab's router as JSON.
type recordSettings struct {
	Output    string `json:"output"` // as the user named it
	CopyRange int    `json:"copy_range"`
	MaxLen    int    `json:"maxlen"`
	GSO       bool   `json:"gso"`
	FailOpen  bool   `json:"fail_open"`
	RcvBuf    int    `json:"rcvbuf"`
	Packets   uint64 `json:"packets"`
	Comment   string `json:"comment"`
	serving
	// Status shows progress on standard error, if that is a terminal.
	Status bool `json:"status"`
	// ports makes the scheduler; each process has its own.
	ports egress.Maker
	// Scheduler, if set, decides about the packets; else all pass at once.
	Scheduler *traces.Scheduler `json:"scheduler,omitempty"`
	// Timer is how a scheduler's loop waits.
	Timer replay.Timer `json:"timer,omitempty"`
	// Warnings are remarks for the user and for the trace.
	Warnings []string `json:"warnings,omitempty"`
}

// recordReport is what uq record --json prints.
type recordReport struct {
	Format  int    `json:"uq_format"`
	Command string `json:"command"`
	Output  string `json:"output"`
	recorded
	// Lab is how the lab ended, where there was one.
	Lab *netns.Result `json:"lab,omitempty"`

	failOpen  bool
	maxLen    int
	scheduler *traces.Scheduler
	nothing   string // said where no packet came
}

// recorded is the outcome of serving a queue.
type recorded struct {
	Record record.Summary `json:"record"`
	// Live is set when a scheduler decided.
	Live *replay.Result `json:"live,omitempty"`
}

// maxMaxLen is the most packets that --maxlen may ask for.
const maxMaxLen = 1 << 30

func newRecordCmd(s *streams) *cobra.Command {
	o := recordOptions{set: recordSettings{ports: s.ports}}
	cmd := &cobra.Command{
		Use:   "record -o trace.zst [--lab | --hook HOOK | --queue N] [flags] [-- COMMAND...]",
		Short: "Record the packets of an NFQUEUE",
		Long: `Record every packet that passes an NFQUEUE, and let it pass at once. Only
headers are kept.

  --lab        in a throwaway network of namespaces, with a bottleneck behind the
               queue, what COMMAND or built-in traffic sends: needs no root
  --hook HOOK  on this host, with a rule that uq installs and takes away again
  --queue N    on this host, whatever a rule of yours sends to queue N

With --qdisc the packets are scheduled for real: held, dropped and marked by that
scheduler, released as fast as --link carries them. Arrivals and decisions are
recorded, and uq verify computes them again.

Ctrl-C ends a recording in good order, which is its normal end: exit code 0. The
end of any program with rules of its own, uq's among them, has the kernel drop
what other queues of this network namespace hold just then. Where the disk is too slow or full,
records are lost, never packets, and the trace says how many.`,
		Example: `  uq record -o t.zst --lab
  uq record -o t.zst --lab --bottleneck "rate 20mbit delay 20ms limit 200" -- iperf3 -c 10.0.2.2
  uq record -o t.zst --hook output --dev eth0 --proto tcp --port 443 --duration 1m
  uq record -o live.zst --lab --qdisc fq_codel --link "rate 20mbit"
  uq record -o - --queue 5 | ssh box 'cat > t.zst'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			return runRecord(cmd.Context(), s, o, cmd.Flags())
		},
	}
	f := cmd.Flags()
	once(f, &o.output, "output", "o", "trace to write, replacing what is there; - for standard output")
	f.DurationVar(&o.duration, "duration", 0, "end after this time (default 10s for built-in traffic, else none)")
	f.Uint64Var(&o.set.Packets, "packets", 0, "end after so many packets (0: no limit)")
	f.StringVar(&o.set.Comment, "comment", "", "remark to keep in the trace")
	f.IntVar(&o.set.CopyRange, "copy-range", nfq.DefaultCopyRange, fmt.Sprintf("bytes of each packet to see, 1 to %d; longer headers are cut", nfq.MaxCopyRange))
	f.StringVar(&o.gso, "gso", "on", "on: take super-packets whole; off: let the kernel segment them first")
	f.IntVar(&o.set.MaxLen, "maxlen", nfq.DefaultMaxLen, "the kernel queue's limit in packets; --qdisc raises the default above its own")
	f.IntVar(&o.set.RcvBuf, "rcvbuf", nfq.DefaultRcvBuf, "socket receive buffer to ask for, in bytes")
	f.BoolVar(&o.set.FailOpen, "fail-open", false, "let packets that do not fit the queue pass unseen instead of dropping them")
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics at PORT of the loopback, or HOST:PORT, while it records")
	f.BoolVar(&o.json, "json", false, "print a summary as JSON on standard output")
	o.queues.flags(f)
	o.sched.flags(f, s.ports)
	o.lab.flags(f)
	o.host.flags(f)
	o.drawn.flags(f)
	return cmd
}

// runRecord checks the flags before it touches anything.
func runRecord(ctx context.Context, s *streams, o recordOptions, f *pflag.FlagSet) error {
	if err := o.validate(f); err != nil {
		return err
	}
	keepPipes()
	served, err := listenMetrics(o.metrics, s.err)
	if err != nil {
		return err
	}
	defer served.Close() // nil is fine
	out, err := openOutput(ctx, o.output)
	if err != nil {
		return err
	}
	for _, text := range o.set.Warnings {
		fmt.Fprintln(s.err, "warning:", text)
	}
	o.set.Output = outputName(o.output)
	o.set.Status = len(o.command) == 0 // a command has the terminal for itself
	rep := recordReport{Format: report.Format, Command: "record", Output: o.output, failOpen: o.set.FailOpen, maxLen: o.set.MaxLen, scheduler: o.set.Scheduler, nothing: o.host.nothing()}
	if o.lab.on {
		err = recordInLab(ctx, o, out.File, served, &rep)
	} else {
		err = recordOnHost(ctx, o, out.File, served, &rep)
	}
	err = errors.Join(err, out.close())
	if rep.Record.Why == "" {
		return err // it never began
	}
	writeRecordSummary(s.err, rep)
	if o.json {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		err = errors.Join(err, enc.Encode(rep))
	}
	if err != nil {
		return err
	}
	return o.drawn.live(ctx, s, o.output, "uq record -o "+shellQuote(o.output))
}

func (o *recordOptions) validate(f *pflag.FlagSet) error {
	switch {
	case o.output == "":
		return usageErrorf("say where to write the trace: -o FILE, or -o - for standard output")
	case o.output == "-" && o.json:
		return usageErrorf("-o - and --json both want standard output: write the trace to a file")
	case o.gso != "on" && o.gso != "off":
		return usageErrorf("--gso %q: want on or off", o.gso)
	case o.duration < 0:
		return usageErrorf("--duration %s: want more than 0", o.duration)
	case o.set.CopyRange < 1 || o.set.CopyRange > nfq.MaxCopyRange:
		return usageErrorf("--copy-range %d: want 1 to %d bytes", o.set.CopyRange, nfq.MaxCopyRange)
	case o.set.MaxLen < 1 || o.set.MaxLen > maxMaxLen:
		return usageErrorf("--maxlen %d: want 1 to %d packets", o.set.MaxLen, maxMaxLen)
	case o.set.RcvBuf < 1 || o.set.RcvBuf > 1<<30:
		return usageErrorf("--rcvbuf %d: want 1 to %d bytes", o.set.RcvBuf, 1<<30)
	}
	o.set.GSO = o.gso == "on"
	if err := o.queues.validate(&o.set, o.host.queue, o.lab.on || o.host.hook != ""); err != nil {
		return err
	}
	if err := o.sched.validate(o, f); err != nil {
		return err
	}
	if err := o.drawn.checkLive(o.json, o.output); err != nil {
		return err
	}
	if o.lab.on {
		if err := refuse(f, "does not go with --lab", hostFlags); err != nil {
			return err
		}
		return o.lab.validate(o)
	}
	if err := refuse(f, "needs --lab", labFlags); err != nil {
		return err
	}
	if len(o.command) > 0 {
		return usageErrorf("a command to run needs --lab")
	}
	return o.host.validate(f)
}

// findCommand finds a mistyped command before anything is done for it. No
// command is none.
func findCommand(what string, argv []string) error {
	if len(argv) == 0 {
		return nil
	}
	_, err := exec.LookPath(argv[0])
	if ee := (*exec.Error)(nil); errors.As(err, &ee) {
		err = ee.Err
	}
	switch {
	case errors.Is(err, exec.ErrDot):
		return usageErrorf("%s: %s lies in this directory, not in $PATH: write ./%s", what, argv[0], argv[0])
	case err != nil:
		return usageErrorf("%s: %s: %w", what, argv[0], err)
	}
	if err := startable(argv); err != nil {
		return usageErrorf("%s: %s: %w: is its interpreter or loader there, and is it for this machine?", what, argv[0], err)
	}
	return nil
}

// refuse names the first flag of names that was given.
func refuse(f *pflag.FlagSet, why string, names []string) error {
	for _, n := range names {
		if f.Changed(n) {
			return usageErrorf("--%s %s", n, why)
		}
	}
	return nil
}

// surroundings is what a recording's header tells of the place, and how it is
// told that the queue is bound.
type surroundings struct {
	queue    uint16
	mode     string // "lab" or "host"
	rule     string
	dir      string
	mtu      int
	scenario *traces.Scenario
	ready    func() error
	// fed is how many packets the rule has sent to the queue; nil without one.
	fed func() (uint64, error)
	// metrics is a listening socket to serve metrics on, or nil.
	metrics *os.File
}

// witness tells of losses beside the queue. A rule counts super-packets whole,
// whether the kernel segments them or not.
func (in *surroundings) witness(set recordSettings) record.Witness {
	return record.Witness{
		KernelState: func() (nfq.KernelState, error) { return nfq.ReadKernelStates(in.queue, set.Queues) },
		Fed:         in.fed, Segmented: !set.GSO,
		FailOpen: set.FailOpen,
	}
}

// recordQueue binds the queue and records to out until ctx ends. Only once the
// queue is bound and its loop can run is out emptied.
func recordQueue(ctx context.Context, set recordSettings, in surroundings, out *os.File) (rec recorded, err error) {
	qs, err := openQueues(nfq.Config{
		Queue: in.queue, CopyRange: set.CopyRange, MaxLen: set.MaxLen,
		GSO: set.GSO, FailOpen: set.FailOpen, RcvBuf: set.RcvBuf, BusyPoll: set.BusyPoll,
	}, set.Queues, set.Scheduler != nil)
	if err != nil {
		return rec, err
	}
	defer func() { err = errors.Join(nameOutput(err, set.Output), qs.close()) }()
	mon, err := newMonitor(set, in)
	if err != nil {
		return rec, err
	}
	defer func() { err = errors.Join(err, mon.close()) }()
	clock := record.StartClock()
	run, err := prepareLoop(qs, clock, set, in, mon)
	if err != nil {
		return rec, err
	}
	if err := empty(out); err != nil {
		return rec, err
	}
	w, err := traces.NewWriter(patient(ctx, out), set.header(clock, in, qs[0].RcvBuf()), traces.WriterOptions{})
	if err != nil {
		return rec, err
	}
	for _, text := range set.Warnings {
		if err := w.Event(traces.Event{Time: clock.Now(), Kind: traces.Note, Text: text}); err != nil {
			return rec, err
		}
	}
	if err := in.ready(); err != nil {
		return rec, err
	}
	return run(ctx, w)
}

// header is the trace's.
func (set *recordSettings) header(clock record.Clock, in surroundings, rcvbuf int) traces.Header {
	h := record.NewHeader(clock, traces.Capture{
		Queue: in.queue, Mode: in.mode, Rule: in.rule, CopyRange: set.CopyRange, MaxLen: set.MaxLen,
		GSO: set.GSO, FailOpen: set.FailOpen, RcvBuf: rcvbuf, SegmentMTU: in.mtu, Direction: in.dir,
	})
	if set.Queues > 1 {
		h.Capture.Queues = set.Queues
	}
	h.Tool, h.Comment, h.Scenario, h.Scheduler = toolName(), set.Comment, in.scenario, set.Scheduler
	return h
}

// prepareLoop does whatever can fail before the loop runs, and returns the loop.
func prepareLoop(qs bound, clock record.Clock, set recordSettings, in surroundings, mon *monitor) (func(context.Context, *traces.Writer) (recorded, error), error) {
	if set.Scheduler != nil {
		if err := set.Thread.Try(1); err != nil {
			return nil, err
		}
		l, err := replay.NewLive(qs[0], replay.LiveOptions{
			Clock: clock, Ports: set.ports, Scheduler: *set.Scheduler, LinkHeader: record.LinkHeader, MTU: in.mtu,
			CEMark: ceMark, Timer: set.Timer, Packets: set.Packets, Progress: mon.show, Meter: mon.meter(), Witness: in.witness(set),
			Thread: func() error { return set.Thread.Tune(0) },
		})
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, w *traces.Writer) (recorded, error) { return scheduleQueue(ctx, l, w, clock) }, nil
	}
	if err := set.Thread.Try(len(qs)); err != nil {
		return nil, err
	}
	all := make([]record.Queue, len(qs))
	for i, q := range qs {
		all[i] = q
	}
	return func(ctx context.Context, w *traces.Writer) (rec recorded, err error) {
		rec.Record, err = record.RunAll(ctx, all, w, record.Options{
			Clock: clock, CopyRange: set.CopyRange, MTU: in.mtu, Packets: set.Packets, Progress: mon.show, Meter: mon.meter(),
			Witness: in.witness(set), Thread: set.Thread.Tune,
		})
		return rec, err
	}, nil
}

// nameOutput gives an error of the trace's file the name that the user knows
// it by, and the way out.
func nameOutput(err error, name string) error {
	if we := (*record.WriteError)(nil); errors.As(err, &we) {
		we.Name = name
		return err
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return fmt.Errorf("write %s: %w: %s", name, pe.Err, record.WayOut(pe.Err))
	}
	return err
}

// toolName is the program and its version, for headers.
func toolName() string {
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return "uq " + bi.Main.Version
	}
	return "uq"
}
