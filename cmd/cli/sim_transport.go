package cli

import (
	"slices"
	"strings"
	"unicode"

	"github.com/uqtool/uq/sim/sched"
)

// withoutTransport are the qdiscs that do not look at a packet's transport fields
// (TCPFlags, Seq, Ack), but for the acknowledgement filters among their words. Of
// one that is not listed it is not known.
var withoutTransport = strings.Fields("pfifo bfifo pfifo_fast prio red sfq drr tbf codel cobalt fq_codel pie fq_pie dualpi2 cake mac80211")

// looksAtTransport says whether a qdisc, or what follows its decisions, may look
// at transport fields, which then need decoding.
func (c *simulation) looksAtTransport(kinds sched.Kinds) bool {
	return c.watched || slices.ContainsFunc(c.qdiscs, func(q string) bool { return qdiscLooksAtTransport(kinds, q) })
}

// qdiscLooksAtTransport says so of a qdisc, or one of those inside it.
func qdiscLooksAtTransport(kinds sched.Kinds, spec string) bool {
	words := strings.FieldsFunc(spec, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return slices.ContainsFunc(words, func(w string) bool {
		unknown := func(k sched.Kind) bool { return k.Name == w && !slices.Contains(withoutTransport, w) }
		return strings.HasPrefix(w, "ack-filter") || slices.ContainsFunc(kinds, unknown)
	})
}
