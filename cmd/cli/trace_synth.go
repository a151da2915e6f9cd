package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// traceSynthOptions are the flags of uq trace synth.
type traceSynthOptions struct {
	packets uint64
	seed    uint64
	kind    string
	out     traceDestination
}

func newTraceSynthCmd(s *streams) *cobra.Command {
	var o traceSynthOptions
	cmd := &cobra.Command{
		Use:   "synth -o TRACE",
		Short: "Make a trace of made-up traffic",
		Long: `Make a trace of made-up traffic, for tests and demonstrations. The same kind
and seed give the same packets everywhere.

  mix       elephants and their ACKs, VoIP, web-like transfers, pings
  mix-fifo  the same through a FIFO and a 40 Mbit/s link
  cbr       UDP at 1.2 times the rate of a 20 Mbit/s link with a FIFO
  flows     20000 UDP flows in random order`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceSynth(cmd.Context(), s, o)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.packets, "packets", 100000, "how many packets")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the random numbers")
	f.StringVar(&o.kind, "kind", synth.Mix, strings.Join(synth.Kinds(), ", "))
	o.out.flags(cmd)
	return cmd
}

func runTraceSynth(ctx context.Context, s *streams, o traceSynthOptions) error {
	g, err := synth.New(o.kind, o.seed)
	if err != nil {
		return usageErrorf("--kind: %w", err)
	}
	return writeTrace(s, o.out, g.Header(), func(t *traces.Writer) error {
		var r traces.Record
		last := pkt.Time(0)
		for i := range o.packets {
			if i%traces.DefaultBlockRecords == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			g.Next(&r)
			if err := t.Append(&r); err != nil {
				return err
			}
			last = r.Time
		}
		return t.Close(traces.End{Clean: true, DurationNs: int64(last)})
	})
}
