package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/replay/bench"
	"github.com/uqtool/uq/replay/netns"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// benchOptions are the flags of uq bench.
type benchOptions struct {
	rows, qdisc, peers string
	rounds             int
	duration           time.Duration
	quick, tools, json bool
}

// Defaults of uq bench: about 80 s, and 8 s with --quick. Many short rounds keep
// the two sides of a ratio close in time.
const (
	benchRounds, quickRounds     = 8, 1
	benchDuration, quickDuration = 200 * time.Millisecond, 150 * time.Millisecond
)

func newBenchCmd(s *streams) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench [flags]",
		Short: "Measure what queues in userspace cost on this machine",
		Long: `Measures round-trip times, TCP throughput and UDP packets a second through a
queue in userspace, in private namespaces and without any rights: the experiment
of June 2018, whose numbers stand beside. The rows are

  none    no queue
  c       a no-op in C over libnetfilter_queue, compiled on the spot where a
          compiler and the headers are there (make bench-peers)
  plain   a no-op in Go in go-nfqueue's callback
  uq      a no-op in Go over uq's batches
  record  uq record, its trace to /dev/null
  live    a scheduler (--qdisc) that decides live, at unlimited rate

each with GSO off and on. Rows take turns, and ratios are computed within a round.
Packets from client to server pass the queue, replies do not. Since the sender of
the UDP flood takes CPU from the program, there is also a burst: packets that
gathered while the program was halted. --duration is for each of the other three
measurements of a row; a round of all rows takes about 33 of them and 4 s.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBench(cmd, s, &o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.rows, "rows", "all", "rows to measure, separated by commas")
	f.StringVar(&o.qdisc, "qdisc", "fq_codel", "the scheduler of row live, as tc writes it")
	f.IntVar(&o.rounds, "rounds", benchRounds, "how often to measure each row")
	f.DurationVar(&o.duration, "duration", benchDuration, "time for each measurement")
	f.BoolVar(&o.quick, "quick", false, fmt.Sprintf("%d round of %s, for a first look", quickRounds, quickDuration))
	f.BoolVar(&o.tools, "tools", false, "measure with ping and iperf3 from PATH, too")
	f.StringVar(&o.peers, "peers", "", "directory with include and lib of libnetfilter_queue and libmnl (default: peers beside uq, else the system's)")
	f.BoolVar(&o.json, "json", false, "print JSON, with every sample")
	return cmd
}

// task makes what to measure of the flags, all but the C program.
func (o *benchOptions) task(s *streams, f *pflag.FlagSet) (*bench.Task, error) {
	t := &bench.Task{Rounds: o.rounds, Duration: o.duration, Qdisc: strings.TrimSpace(o.qdisc)}
	if o.quick && !f.Changed("rounds") {
		t.Rounds = quickRounds
	}
	if o.quick && !f.Changed("duration") {
		t.Duration = quickDuration
	}
	var err error
	if t.Rows, err = bench.ParseRows(o.rows); err != nil {
		return nil, usageErrorf("--rows: %w", err)
	}
	if err := t.Validate(); err != nil {
		return nil, usageErrorf("--%w", err)
	}
	if _, err := replay.NewPort(s.ports, traces.Scheduler{Qdisc: t.Qdisc, Link: "unlimited"}, nil, &pkt.Pool{}); err != nil {
		return nil, usageErrorf("--qdisc: %w", err)
	}
	if o.tools {
		if t.Tools, err = findTools(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// findTools looks for the user's ping and iperf3.
func findTools() (bench.Tools, error) {
	var t bench.Tools
	var missing []string
	for _, x := range []struct {
		name string
		path *string
	}{{"ping", &t.Ping}, {"iperf3", &t.Iperf}} {
		path, err := exec.LookPath(x.name)
		if err != nil {
			missing = append(missing, x.name)
		}
		*x.path = path
	}
	if len(missing) > 0 {
		return t, fmt.Errorf("--tools: %s not found in PATH: install it, or leave --tools out: uq measures without", strings.Join(missing, " and "))
	}
	return t, nil
}

// runBench measures and prints.
func runBench(cmd *cobra.Command, s *streams, o *benchOptions) error {
	t, err := o.task(s, cmd.Flags())
	if err != nil {
		return err
	}
	machine := bench.ThisMachine() // before the load is ours
	dir, err := os.MkdirTemp("", "uq-bench-*")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	absent := o.buildC(cmd.Context(), t, dir)
	if len(absent) > 0 && len(t.Rows) == 1 {
		return errors.New(absent[0].Why)
	}
	begin := time.Now()
	samples, interrupted, err := measure(cmd.Context(), s, t)
	r := bench.NewReport(t, samples)
	r.Command, r.Machine, r.Absent, r.Interrupted = commandLine(cmd), machine, absent, interrupted
	r.TookNs = int64(time.Since(begin))
	if len(samples) > 0 {
		if werr := writeBench(s, r, o.json); werr != nil {
			return errors.Join(err, werr)
		}
	}
	switch {
	case err != nil:
		return err
	case interrupted:
		return errInterrupted
	}
	return failedRows(samples)
}

// buildC compiles the C program, or says why its row is absent.
func (o *benchOptions) buildC(ctx context.Context, t *bench.Task, dir string) []bench.Absent {
	if !slices.Contains(t.Rows, bench.C) {
		return nil
	}
	peers := o.peers
	if self, err := os.Executable(); err == nil && peers == "" {
		peers = bench.PeersBeside(self)
	}
	var err error
	if t.CProgram, err = bench.BuildC(ctx, dir, peers); err != nil {
		return []bench.Absent{{Row: bench.C, Why: err.Error()}}
	}
	return nil
}

// measure runs the task and shows how far it is.
func measure(ctx context.Context, s *streams, t *bench.Task) (samples []bench.Sample, interrupted bool, err error) {
	payload, err := json.Marshal(t)
	if err != nil {
		return nil, false, err
	}
	show := func(string, ...any) {}
	if isTerminal(s.err) {
		show = func(format string, args ...any) { fmt.Fprintf(s.err, "\r\x1b[K"+format, args...) }
	}
	total := t.Cells()
	show("0 of %d", total)
	interrupted, err = bench.Run(ctx, t, payload, os.Stderr, func(x bench.Sample) {
		samples = append(samples, x)
		show("%d of %d: %s", len(samples), total, x.Row)
	})
	show("")
	return samples, interrupted, err
}

func writeBench(s *streams, r *bench.Report, asJSON bool) error {
	if !asJSON {
		return r.WriteWords(s.out)
	}
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// failedRows is an error where nothing was measured at all.
func failedRows(samples []bench.Sample) error {
	for _, x := range samples {
		if x.Err == "" {
			return nil
		}
	}
	if len(samples) == 0 {
		return errors.New("nothing was measured")
	}
	return fmt.Errorf("nothing was measured: %s", samples[0].Err)
}

// commandLine is the command with the flags that were given.
func commandLine(cmd *cobra.Command) string {
	w := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch v := f.Value.String(); {
		case f.Value.Type() == "bool" && v == "true":
			w = append(w, "--"+f.Name)
		case strings.ContainsAny(v, " \t\"'"):
			w = append(w, fmt.Sprintf("--%s %q", f.Name, v))
		default:
			w = append(w, "--"+f.Name+" "+v)
		}
	})
	return strings.Join(w, " ")
}

// benchRoles is what the processes of a benchmark's lab do.
func benchRoles(c netns.Config) (netns.Roles, error) {
	var t bench.Task
	if err := json.Unmarshal(c.Payload, &t); err != nil {
		return netns.Roles{}, fmt.Errorf("read the lab's task: %w", err)
	}
	return bench.Roles(&t), nil
}
