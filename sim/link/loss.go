package link

import (
	"fmt"
	"strings"

	"github.com/uqtool/uq/sim/random"
)

// lossModel is how packets are chosen to be lost.
type lossModel uint8

const (
	noLoss lossModel = iota
	// randomLoss: each packet by itself, or correlated with the last (see draws).
	randomLoss
	// stateLoss: four states, as in netem's "loss state": a gap in which packets
	// pass, except for isolated losses, and a burst of losses in which packets may
	// pass.
	stateLoss
	// gilbertLoss: two states, each with a loss probability (Gilbert, Elliott).
	gilbertLoss
)

// loss loses packets.
//
// For stateLoss the fractions are transition probabilities, a packet each: 1 is
// passing in a gap, 2 passing in a burst, 3 lost in a burst, 4 lost in a gap
// (from which the next packet is always in 1). In the long run a packet in
//
//	(p14 + p13/p31) / (1 + p14 + p13/p31·(1 + p32/p23))
//
// is lost, in runs of 1/(p31+p32) within bursts.
//
// For gilbertLoss p leads from good to bad and r back, after the packet, which
// is lost with probability 1-k when good and 1-h when bad. The good state is in
// force for r/(p+r) of packets.
type loss struct {
	model  lossModel
	random chance

	p13, p31, p32, p23, p14 fraction
	p, r, bad, good         fraction // bad is 1-h, good is 1-k

	state uint8 // 1 to 4; for gilbertLoss 1 is good, 2 is bad
	rng   *random.Rand
}

func (l *loss) seed(rng *random.Rand) {
	l.state, l.rng = 1, rng
	l.random.seed(rng)
}

// hit says whether the next packet is lost.
func (l *loss) hit() bool {
	switch l.model {
	case randomLoss:
		return l.random.hit()
	case stateLoss:
		l.state = l.transition(l.rng.Uint32())
		return l.state >= 3
	case gilbertLoss:
		emit, leave, other := l.good, l.p, uint8(2)
		if l.state == 2 {
			emit, leave, other = l.bad, l.r, 1
		}
		if leave.hit(l.rng.Uint32()) {
			l.state = other
		}
		return emit.hit(l.rng.Uint32())
	}
	return false
}

// transition is the state that x leads to.
func (l *loss) transition(x uint32) uint8 {
	switch l.state {
	case 1:
		return choose(x, l.p14, 4, l.p13, 3, 1)
	case 2:
		return choose(x, l.p23, 3, 0, 0, 2)
	case 3:
		return choose(x, l.p32, 2, l.p31, 1, 3)
	}
	return 1
}

// choose is a with probability p, b with probability q, and else c.
func choose(x uint32, p fraction, a uint8, q fraction, b, c uint8) uint8 {
	switch {
	case p.hit(x):
		return a
	case q > 0 && uint64(p)+uint64(q) >= uint64(x):
		return b
	}
	return c
}

// read takes what follows the word loss: "[random] P% [CORR%]", "state ..." or
// "gemodel ...".
func (l *loss) read(words []string) (used int, err error) {
	model := ""
	if len(words) > 0 && !numeric(words[0]) {
		model, words = words[0], words[1:]
		used = 1
	}
	n := 0
	switch model {
	case "", "random":
		l.model = randomLoss
		n, err = l.random.read(words)
	case "state":
		l.model = stateLoss
		n, err = l.readState(words)
	case "gemodel":
		l.model = gilbertLoss
		n, err = l.readGilbert(words)
	default:
		return 0, fmt.Errorf("%q: want a percentage, or one of the models random, state, gemodel", model)
	}
	return used + n, err
}

// readState reads P13 [P31 [P32 [P23 [P14]]]] with tc's defaults, with or without
// the names that tc prints before the values.
func (l *loss) readState(words []string) (used int, err error) {
	l.p31, l.p32, l.p23, l.p14 = 0, 0, certain, 0
	n, used, err := readNamed(words, []string{"p13", "p31", "p32", "p23", "p14"}, &l.p13, &l.p31, &l.p32, &l.p23, &l.p14)
	if n < 2 {
		l.p31 = certain - l.p13
	}
	switch {
	case err != nil:
		return 0, err
	case l.p13 > certain-l.p14:
		return 0, fmt.Errorf("p13 and p14 are more than 100%% together")
	case l.p31 > certain-l.p32:
		return 0, fmt.Errorf("p31 and p32 are more than 100%% together")
	}
	return used, nil
}

// readGilbert reads P [R [1-H [1-K]]] likewise.
func (l *loss) readGilbert(words []string) (used int, err error) {
	l.bad, l.good = certain, 0
	n, used, err := readNamed(words, []string{"p", "r", "1-h", "1-k"}, &l.p, &l.r, &l.bad, &l.good)
	if n < 2 {
		l.r = certain - l.p
	}
	return used, err
}

// readNamed reads one percentage or more, each with its name before it or not.
func readNamed(words, names []string, into ...*fraction) (n, used int, err error) {
	rest := words
	for i, f := range into {
		if len(rest) > 1 && rest[0] == names[i] {
			rest = rest[1:]
		} else if i > 0 && (len(rest) == 0 || !numeric(rest[0])) {
			return i, len(words) - len(rest), nil
		}
		if len(rest) == 0 {
			return i, 0, fmt.Errorf("want %s, a percentage", names[i])
		}
		if *f, err = parsePercent(rest[0]); err != nil {
			return i, 0, fmt.Errorf("%s: %w", names[i], err)
		}
		rest = rest[1:]
	}
	return len(into), len(words) - len(rest), nil
}

// String prints the model as tc prints netem's.
func (l *loss) String() string {
	switch l.model {
	case stateLoss:
		return "state" + named([]string{"p13", "p31", "p32", "p23", "p14"}, l.p13, l.p31, l.p32, l.p23, l.p14)
	case gilbertLoss:
		return "gemodel" + named([]string{"p", "r", "1-h", "1-k"}, l.p, l.r, l.bad, l.good)
	}
	return l.random.String()
}

func named(names []string, values ...fraction) string {
	var b strings.Builder
	for i, v := range values {
		b.WriteString(" " + names[i] + " " + v.String())
	}
	return b.String()
}
