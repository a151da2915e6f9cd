package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/replay"
	"github.com/uqtool/uq/sim/report"
	"github.com/uqtool/uq/traces"
)

// verifyReport is what uq verify --json prints.
type verifyReport struct {
	Format    int               `json:"uq_format"`
	Trace     string            `json:"trace"`
	Scheduler *traces.Scheduler `json:"scheduler"`
	replay.Verification
	Damage string `json:"damage,omitempty"`
}

func newVerifyCmd(s *streams) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "verify live.zst|-",
		Short: "Compute a live run's decisions again and compare",
		Long: `Compute every decision of a live run again, from the arrivals in its trace and
the scheduler, link and seed in its header, and compare kind, reason and times of
each and the digest of all.

Exits 0 when all agree, 3 at the first that does not, which it explains, and 4
when all agree in a trace that was cut: then up to its last arrival.`,
		Example: `  uq record -o live.zst --lab --qdisc fq_codel --link "rate 20mbit"
  uq verify live.zst`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), s, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON on standard output")
	return cmd
}

func runVerify(ctx context.Context, s *streams, path string, asJSON bool) error {
	in, err := openInput(ctx, s, path, false)
	if err != nil {
		return err
	}
	defer in.close()
	tr, err := in.reader(false)
	if err != nil {
		return err
	}
	defer tr.close()
	v, err := replay.Verify(tr.Reader)
	var damage *traces.Damage
	switch {
	case errors.Is(err, replay.ErrNotLive):
		return usageErrorf("%s: %w", in.name, err)
	case err != nil && !errors.As(err, &damage):
		return fmt.Errorf("verify %s: %w", in.name, err)
	}
	rep := verifyReport{Format: report.Format, Trace: in.name, Scheduler: tr.Header().Scheduler, Verification: v}
	if damage != nil {
		rep.Damage = damage.Error()
	}
	if err := writeVerify(s, rep, asJSON); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	switch {
	case v.Divergence != nil:
		return &exitError{exitAssert, fmt.Errorf("%s: first divergence at %w", in.name, v.Divergence)}
	case damage != nil:
		return damagedErrorf("%s: %w", in.name, damage)
	case !v.Complete:
		return damagedErrorf("%s: the end record has no digest of a live run: decisions agree, their order was not compared", in.name)
	}
	return nil
}

func writeVerify(s *streams, r verifyReport, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	what := "agree"
	if r.Divergence != nil {
		what = "compared, the last of which differs"
	}
	_, err := fmt.Fprintf(s.out, `%s: %s, link %s, seed %d
%d packets, %d decisions %s: %d delivered, %d marked, %d dropped; %d undecided at %v
digest %s
`, r.Trace, r.Scheduler.Qdisc, r.Scheduler.Link, r.Scheduler.Seed,
		r.Packets, r.Decisions, what, r.Delivered, r.Marked, r.Dropped, r.Undecided, r.Horizon, r.Digest)
	return err
}
