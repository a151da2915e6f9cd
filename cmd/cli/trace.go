package cli

import "github.com/spf13/cobra"

func newTraceCmd(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Look at, convert and anonymize traces",
		Long: `Look at, convert and anonymize traces.

A trace is a file of independent zstd frames; traces/FORMAT.md describes it.
- stands for standard input or output. Commands that read a damaged or cut
trace use what they can recover, say so, and exit with code 4.`,
	}
	cmd.AddCommand(
		newTraceInfoCmd(s),
		newTraceCatCmd(s),
		newTracePackCmd(s),
		newTraceAnonymizeCmd(s),
		newTraceMergeCmd(s),
		newTraceSynthCmd(s),
		newTraceImportCmd(s),
		newTraceExportCmd(s),
	)
	return cmd
}
