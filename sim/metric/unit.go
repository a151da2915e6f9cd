package metric

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/tc"
)

// Unit is what a metric counts.
type Unit uint8

// The units, and how numbers of each are kept and written in JSON.
const (
	// Plain is a number of tc's that takes the unit of what it is compared with.
	Plain   Unit = iota
	Ratio        // a number without a unit
	Packets      // packets
	Bytes        // bytes
	Time         // microseconds
	Rate         // bits per second
)

// String is the unit's name in JSON.
func (u Unit) String() string {
	return [...]string{"", "", "packets", "bytes", "us", "bit/s"}[u]
}

// words name the unit to people.
func (u Unit) words() string {
	return [...]string{"a plain number", "a number without a unit", "packets", "bytes", "a time", "a rate"}[u]
}

// parse reads a literal as a value of the unit.
func (u Unit) parse(s string) (float64, error) {
	switch u {
	case Time:
		d, err := tc.ParseTime(s)
		return float64(d) / 1e3, err
	case Rate:
		if bare(s) {
			return 0, fmt.Errorf("rate %q has no unit: tc would read it as %sbit; write %skbit or %smbit", s, s, s, s)
		}
		r, err := tc.ParseRate(s)
		return float64(r), err
	case Bytes:
		if bare(s) {
			return 0, fmt.Errorf("size %q has no unit: write %sb for bytes, or %sk", s, s, s)
		}
		n, err := tc.ParseSize(s)
		return float64(n), err
	}
	if p, ok := strings.CutSuffix(s, "%"); ok && u == Ratio {
		v, err := number(p)
		return v / 100, err
	}
	if u == Packets {
		s = strings.TrimSuffix(s, "p")
	}
	v, err := number(s)
	if err != nil {
		return 0, fmt.Errorf("%q: want %s", s, u.words())
	}
	return v, nil
}

// bare says whether s is a number other than zero without a unit.
func bare(s string) bool {
	return strings.Trim(s, "0123456789.") == "" && strings.Trim(s, "0.") != ""
}

// number reads decimals, without the exponents and names that Go knows.
func number(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return strconv.ParseFloat(s, 64)
}

// scale is a unit's name with its size.
type scale struct {
	name string
	size float64
}

var (
	timeScale = []scale{{"ns", 1e-3}, {"us", 1}, {"ms", 1e3}, {"s", 1e6}}
	rateScale = []scale{{"bit", 1}, {"Kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {"Tbit", 1e12}}
)

// Format prints a value as tc would, with six digits.
func (u Unit) Format(v float64) string {
	switch u {
	case Time:
		return scaled(v, timeScale)
	case Rate:
		return scaled(v, rateScale)
	case Bytes:
		return digits(v) + "b"
	}
	return digits(v)
}

// scaled prints v in the largest unit that it fills.
func scaled(v float64, units []scale) string {
	at := units[0]
	for _, u := range units[1:] {
		if math.Abs(v) >= u.size {
			at = u
		}
	}
	if v == 0 {
		return "0"
	}
	return digits(v/at.size) + at.name
}

// digits keeps whole numbers whole, and six digits of others.
func digits(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
