package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

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
	asJSON, d := false, drawn{}
	cmd := &cobra.Command{
		Use:   "verify live.zst|-",
		Short: "Compute a live run's decisions again and compare",
		Long: `Compute every decision of a live run again, from the arrivals in its trace and
the scheduler, link and seed in its header, and compare kind, reason and times of
each and the digest of all.

Exits 0 when all agree, 3 at the first that does not, which it explains, and 4
when all agree in a trace that was cut: then up to its last arrival. What the run
lost before it reached the scheduler is no decision: it is printed, by kind.

An anonymized trace is refused: the hashes of its flows are not those of the live
run.`,
		Example: `  uq record -o live.zst --lab --qdisc fq_codel --link "rate 20mbit"
  uq verify live.zst
  uq verify live.zst --html live.html`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.checkLive(asJSON, args[0]); err != nil {
				return err
			}
			err := runVerify(cmd.Context(), s, args[0], asJSON)
			if err == nil || isDamage(err) {
				err = errors.Join(err, d.live(cmd.Context(), s, args[0], "uq verify "+shellQuote(args[0])))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON on standard output")
	d.flags(cmd.Flags())
	return cmd
}

func runVerify(ctx context.Context, s *streams, path string, asJSON bool) error {
	in, err := startTrace(ctx, s, path, nil)
	if err != nil {
		return err
	}
	defer in.Close()
	if path == "-" {
		in.name = "standard input"
	}
	v, err := replay.Verify(in.Reader, s.ports)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, replay.ErrNotLive), errors.Is(err, replay.ErrAnonymized):
		return usageErrorf("%s: %w", in.name, err)
	case err != nil && !isDamage(err):
		return fmt.Errorf("verify %s: %w", in.name, err)
	}
	rep := verifyReport{Format: report.Format, Trace: in.name, Scheduler: in.Header().Scheduler, Verification: v}
	if err != nil {
		rep.Damage = err.Error()
	}
	if err := writeVerify(s, rep, asJSON); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	switch {
	case v.Divergence != nil:
		return &exitError{exitAssert, fmt.Errorf("%s: first divergence at %w", in.name, v.Divergence)}
	case err != nil:
		return damagedErrorf("%s: %w", in.name, err)
	case !v.Complete:
		return damagedErrorf("%s: the end record has no digest of a live run: decisions agree, their order was not compared", in.name)
	}
	return nil
}

func writeVerify(s *streams, r verifyReport, asJSON bool) error {
	if asJSON {
		return encodeJSON(s.out, r)
	}
	what := "agree"
	switch {
	case r.Divergence != nil && r.Digest != "":
		what = "compared, of which the digest differs"
	case r.Divergence != nil:
		what = "compared, the last of which differs: what follows was not"
	}
	w := &strings.Builder{}
	fmt.Fprintf(w, "%s: %s, link %s, seed %d\n", printable(r.Trace, ""), printable(r.Scheduler.Qdisc, ""), printable(r.Scheduler.Link, ""), r.Scheduler.Seed)
	fmt.Fprintf(w, "%d packets, %d decisions %s: %d delivered, %d marked, %d dropped; %d undecided at %v\n",
		r.Packets, r.Decisions, what, r.Delivered, r.Marked, r.Dropped, r.Undecided, r.Horizon)
	if r.Untold > 0 {
		fmt.Fprintf(w, "%d packets were held for so long that the trace has no verdict on them: only the digest at its end is proof\n", r.Untold)
	}
	if r.Copies > 0 || r.Corrupted > 0 {
		fmt.Fprintf(w, "%d copies made, %d packets corrupted\n", r.Copies, r.Corrupted)
	}
	if len(r.Losses) > 0 {
		fmt.Fprintf(w, "lost in the live run: %s\n", lossWords(r.Losses))
	}
	if r.Digest != "" {
		fmt.Fprintf(w, "digest %s\n", printable(r.Digest, ""))
	}
	_, err := io.WriteString(s.out, w.String())
	return err
}

// lossWords lists losses in the order of their kinds' names.
func lossWords(losses map[string]replay.Loss) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(losses)) {
		l := losses[kind]
		if l.Packets > 0 {
			words = append(words, fmt.Sprintf("%s %d in %d events", kind, l.Packets, l.Events))
		} else {
			words = append(words, fmt.Sprintf("%s unknown in %d events", kind, l.Events))
		}
	}
	return strings.Join(words, ", ")
}
