// Package tc reads and prints values, options and qdisc lines the way
// iproute2's tc does, so that a fragment of a tc command line works in uq
// unchanged. It decides nothing and is the only package under sim that turns
// numbers into words.
//
// The one deliberate difference: a time without a unit is refused, since tc
// would silently read it as microseconds.
package tc

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// rateUnits are tc(8)'s rate suffixes as factors to bits per second.
var rateUnits = []unit{
	{"bit", 1}, {"kibit", 1024}, {"kbit", 1000}, {"mibit", 1024 * 1024}, {"mbit", 1e6},
	{"gibit", 1 << 30}, {"gbit", 1e9}, {"tibit", 1 << 40}, {"tbit", 1e12},
	{"bps", 8}, {"kibps", 8 * 1024}, {"kbps", 8000}, {"mibps", 8 << 20}, {"mbps", 8e6},
	{"gibps", 8 << 30}, {"gbps", 8e9}, {"tibps", 8 << 40}, {"tbps", 8e12},
	{"", 1},
}

// timeUnits are tc's, plus ns, as factors to nanoseconds.
var timeUnits = []unit{
	{"s", 1e9}, {"sec", 1e9}, {"secs", 1e9},
	{"ms", 1e6}, {"msec", 1e6}, {"msecs", 1e6},
	{"us", 1e3}, {"usec", 1e3}, {"usecs", 1e3},
	{"ns", 1}, {"nsec", 1}, {"nsecs", 1},
}

// sizeUnits are tc's sizes as factors to eighths of a byte, since tc also
// accepts sizes in bits.
var sizeUnits = []unit{
	{"b", 8}, {"", 8}, {"k", 8 << 10}, {"kb", 8 << 10}, {"m", 8 << 20}, {"mb", 8 << 20},
	{"g", 8 << 30}, {"gb", 8 << 30}, {"kbit", 1 << 10}, {"mbit", 1 << 20}, {"gbit", 1 << 30},
}

type unit struct {
	name   string
	factor uint64
}

// ParseRate reads a rate in bits per second: "20mbit", "2.5mbps" (bytes!),
// "1000000".
func ParseRate(s string) (uint64, error) {
	v, err := parse(s, rateUnits)
	if err != nil {
		return 0, fmt.Errorf("rate %q: %w; write it like 500kbit, 20mbit or 1gbit", s, err)
	}
	return v, nil
}

// ParseTime reads a span: "5ms", "100us", "1.5s". A bare number other than zero
// is refused.
func ParseTime(s string) (time.Duration, error) {
	if num, suffix := splitUnit(s); suffix == "" && num != "" && strings.Trim(num, "0.") != "" {
		return 0, fmt.Errorf("time %q has no unit: tc would read it as %sus; write %sus or %sms", s, num, num, num)
	} else if suffix == "" && num != "" {
		return 0, nil
	}
	v, err := parse(s, timeUnits)
	if err == nil && v > 1<<62 {
		err = errRange
	}
	if err != nil {
		return 0, fmt.Errorf("time %q: %w; write it like 5ms, 100us or 1.5s", s, err)
	}
	return time.Duration(v), nil
}

// ParseSize reads a size in bytes: "1514", "32Mb" (MiB, as tc), "10k".
func ParseSize(s string) (uint64, error) {
	v, err := parse(s, sizeUnits)
	if err != nil {
		return 0, fmt.Errorf("size %q: %w; write it like 1514, 64k or 32mb", s, err)
	}
	return v / 8, nil
}

// ParseCount reads a plain number, decimal, 0x or 0; "1000p", as tc prints
// packet limits, is accepted too.
func ParseCount(s string) (uint64, error) {
	v, err := strconv.ParseUint(strings.TrimSuffix(s, "p"), 0, 32)
	if err != nil {
		return 0, fmt.Errorf("number %q: want an integer from 0 to 4294967295", s)
	}
	return v, nil
}

var errRange = fmt.Errorf("too large")

func parse(s string, units []unit) (uint64, error) {
	num, suffix := splitUnit(s)
	if num == "" {
		return 0, fmt.Errorf("no number")
	}
	for _, u := range units {
		if u.name == suffix {
			return scale(num, u.factor)
		}
	}
	return 0, fmt.Errorf("unknown unit %q", suffix)
}

func splitUnit(s string) (num, suffix string) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.ToLower(s[i:])
}

// scale computes num*factor exactly, rounding the last unit down. Decimal
// fractions are handled as integers so that no architecture rounds differently.
func scale(num string, factor uint64) (uint64, error) {
	whole, frac, _ := strings.Cut(num, ".")
	if len(frac) > 18 || strings.Contains(frac, ".") || whole+frac == "" {
		return 0, fmt.Errorf("bad number %q", num)
	}
	var w, f uint64
	var err error
	if whole != "" {
		if w, err = strconv.ParseUint(whole, 10, 64); err != nil {
			return 0, errRange
		}
	}
	div := uint64(1)
	if frac != "" {
		if f, err = strconv.ParseUint(frac, 10, 64); err != nil {
			return 0, fmt.Errorf("bad number %q", num)
		}
		for range frac {
			div *= 10
		}
	}
	hi, lo := bits.Mul64(w, factor)
	if hi != 0 || lo > 1<<62 {
		return 0, errRange
	}
	fh, fl := bits.Mul64(f, factor)
	q, _ := bits.Div64(fh, fl, div) // f < div, so the quotient fits
	return lo + q, nil
}

// FormatRate prints bits per second as tc does: "20Mbit", "1500Kbit".
func FormatRate(bps uint64) string {
	suffixes := [...]string{"bit", "Kbit", "Mbit", "Gbit", "Tbit"}
	i := 0
	for i < len(suffixes)-1 && bps >= 1000 && (bps%1000 == 0 || bps >= 1000*1000) {
		bps /= 1000
		i++
	}
	return strconv.FormatUint(bps, 10) + suffixes[i]
}

// FormatTime prints a span as tc does, with three significant digits: "5ms",
// "250us", "1.5s". Spans under a microsecond, which tc cannot print, are in ns;
// what tc prints with an exponent, "1e+03ms", is without one.
func FormatTime(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + FormatTime(-d)
	case d >= time.Second-time.Second/2000: // rounds to 1s
		return g3(float64(d)/1e9) + "s"
	case d >= time.Millisecond:
		return g3(float64(d)/1e6) + "ms"
	case d >= time.Microsecond || d == 0:
		return strconv.FormatInt(int64(d/time.Microsecond), 10) + "us"
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}

func g3(f float64) string {
	if f >= 999.5 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// FormatSize prints bytes as tc does: "1514b", "32Mb".
func FormatSize(n uint64) string {
	if m := near(n, 1<<20, 1024); m > 0 {
		return strconv.FormatUint(m, 10) + "Mb"
	}
	if k := near(n, 1<<10, 16); k > 0 {
		return strconv.FormatUint(k, 10) + "Kb"
	}
	return strconv.FormatUint(n, 10) + "b"
}

// near is n in units if n is at least one unit and closer than slack to a whole
// number of them, else 0.
func near(n, unit, slack uint64) uint64 {
	r := (n + unit/2) / unit
	off := max(r*unit, n) - min(r*unit, n)
	if n < unit || off >= slack {
		return 0
	}
	return r
}
