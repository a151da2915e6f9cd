package cake

import (
	"fmt"
	"strconv"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

// options is what the operator sets.
type options struct {
	bandwidth uint64 // bytes per second, 0 for unlimited
	autorate  bool
	rtt       time.Duration
	target    time.Duration
	mode      *mode
	isolation *isolation
	nat       bool // kept to be printed: addresses are those seen
	wash      bool
	splitGSO  bool
	ackFilter ackFilter
	ingress   bool
	memlimit  int    // bytes, 0 for what follows from the bandwidth
	fwmark    uint64 // kept to be printed: packets have no mark
	overhead  overhead
}

// defaults are tc's.
func defaults() options {
	return options{
		rtt: 100 * time.Millisecond, target: 5 * time.Millisecond,
		mode: findMode("diffserv3"), isolation: findIsolation("triple-isolate"),
		splitGSO: true, overhead: overhead{raw: true},
	}
}

// parse reads tc's words.
func (o *options) parse(words []string) error {
	p := parser{options: o}
	if err := p.table().Parse("cake", words); err != nil {
		return err
	}
	o.overhead.raw = p.rawWord || !p.overheadWord
	return nil
}

// parser is options while words are read.
type parser struct {
	*options
	rawWord, overheadWord bool
	preset                string // of the rtt
}

// table is everything tc reads, in the order of its usage.
func (p *parser) table() tc.Options {
	t := tc.Options{
		tc.Values("bandwidth", "RATE", "rate to send at; 0 or unlimited for as fast as the link takes it (unlimited)", p.readBandwidth, nil),
		tc.Word("unlimited", "no shaper: packets wait for the link only", func() { p.bandwidth, p.autorate = 0, false }),
		tc.Word("autorate-ingress", "set the rate from what arrives", func() { p.autorate = true }),
		tc.Values("rtt", "TIME", "round-trip time to tune for; target is 1/20 of it (100ms)", p.readRTT, nil),
	}
	t = append(t, p.rtts()...)
	for i := range modes {
		m := &modes[i]
		t = append(t, tc.Word(m.name, modeHelp(m), func() { p.mode = m }))
	}
	t = append(t, tc.Word("diffserv", "the same as diffserv4", func() { p.mode = findMode("diffserv4") }))
	for i := range isolations {
		iso := &isolations[i]
		t = append(t, tc.Word(iso.name, iso.help(), func() { p.isolation = iso }))
	}
	t = append(t,
		tc.Flag("nat", &p.nat, "taken for tc's sake: hosts are told apart by the addresses in the trace"),
		tc.Flag("wash", &p.wash, "clear the DSCP once the tin is chosen"),
		tc.Word("split-gso", "queue the packets of super-packets apart (default)", func() { p.splitGSO = true }),
		tc.Word("no-split-gso", "queue super-packets whole", func() { p.splitGSO = false }),
		tc.Word("ack-filter", "drop the older of two acknowledgements that a newer one makes redundant", func() { p.ackFilter = ackConservative }),
		tc.Word("ack-filter-aggressive", "also a single one, if the newer one follows right behind it", func() { p.ackFilter = ackAggressive }),
		tc.Word("no-ack-filter", "drop none (default)", func() { p.ackFilter = noAckFilter }),
		tc.Size("memlimit", &p.memlimit, 0, 1<<31-1, "bytes of packet memory (4 times bandwidth·rtt, 4Mb to 15Mb)"),
		tc.Values("fwmark", "MASK", "taken for tc's sake: packets of a trace have no firewall mark", p.readFwmark, nil),
	)
	t = append(t, p.overheads()...)
	return append(t,
		tc.Word("ingress", "the bottleneck is before this queue: drops have used it too", func() { p.ingress = true }),
		tc.Word("egress", "the bottleneck is behind this queue (default)", func() { p.ingress = false }),
	)
}

func modeHelp(m *mode) string {
	help := fmt.Sprintf("%d tins by DSCP", len(m.tins))
	switch m.name {
	case "besteffort":
		help = "one tin"
	case "diffserv3":
		help += ": bulk, best effort, voice (default)"
	case "diffserv4":
		help += ": bulk, best effort, video, voice"
	}
	return help
}

func (i *isolation) help() string {
	switch {
	case i.flows && i.fairSrc && i.fairDst:
		return "fair between flows, source hosts and destination hosts (default)"
	case i.flows && i.fairSrc:
		return "fair between source hosts, then between flows"
	case i.flows && i.fairDst:
		return "fair between destination hosts, then between flows"
	case i.flows:
		return "fair between flows"
	case i.hostSrc && i.hostDst:
		return "fair between pairs of hosts"
	case i.hostSrc:
		return "fair between source hosts"
	case i.hostDst:
		return "fair between destination hosts"
	}
	return "one queue for each tin"
}

// value is the one word an option is followed by.
func value(words []string, what string) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("want a %s after it", what)
	}
	return words[0], nil
}

func (p *parser) readBandwidth(words []string) (int, error) {
	w, err := value(words, "RATE")
	if err != nil {
		return 0, err
	}
	r := uint64(0)
	if w != "unlimited" {
		if r, err = tc.ParseRate(w); err != nil {
			return 0, err
		}
		if r > 0 && r < 8 {
			return 0, fmt.Errorf("want at least 8bit, or unlimited")
		}
	}
	p.bandwidth, p.autorate = r/8, false
	return 1, nil
}

// maxRTT is an hour and a bit: tc has µs in 32 bits.
const maxRTT = (1<<32 - 1) * time.Microsecond

func (p *parser) readRTT(words []string) (int, error) {
	w, err := value(words, "TIME")
	if err != nil {
		return 0, err
	}
	d, err := tc.ParseTime(w)
	switch {
	case err != nil:
		return 0, err
	case d <= 0 || d > maxRTT:
		return 0, fmt.Errorf("want more than 0 and at most %s", tc.FormatTime(maxRTT))
	}
	p.rtt, p.target = d, max(d/20, time.Microsecond)
	return 1, nil
}

func (p *parser) readFwmark(words []string) (int, error) {
	w, err := value(words, "MASK")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(w, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("mask %q: want 32 bits, for example 0xf", w)
	}
	p.fwmark = n
	return 1, nil
}

// Options implements sched.Describer: what tc prints, in its order. The
// bandwidth is the one given, also where autorate-ingress has moved away from
// it: the line makes the same qdisc again.
func (o *options) Options() []tc.Field {
	fields := []tc.Field{
		{Key: "bandwidth", Value: "unlimited", Text: "unlimited"},
		word("autorate", o.autorate, "autorate-ingress", "autorate-ingress"),
		word("diffserv", true, o.mode.name, o.mode.name),
		word("flowmode", true, o.isolation.name, o.isolation.name),
		either("nat", o.nat, "nat", "nonat"),
		either("wash", o.wash, "wash", "nowash"),
		either("ingress", o.ingress, "ingress", ""),
		o.ackFilter.field(),
		either("split_gso", o.splitGSO, "split-gso", "no-split-gso"),
		rttField(o.rtt),
	}
	if o.bandwidth > 0 {
		fields[0] = rateField("bandwidth", o.bandwidth)
	}
	fields = append(fields, o.overhead.fields()...)
	if o.memlimit > 0 {
		fields = append(fields, size("memlimit", o.memlimit))
	}
	mark := fmt.Sprintf("%#x", o.fwmark)
	f := tc.Field{Key: "fwmark", Value: mark, Text: "fwmark " + mark, Bare: true}
	if o.fwmark == 0 {
		f.Text = ""
	}
	return append(fields, f)
}

// rttField prints whole seconds where tc would print 1e+03s.
func rttField(d time.Duration) tc.Field {
	f := us("rtt", d)
	if d >= 1000*time.Second {
		f.Text = fmt.Sprintf("%ds", d/time.Second)
	}
	return f
}

// word is an option printed as a word of its own, left out while off.
func word(key string, on bool, json, text string) tc.Field {
	return tc.Field{Key: key, Value: json, Text: text, Bare: true, Hidden: !on}
}

// either is a boolean printed as one of two words, of which the second may be
// empty.
func either(key string, on bool, yes, no string) tc.Field {
	if !on {
		yes = no
	}
	return tc.Field{Key: key, Value: on, Text: yes, Bare: true}
}

func (a ackFilter) field() tc.Field {
	switch a {
	case ackConservative:
		return word("ack-filter", true, "enabled", "ack-filter")
	case ackAggressive:
		return word("ack-filter", true, "aggressive", "ack-filter-aggressive")
	}
	return word("ack-filter", true, "disabled", "no-ack-filter")
}
