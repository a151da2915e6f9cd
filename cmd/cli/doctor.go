package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/replay/doctor"
	"github.com/uqtool/uq/replay/netns"
)

// doctorOptions are the flags of uq doctor.
type doctorOptions struct {
	doctor.Options
	json bool
}

func newDoctorCmd(s *streams) *cobra.Command {
	o := doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor [--quick] [--json]",
		Short: "Say what this machine can do, and how to get the rest",
		Long: `Try what live recording and replay need: namespaces, queues, rules, links, clocks
and timers. Every probe has a process of its own and makes what it makes in a
network namespace of its own: nothing changes on this host and nothing is left
behind. It takes a few seconds, 10 at most.

Exit code 0 says that all that is needed for uq record --lab and uq replay --live
works, 1 that something is missing. uq sim, uq verify and uq trace need none of
it.`,
		Example: `  uq doctor
  sudo uq doctor --quick
  uq doctor --json | jq '.checks[] | select(.state != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDoctor(cmd.Context(), s, o)
		},
	}
	cmd.Flags().BoolVar(&o.Quick, "quick", false, "measure nothing: no times, no rates")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runDoctor(ctx context.Context, s *streams, o doctorOptions) error {
	if isTerminal(s.err) {
		o.Progress = func(probe string) { fmt.Fprintf(s.err, "\r\x1b[Ktrying %s", probe) }
	}
	facts, err := doctor.Gather(ctx, o.Options)
	if o.Progress != nil {
		fmt.Fprint(s.err, "\r\x1b[K")
	}
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	r := doctor.Judge(facts)
	if err := writeDoctor(s.out, r, o.json); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if lacking := r.Lacking(); len(lacking) > 0 {
		return fmt.Errorf("doctor: a live run needs what does not work here: %s", strings.Join(lacking, ", "))
	}
	return nil
}

func writeDoctor(w io.Writer, r *doctor.Report, asJSON bool) error {
	if asJSON {
		return encodeJSON(w, r)
	}
	var b strings.Builder
	if err := r.Words(&b); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable(b.String(), "\n"))
	return err
}

// seeDoctor points at uq doctor where err may be for want of what it looks for:
// a queue that this user or kernel cannot have, or a lab on a machine that
// cannot have any.
func seeDoctor(ctx context.Context, err error, lab bool) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, nfq.ErrPermission), errors.Is(err, nfq.ErrUnsupported):
	case lab && netns.Available() != nil:
	default:
		return err
	}
	return fmt.Errorf("%w (uq doctor tells what works here)", err)
}
