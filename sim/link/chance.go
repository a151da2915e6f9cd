package link

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/random"
)

// fraction is a probability in 32 bits, as netem has it: 1<<32 - 1 is 100 %.
type fraction uint32

const certain fraction = math.MaxUint32

// hit says whether a uniform x meets the probability.
func (f fraction) hit(x uint32) bool { return f > 0 && uint32(f) >= x }

// percentDigits is how many decimals a percentage may have; ten tell all
// fractions apart.
const percentDigits = 10

// parsePercent reads "1%", "0.1%", or without the sign, as tc does.
func parsePercent(s string) (fraction, error) {
	whole, dec, _ := strings.Cut(strings.TrimSuffix(s, "%"), ".")
	if len(whole) > 3 || len(dec) > percentDigits || whole+dec == "" || strings.Trim(whole+dec, "0123456789") != "" {
		return 0, badPercent(s)
	}
	dec += strings.Repeat("0", percentDigits-len(dec))
	v, err := strconv.ParseUint(whole+dec, 10, 64)
	const full = 100 * 1e10
	if err != nil || v > full {
		return 0, badPercent(s)
	}
	hi, lo := bits.Mul64(v, uint64(certain))
	lo, carry := bits.Add64(lo, full/2, 0)
	q, _ := bits.Div64(hi+carry, lo, full)
	return fraction(q), nil
}

func badPercent(s string) error {
	return fmt.Errorf("%q: want a percentage from 0%% to 100%%, for example 0.1%%", s)
}

// String prints the shortest percentage that parsePercent reads as f: what tc
// prints, where its six digits suffice.
func (f fraction) String() string {
	unit := uint64(1)
	for digits := 0; ; digits++ {
		hi, lo := bits.Mul64(uint64(f), 100*unit)
		lo, carry := bits.Add64(lo, uint64(certain)/2, 0)
		n, _ := bits.Div64(hi+carry, lo, uint64(certain))
		s := strconv.FormatUint(n/unit, 10)
		if digits > 0 {
			frac := strconv.FormatUint(n%unit, 10)
			s += "." + strings.Repeat("0", digits-len(frac)) + frac
		}
		if g, err := parsePercent(s); digits == percentDigits-1 || err == nil && g == f {
			return s + "%"
		}
		unit *= 10
	}
}

// draws is a source of uniform numbers, each correlated with the one before.
//
// The recurrence is netem's: the next is the mean of a fresh uniform number and
// the last one, weighted by rho. So the numbers have autocorrelation rho, but
// the more of it the more they crowd around the middle: their variance falls to
// (1-rho)/(1+rho) of the uniform one's, and small ones all but vanish.
type draws struct {
	rho  fraction
	last uint32
	rng  *random.Rand
}

func (d *draws) seed(rng *random.Rand) {
	d.rng = rng
	d.last = rng.Uint32()
}

func (d *draws) next() uint32 {
	fresh := d.rng.Uint32()
	if d.rho == 0 {
		return fresh
	}
	weight := uint64(d.rho) + 1
	rest := uint64(1<<32) - weight
	d.last = uint32((uint64(fresh)*rest + uint64(d.last)*weight) >> 32)
	return d.last
}

// chance is something that happens to packets with a probability.
type chance struct {
	p fraction
	draws
}

func (c *chance) hit() bool { return c.p > 0 && c.p.hit(c.next()) }

// read takes "P% [CORR%]" from the words.
func (c *chance) read(words []string) (used int, err error) {
	return readPercents(words, &c.p, &c.rho)
}

func (c *chance) String() string {
	if c.rho == 0 {
		return c.p.String()
	}
	return c.p.String() + " " + c.rho.String()
}

// readPercents reads at least one and at most all of the percentages.
func readPercents(words []string, into ...*fraction) (used int, err error) {
	for i, f := range into {
		if i > 0 && (i >= len(words) || !numeric(words[i])) {
			return i, nil
		}
		if i >= len(words) {
			return 0, fmt.Errorf("want a percentage, for example 0.1%%")
		}
		if *f, err = parsePercent(words[i]); err != nil {
			return 0, err
		}
	}
	return len(into), nil
}

// numeric says whether w is meant as a number: tc looks at the first character.
func numeric(w string) bool { return w != "" && (w[0] >= '0' && w[0] <= '9' || w[0] == '.') }
