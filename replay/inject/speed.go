package inject

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/uqtool/uq/sim/pkt"
)

// Speed is how much faster than recorded a trace is replayed, in millionths.
// The zero value is the recorded speed.
type Speed uint64

// unit is the recorded speed.
const unit Speed = 1_000_000

// Bounds of a Speed.
const (
	minSpeed Speed = unit / 1000
	maxSpeed Speed = unit * 1000
)

// ParseSpeed reads a decimal factor such as 0.5, 2 or 1.25x.
func ParseSpeed(s string) (Speed, error) {
	whole, frac, _ := strings.Cut(strings.TrimSuffix(s, "x"), ".")
	if len(frac) > 6 {
		return 0, fmt.Errorf("speed %q: want at most six decimals", s)
	}
	n, err := strconv.ParseUint(whole+frac+"000000"[len(frac):], 10, 48)
	if v := Speed(n); err != nil || v < minSpeed || v > maxSpeed {
		return 0, fmt.Errorf("speed %q: want a factor from 0.001 to 1000, 2 for twice as fast", s)
	}
	return Speed(n), nil
}

// String is what ParseSpeed reads.
func (s Speed) String() string {
	if s == 0 {
		s = unit
	}
	return strconv.FormatFloat(float64(s)/float64(unit), 'f', -1, 64)
}

// scale is the instant t of the trace at speed s. Rounding is towards zero and
// monotonic; integers, so that every machine replays the same times.
func (s Speed) scale(t pkt.Time) pkt.Time {
	if s == 0 || s == unit || t == pkt.Never {
		return t
	}
	if t < 0 {
		return -s.scale(-t)
	}
	hi, lo := bits.Mul64(uint64(t), uint64(unit))
	if hi >= uint64(s) {
		return pkt.Never
	}
	q, _ := bits.Div64(hi, lo, uint64(s))
	if q > uint64(pkt.Never) {
		return pkt.Never
	}
	return pkt.Time(q)
}
