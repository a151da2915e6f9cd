package svg

import (
	"math"
	"strconv"
)

// Scale maps values from Lo to Hi to pixels from From to To, which may run
// either way.
type Scale struct {
	Lo, Hi   float64
	From, To float64
	// Log maps logarithms; Lo must be above 0.
	Log bool
}

// At is the pixel of a value; NaN for a value that the scale has no place for.
func (s Scale) At(v float64) float64 {
	lo, hi := s.Lo, s.Hi
	if s.Log {
		if v <= 0 {
			return math.NaN()
		}
		v, lo, hi = math.Log10(v), math.Log10(lo), math.Log10(hi)
	}
	if hi == lo {
		return s.From
	}
	return s.From + (v-lo)/(hi-lo)*(s.To-s.From)
}

// Ticks are about n round values from Lo to Hi: multiples of 1, 2 or 5 times a
// power of ten; on a logarithmic scale the powers of ten, and 2 and 5 times
// them where there is room.
func (s Scale) Ticks(n int) []float64 {
	if s.Log {
		return s.logTicks(n)
	}
	if !(s.Hi > s.Lo) || n < 1 {
		return nil
	}
	step := niceStep((s.Hi - s.Lo) / float64(n))
	var ts []float64
	for i := math.Ceil(s.Lo/step-1e-9) + 0; i*step <= s.Hi+step*1e-9; i++ {
		ts = append(ts, i*step)
	}
	return ts
}

func niceStep(rough float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range [...]float64{1, 2, 5} {
		if m*unit >= rough*(1-1e-9) {
			return m * unit
		}
	}
	return 10 * unit
}

func (s Scale) logTicks(n int) []float64 {
	if !(s.Lo > 0 && s.Hi > s.Lo) || n < 1 {
		return nil
	}
	first, last := math.Floor(math.Log10(s.Lo)+1e-9), math.Ceil(math.Log10(s.Hi)-1e-9)
	mults, stride := []float64{1, 2, 5}, 1.0
	if decades := last - first; decades*3 > float64(n) {
		mults, stride = mults[:1], math.Ceil(decades/float64(n))
	}
	var ts []float64
	for e := first; e <= last; e += stride {
		for _, m := range mults {
			if v := m * math.Pow(10, e); v >= s.Lo*(1-1e-9) && v <= s.Hi*(1+1e-9) {
				ts = append(ts, v)
			}
		}
	}
	return ts
}

// Nice widens a span so that it begins and ends at a tick of about n.
func Nice(lo, hi float64, n int) (float64, float64) {
	if !(hi > lo) {
		hi = lo + 1
	}
	step := niceStep((hi - lo) / float64(max(n, 1)))
	return math.Floor(lo/step+1e-9) * step, math.Ceil(hi/step-1e-9) * step
}

// NiceLog widens a span to 1, 2 or 5 times powers of ten.
func NiceLog(lo, hi float64) (float64, float64) {
	if !(lo > 0) {
		lo = 1e-9
	}
	if hi <= lo {
		hi = lo * 10
	}
	return roundLog(lo, false), roundLog(hi, true)
}

func roundLog(v float64, up bool) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	at := unit
	for _, m := range [...]float64{1, 2, 5, 10} {
		if up && m*unit >= v*(1-1e-9) {
			return m * unit
		}
		if m*unit <= v*(1+1e-9) {
			at = m * unit
		}
	}
	return at
}

// Unit prints a value of an axis, with its unit.
type Unit func(float64) string

// Plain prints a number, with k, M and G for thousands.
func Plain(v float64) string { return prefixed(v, 1e3, "", "k", "M", "G") }

// Seconds prints a span that is given in seconds, as tc does.
func Seconds(v float64) string {
	if v == 0 {
		return "0"
	}
	for _, u := range [...]struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}} {
		if math.Abs(v) >= u.size*(1-1e-9) {
			return short(v/u.size) + u.name
		}
	}
	return short(v*1e9) + "ns"
}

// Bits prints bits per second, with tc's units.
func Bits(v float64) string { return prefixed(v, 1e3, "bit", "Kbit", "Mbit", "Gbit") }

// Percent prints a share of 1.
func Percent(v float64) string { return short(v*100) + "%" }

func prefixed(v, base float64, names ...string) string {
	for i, name := range names {
		if math.Abs(v) < base*(1-1e-9) || i == len(names)-1 {
			return short(v) + name
		}
		v /= base
	}
	return short(v)
}

// short prints up to four digits, without an exponent.
func short(v float64) string {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		r = v
	}
	return strconv.FormatFloat(r, 'f', -1, 64)
}
