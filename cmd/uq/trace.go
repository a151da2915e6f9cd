package main

import "github.com/spf13/cobra"

func newTraceCmd(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "trace",
		Short: "Look at, convert and anonymize traces",
	}
}
