// Package scenario reads files that say what to run and what to expect of it:
//
//	link = "rate 20mbit delay 20ms"       # for every run that names none
//
//	[flows]
//	voip = "udp:5201"                     # flow(voip) in assertions
//
//	[[run]]
//	name = "a call beside two downloads"
//	trace = "mix.zst"                     # beside this file; corpus:mix.zst is embedded
//	qdiscs = ["pfifo limit 1000", "fq_codel"]
//	assert = ["fq_codel.flow(voip).sojourn_p99 < 5ms"]
//
//	[run.digests]
//	"pfifo limit 1000" = "xxh64:f5e21583b3a65f24" # of all its decisions
//	fq_codel = "xxh64:3866878217171540"
//
// The settings are those of uq sim: trace, qdiscs, link, seed, gso, assert.
// Above the first [[run]] they hold for every run that does not set them; its
// assertions are added. traces, links and seeds list several, and the run is made
// for each combination: a [Case]. A digest's key is the qdisc as it is listed,
// after what varies: "mix.zst | rate 20mbit | fq_codel". Digests that are not
// there yet are no failure; [SetDigests] writes them into the text, whose order
// and comments stay. A run with digests = false gets none.
//
// The format is TOML, read strictly: every error names its line.
package scenario
