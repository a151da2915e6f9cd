package cli

import "github.com/spf13/cobra"

// operands are a command's arguments besides flags: from least to most of them.
func operands(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < least:
			return usageErrorf("something to read is missing: %s", cmd.UseLine())
		case n > most:
			return usageErrorf("%q is one too many: %s", args[most], cmd.UseLine())
		}
		return nil
	}
}
