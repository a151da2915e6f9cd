package link

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/tc"
)

// Env is what a run gives the link it makes.
type Env struct {
	// Seed is the run's.
	Seed uint64
	// ReadFile reads a file that the words name; nil allows none.
	ReadFile func(name string) ([]byte, error)
}

// Random is the random stream of a part of the link.
func (e *Env) Random(part string) *random.Rand { return random.Stream(e.Seed, "link/"+part) }

// newWire makes the wire of a name, nil for none.
func newWire(name string) wire {
	switch name {
	case "rate":
		return &Rate{}
	case "rate-file":
		return &RateFile{}
	case "schedule":
		return &Schedule{}
	case "unlimited":
		return &Unlimited{}
	}
	return nil
}

// New makes the link a fragment describes: a wire, what happens behind it in
// netem's words, and after the word front what happens before it.
//
//	rate 20mbit overhead 18
//	rate 20mbit delay 10ms 2ms 25% distribution normal loss 0.1% reorder 1%
//	schedule lte.up delay 20ms front loss gemodel 1% 10%
//	unlimited delay 5ms
//
// A percentage is a 32-bit fraction, as netem has it. One after another is its
// correlation with the packet before; mind what [Netem] says of it. The names
// that tc prints in front of the values of loss models are accepted.
//
// Links of other packages are in the list that sim/link/builtin has.
func New(spec string, env Env) (Link, error) { return Wires().New(spec, env) }

// newWired makes a wire with what is around it.
func newWired(spec string, env Env) (Link, error) {
	n, err := parse(spec)
	if err != nil {
		return nil, err
	}
	if err := env.read(n.wire); err != nil {
		return nil, err
	}
	if n.changed = !n.front.plain(); !n.changed && n.behind.plain() {
		*n.wire.propagation() = n.behind.delay.mean
		return n.wire, nil
	}
	n.behind.prepare(&env, "")
	n.front.prepare(&env, "front/")
	return n, nil
}

// parse reads the words and checks them together.
func parse(spec string) (*Netem, error) {
	words := strings.Fields(spec)
	n, kind := &Netem{wire: &Rate{}}, "link"
	if len(words) > 0 {
		if words[0] == "mahimahi" {
			words[0] = "schedule"
		}
		if w := newWire(words[0]); w != nil && words[0] != "rate" {
			n.wire, kind = w, words[0]
		}
	}
	var ahead []string
	if i := slices.Index(words, "front"); i >= 0 {
		words, ahead = words[:i], words[i+1:]
		if len(ahead) == 0 {
			return nil, fmt.Errorf("link: nothing after \"front\": write what happens before the wire, for example \"front loss 1%%\"")
		}
	}
	if err := append(n.wire.words(), n.behind.options()...).Parse(kind, words); err != nil {
		return nil, err
	}
	if err := checkFront(ahead); err != nil {
		return nil, err
	}
	if err := n.front.frontOptions().Parse("front", ahead); err != nil {
		return nil, err
	}
	if r, ok := n.wire.(*Rate); ok && r.BitsPerSec == 0 {
		return nil, fmt.Errorf("link %q has no rate: write \"rate 20mbit\" or \"unlimited\"", spec)
	}
	for _, s := range []*stage{&n.behind, &n.front} {
		if err := s.complete(); err != nil {
			return nil, fmt.Errorf("link: %w", err)
		}
	}
	if n.behind.slot.on && n.behind.limit == 0 {
		n.behind.limit = slotLimit
	}
	return n, nil
}

// Line prints a link as New reads it.
func Line(l Link) string {
	line := tc.Line(l.Kind(), l.Options())
	return strings.TrimPrefix(line, "rate ")
}

// option is one whose values read reads and print prints while on.
func option(name, arg, help string, read func([]string) (int, error), on func() bool, print func() string) tc.Option {
	return tc.Values(name, arg, help, read, func() tc.Field {
		if !on() {
			return tc.Field{Key: name, Hidden: true}
		}
		return tc.Field{Key: name, Text: print()}
	})
}

func (c *chance) option(name, help string) tc.Option {
	return option(name, "P% [ CORR% ]", help, c.read, func() bool { return c.p > 0 }, c.String)
}

// options are a stage's behind the wire, in the order in which tc prints netem's.
func (s *stage) options() tc.Options {
	delay := option("delay", "TIME [ JITTER [ CORR% ] ]", "added to each packet's way (0)", s.delay.readDelay,
		func() bool { return s.delay.mean > 0 || s.delay.jitter > 0 }, s.delay.String)
	return slices.Concat(tc.Options{
		tc.Count("limit", &s.limit, 1, maxLimit, "", "most packets behind the wire at once (none; with a slot 1000)").HiddenIf(func() bool { return s.limit == 0 }),
		delay, delay.As("latency"),
		option("distribution", "NAME", strings.Join(tableNames, ", ")+": JITTER is its standard deviation", s.readDistribution,
			func() bool { return s.delay.name != "" }, func() string { return s.delay.name }),
	}, s.lossOptions(), tc.Options{
		s.dup.option("duplicate", "packets arrive twice"),
		s.swap.option("reorder", "packets skip the delay"),
		s.corrupt.option("corrupt", "packets arrive damaged"),
	}, s.slotOptions("packets wait for the next slot, MIN to MAX away"), tc.Options{
		s.ecnOption(),
		tc.Count("gap", &s.gap, 1, maxLimit, "", "with reorder: one in so many packets at most (1)").HiddenIf(func() bool { return s.gap == 0 }),
	})
}

// frontOptions are a stage's before the wire.
func (s *stage) frontOptions() tc.Options {
	return slices.Concat(s.lossOptions(), tc.Options{
		s.dup.option("duplicate", "packets are sent twice"),
		s.corrupt.option("corrupt", "packets are sent damaged"),
	}, s.slotOptions("the scheduler may send in slots only, MIN to MAX away"), tc.Options{s.ecnOption()})
}

// misplaced words cannot stand after "front".
var misplaced = []struct{ word, why string }{
	{"delay", holdsBack}, {"latency", holdsBack}, {"distribution", holdsBack}, {"reorder", holdsBack}, {"gap", holdsBack}, {"limit", holdsBack},
	{"rate", isWire}, {"rate-file", isWire}, {"schedule", isWire}, {"mahimahi", isWire}, {"unlimited", isWire},
	{"overhead", isWire}, {"mpu", isWire}, {"atm", isWire}, {"ptm", isWire}, {"noatm", isWire}, {"front", "it is there once"},
}

const (
	holdsBack = "before the wire only the scheduler holds packets back"
	isWire    = "it belongs to the wire"
)

func checkFront(words []string) error {
	for i, w := range words {
		for _, m := range misplaced {
			if m.word == w && (i == 0 || words[i-1] != "slot") {
				return fmt.Errorf("front: %q cannot stand after \"front\": %s: write it before \"front\"", w, m.why)
			}
		}
	}
	return nil
}

// lossOptions are loss with a line of help for each model.
func (s *stage) lossOptions() tc.Options {
	loss := option("loss", "[ random ] P% [ CORR% ]", "packets are lost; with CORR% far fewer than P%: for bursts take gemodel", s.loss.read, func() bool { return s.loss.model != noLoss }, s.loss.String)
	return tc.Options{
		loss,
		helpOnly("loss state", "P13 [ P31 [ P32 [ P23 [ P14 ] ] ] ]", "in bursts: 1 gap, 3 burst, 2 passes in it, 4 lost in a gap"),
		helpOnly("loss gemodel", "P [ R [ 1-H [ 1-K ] ] ]", "good to bad, back; loss when bad (100%), when good (0%)"),
		loss.As("drop"),
	}
}

// helpOnly is a line of help for words that another option reads.
func helpOnly(name, arg, help string) tc.Option {
	return option(name, arg, help, nil, func() bool { return false }, nil)
}

func (s *stage) ecnOption() tc.Option {
	return tc.Flag("ecn", &s.ecn, "mark with CE what can be marked instead of losing it")
}

func (s *stage) slotOptions(help string) tc.Options {
	return tc.Options{
		option("slot", "MIN [ MAX ] [ packets N ] [ bytes SIZE ]", help, s.slot.read, func() bool { return s.slot.on }, s.slot.String),
		helpOnly("slot distribution", "NAME TIME JITTER ...", "acquired in times of that distribution"),
	}
}

func (s *stage) readDistribution(words []string) (int, error) {
	if len(words) == 0 {
		return 0, fmt.Errorf("want one of %s", strings.Join(tableNames, ", "))
	}
	return 1, s.delay.distribute(words[0])
}

// frontOption prints a front stage.
func frontOption(s *stage) tc.Options {
	return tc.Options{option("front", "IMPAIRMENTS", "", nil, func() bool { return !s.plain() },
		func() string { return strings.TrimSpace(tc.Line("", s.frontOptions().Fields())) })}
}

// complete checks what the words say together, as tc does, and sets what follows
// from them.
func (s *stage) complete() error {
	switch {
	case s.swap.p > 0 && s.delay.mean == 0:
		return fmt.Errorf("reordering not possible without specifying some delay: add \"delay 10ms\"")
	case s.gap > 0 && s.swap.p == 0:
		return fmt.Errorf("gap specified without reorder probability: add \"reorder 25%%\"")
	case s.ecn && (s.loss.model == noLoss || s.loss.model == randomLoss && s.loss.random.p == 0):
		return fmt.Errorf("ecn requested without loss model: add \"loss 1%%\"")
	case s.delay.name != "" && (s.delay.mean == 0 || s.delay.jitter == 0):
		return fmt.Errorf("distribution specified but no latency and jitter values: add \"delay 10ms 2ms\"")
	}
	if s.swap.p > 0 && s.gap == 0 {
		s.gap = 1
	}
	if s.loss.model == randomLoss && s.loss.random.p == 0 {
		s.loss.model = noLoss
	}
	return nil
}

// plain says that nothing happens but a constant delay.
func (s *stage) plain() bool {
	return s.limit == 0 && s.delay.jitter == 0 && s.loss.model == noLoss && s.dup.p == 0 && s.swap.p == 0 && s.corrupt.p == 0 && !s.slot.on
}

// prepare gives each part its random stream and makes the tables.
func (s *stage) prepare(env *Env, side string) {
	s.delay.seed(env.Random(side + "delay"))
	s.delay.table = newTable(s.delay.name)
	s.loss.seed(env.Random(side + "loss"))
	s.dup.seed(env.Random(side + "duplicate"))
	s.swap.seed(env.Random(side + "reorder"))
	s.corrupt.seed(env.Random(side + "corrupt"))
	s.slot.wait.seed(env.Random(side + "slot"))
	s.slot.wait.table = newTable(s.slot.wait.name)
}
