package profile

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// decimal reads a number without sign and exponent, in units of 1/scale; exact is
// false if something is left over.
func decimal(text string, scale uint64) (v uint64, exact bool, err error) {
	whole, part, dotted := strings.Cut(text, ".")
	if whole == "" || dotted && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, false, fmt.Errorf("%.40q: want a number like 12 or 1.5", text)
	}
	v, err = strconv.ParseUint(whole, 10, 64)
	hi, lo := bits.Mul64(v, scale)
	if err != nil || hi > 0 {
		return 0, false, fmt.Errorf("%.40q is too much", text)
	}
	part = strings.TrimRight(part, "0")
	kept := part[:min(len(part), 18)] // what 64 bits hold
	digits, power := uint64(0), uint64(1)
	for _, c := range kept {
		digits, power = digits*10+uint64(c-'0'), power*10
	}
	hi, more := bits.Mul64(digits, scale)
	more, rest := bits.Div64(hi, more, power) // digits < power, so it fits
	if lo+more < lo {
		return 0, false, fmt.Errorf("%.40q is too much", text)
	}
	return lo + more, rest == 0 && kept == part, nil
}

// span is a number with its unit.
type span struct{ number, unit string }

// spans splits "1Gbps 200Mbps" or "1s500ms".
func spans(text string) (list []span, err error) {
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return nil, fmt.Errorf("%.40q: want numbers with units", text)
		}
		number := rest[:n]
		rest = strings.TrimSpace(rest[n:])
		if n = strings.IndexAny(rest, "0123456789. "); n < 0 {
			n = len(rest)
		}
		if n == 0 {
			return nil, fmt.Errorf("%.40q: want numbers with units", text)
		}
		list = append(list, span{number, rest[:n]})
		rest = rest[n:]
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%.40q: want a number with a unit", text)
	}
	return list, nil
}

// total adds spans up; scales are the units.
func total(text string, scales map[string]uint64, want string) (sum uint64, exact bool, err error) {
	list, err := spans(text)
	exact = true
	for _, s := range list {
		scale, ok := scales[s.unit]
		if !ok {
			return 0, false, fmt.Errorf("%.40q: unit %q: want %s", text, s.unit, want)
		}
		v, whole, err := decimal(s.number, scale)
		if err != nil {
			return 0, false, err
		}
		if sum += v; sum < v {
			return 0, false, fmt.Errorf("%.40q is too much", text)
		}
		exact = exact && whole
	}
	return sum, exact, err
}

// bitRate reads rattan's rates, in bit/s.
func bitRate(text string) (bps uint64, err error) {
	scales := map[string]uint64{}
	for prefix, scale := range map[string]uint64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} {
		for _, unit := range []string{"bps", "bit/s", "b/s"} {
			scales[prefix+unit] = scale
		}
	}
	// What is below 1 bit/s does not count there either.
	bps, _, err = total(text, scales, "bps, kbps, Mbps, Gbps or Tbps")
	return bps, err
}

// duration reads rattan's times, in ns.
func duration(text string) (uint64, error) {
	scales := map[string]uint64{}
	for scale, units := range map[time.Duration][]string{
		time.Nanosecond:  {"ns", "nsec", "nanos"},
		time.Microsecond: {"us", "usec", "micros", "\u00b5s"},
		time.Millisecond: {"ms", "msec", "millis"},
		time.Second:      {"s", "sec", "secs", "second", "seconds"},
		time.Minute:      {"m", "min", "mins", "minute", "minutes"},
	} {
		for _, u := range units {
			scales[u] = uint64(scale)
		}
	}
	ns, exact, err := total(text, scales, "ns, us, ms, s or min")
	switch {
	case err != nil:
		return 0, err
	case !exact:
		return 0, fmt.Errorf("%.40q is finer than a nanosecond", text)
	case ns > uint64(maxLinkDelay):
		return 0, fmt.Errorf("%.40q: want at most %s", text, maxLinkDelay)
	}
	return ns, nil
}

// largest writes v in the largest unit that leaves no fraction.
func largest(v uint64, scale uint64, units ...string) string {
	i := 0
	for ; i+1 < len(units) && v > 0 && v%scale == 0; i++ {
		v /= scale
	}
	return strconv.FormatUint(v, 10) + units[i]
}

// rateText writes bit/s as tc does, to the bit.
func rateText(bps uint64) string { return largest(bps, 1000, "bit", "kbit", "mbit", "gbit") }

// timeText writes nanoseconds as tc does, to the nanosecond.
func timeText(ns uint64) string { return largest(ns, 1000, "ns", "us", "ms", "s") }

// delayText are the words of a delay, none for 0.
func delayText(ns uint64) string {
	if ns == 0 {
		return ""
	}
	return "delay " + timeText(ns)
}

// percent writes a fraction's decimal digits as a percentage.
func percent(fraction float64) string {
	digits := strconv.FormatFloat(fraction, 'f', -1, 64)
	whole, part, _ := strings.Cut(digits, ".")
	part += "00"
	whole += part[:2]
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if part = strings.TrimRight(part[2:], "0"); part != "" {
		whole += "." + part
	}
	return whole + "%"
}
