// Package corpus holds real traces: live TCP, UDP and ICMP of a Linux kernel,
// recorded by uq record in its lab. README.md in this folder says how each was
// made; `make corpus` makes them anew.
package corpus

import _ "embed" // the trace below

// DefaultName is the trace that uq sim uses when it is given none.
const DefaultName = "mix.zst"

//go:embed mix.zst
var mix string

// Default returns the bytes of the default trace.
func Default() string { return mix }
