package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/spf13/cobra"

	"github.com/uqtool/uq/traces"
)

func newTraceAnonymizeCmd(s *streams) *cobra.Command {
	var out traceDestination
	var key string
	var salvage bool
	cmd := &cobra.Command{
		Use:   "anonymize TRACE -o TRACE",
		Short: "Replace the addresses in a trace, keeping their prefixes",
		Long: `Replace every IP address so that two addresses share as many leading bits as
before (Crypto-PAn). Multicast stays multicast: IPv4 within 224.0.0.0/4, IPv6
within ff00::/8 with the flags and the scope it had; 255.255.255.255 stays. For
that, shared prefixes of less than 4 bits (8 for IPv6) are given up.

Ports, lengths and times stay as they are. Device names, the kernel's build, the
clock anchor, comments, commands and the texts of events are removed. So is the
digest of a live scheduler's decisions, which addresses could be guessed with:
uq verify refuses an anonymized trace.

The key is random and forgotten, so nobody can undo it or make another trace
match, unless --key gives one. What stays may still tell something: ports, packet
lengths and times are as characteristic as addresses.`,
		Args: operands(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTraceAnonymize(cmd.Context(), s, args[0], out, key, salvage)
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", "", "key of 32 bytes in hex, to treat several traces alike")
	f.BoolVar(&salvage, "salvage", false, "go on after damage, at the next whole block")
	out.flags(cmd)
	return cmd
}

func runTraceAnonymize(ctx context.Context, s *streams, name string, out traceDestination, hexKey string, salvage bool) error {
	key := make([]byte, traces.AnonymizerKeySize)
	if hexKey != "" {
		var err error
		if key, err = hex.DecodeString(hexKey); err != nil || len(key) != traces.AnonymizerKeySize {
			return usageErrorf("--key: want %d bytes as %d hexadecimal digits", traces.AnonymizerKeySize, 2*traces.AnonymizerKeySize)
		}
	} else if _, err := rand.Read(key); err != nil {
		return err
	}
	a, err := traces.NewAnonymizer(key)
	if err != nil {
		return err
	}
	in, err := startTrace(ctx, s, name, &salvage)
	if err != nil {
		return err
	}
	defer in.Close()
	return writeTrace(s, out, a.Header(in.Header()), func(t *traces.Writer) error {
		return in.fail(a.Anonymize(t, in))
	})
}
