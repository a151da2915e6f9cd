package link

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/uqtool/uq/sim/tc"
)

// spread is a span that varies around a mean.
//
// Without a table it is uniform from mean-jitter to mean+jitter; with one,
// jitter is the standard deviation. What comes out below 0 is 0.
type spread struct {
	mean, jitter time.Duration
	// table is one of tableNames; "" and "uniform" have no table.
	name  string
	table []int32
	draws
}

// draw is the next span.
func (s *spread) draw() time.Duration {
	if s.jitter == 0 {
		return s.mean
	}
	x := s.next()
	if s.table == nil {
		// The high bits choose, so that correlated numbers give correlated delays.
		hi, lo := bits.Mul64(uint64(x), 2*uint64(s.jitter))
		return max(s.mean-s.jitter+time.Duration(hi<<32|lo>>32), 0)
	}
	t := time.Duration(s.table[x>>(32-tableBits)])
	return max(s.mean+(s.jitter*t+tableScale/2)>>tableShift, 0)
}

// longest is the most that draw gives.
func (s *spread) longest() time.Duration {
	if s.table == nil {
		return s.mean + s.jitter
	}
	last := time.Duration(s.table[len(s.table)-1])
	return s.mean + (s.jitter*last+tableScale/2)>>tableShift
}

// distribute names the table.
func (s *spread) distribute(name string) error {
	for _, n := range tableNames {
		if n == name {
			s.name = name
			return nil
		}
	}
	hint := ""
	if n := tc.Nearest(name, tableNames); n != "" {
		hint = fmt.Sprintf("did you mean %q? ", n)
	}
	return fmt.Errorf("%q: %sknown are %s", name, hint, strings.Join(tableNames, ", "))
}

// readDelay takes "TIME [JITTER [CORR%]]".
func (s *spread) readDelay(words []string) (used int, err error) {
	if len(words) == 0 {
		return 0, fmt.Errorf("want a TIME, for example 10ms")
	}
	if s.mean, err = parseDelay(words[0]); err != nil || len(words) == 1 || !numeric(words[1]) {
		return 1, err
	}
	if s.jitter, err = parseDelay(words[1]); err != nil || len(words) == 2 || !numeric(words[2]) {
		return 2, err
	}
	s.rho, err = parsePercent(words[2])
	return 3, err
}

func (s *spread) String() string {
	switch {
	case s.jitter == 0:
		return exactTime(s.mean)
	case s.rho == 0:
		return exactTime(s.mean) + " " + exactTime(s.jitter)
	}
	return exactTime(s.mean) + " " + exactTime(s.jitter) + " " + s.rho.String()
}

// maxDelay bounds propagation: Earth to Mars and back fits.
const maxDelay = time.Hour

func parseDelay(s string) (time.Duration, error) {
	d, err := tc.ParseTime(s)
	if err == nil && d > maxDelay {
		err = fmt.Errorf("%s: want at most %s", s, exactTime(maxDelay))
	}
	return d, err
}

func delayOption(d *time.Duration) tc.Option {
	return tc.Time("delay", d, maxDelay, "propagation delay (0)").Shown(func(f tc.Field) tc.Field {
		f.Text, f.Hidden = exactTime(*d), *d == 0
		return f
	})
}

// exactTime prints d as tc does, but with as many digits as d has.
func exactTime(d time.Duration) string {
	unit, name := time.Nanosecond, "ns"
	switch {
	case d >= time.Second:
		unit, name = time.Second, "s"
	case d >= time.Millisecond:
		unit, name = time.Millisecond, "ms"
	case d >= time.Microsecond || d == 0:
		unit, name = time.Microsecond, "us"
	}
	s := fmt.Sprint(int64(d / unit))
	if rest := d % unit; rest > 0 {
		digits := len(fmt.Sprint(int64(unit))) - 1
		s += "." + strings.TrimRight(fmt.Sprintf("%0*d", digits, int64(rest)), "0")
	}
	return s + name
}

// exactRate prints bps as tc does where that says all of it.
func exactRate(bps uint64) string {
	s := tc.FormatRate(bps)
	if back, err := tc.ParseRate(s); err != nil || back != bps {
		return fmt.Sprintf("%dbit", bps)
	}
	return s
}
