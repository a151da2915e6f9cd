package tc

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// List is len(v) numbers from 0 to max, as prio's priomap has them; fewer leave
// the rest as they are.
func List(name string, v []int, max int, help string) Option {
	return Values(name, "NUMBER...", help, func(words []string) (used int, err error) {
		for used < len(words) {
			n, err := strconv.ParseUint(words[used], 10, 31)
			if err != nil {
				break
			}
			if used == len(v) {
				return 0, fmt.Errorf("want at most %d numbers", len(v))
			}
			if int(n) > max {
				return 0, fmt.Errorf("%d: want 0 to %d", n, max)
			}
			v[used] = int(n)
			used++
		}
		if used == 0 {
			return 0, fmt.Errorf("want numbers from 0 to %d", max)
		}
		return used, nil
	}, func() Field {
		text := make([]string, len(v))
		for i, n := range v {
			text[i] = strconv.Itoa(n)
		}
		return Field{Key: name, Value: append([]int(nil), v...), Text: strings.Join(text, " ")}
	})
}

// Fraction is a number from 0 to 1, kept in 2^-32 as tc hands probabilities to
// the kernel; 1 is kept as the largest fraction below it.
func Fraction(name string, v *uint32, help string) Option {
	return Option{name: name, arg: "FRACTION", help: help, set: func(s string) (err error) {
		*v, err = ParseFraction(s)
		return err
	}, get: func() Field {
		text := FormatFraction(*v)
		num, _ := strconv.ParseFloat(text, 64) // its own output
		return Field{Key: name, Num: int64(*v), Value: num, Text: text}
	}}
}

// ParseFraction reads "0.02" or "2e-2" in units of 2^-32, rounding down.
func ParseFraction(s string) (uint32, error) {
	bad := fmt.Errorf("%q: want a number from 0 to 1, like 0.02", s)
	mantissa, exp, _ := strings.Cut(strings.ToLower(s), "e")
	if len(mantissa) > 32 || len(exp) > 3 || strings.Trim(mantissa, "0123456789.") != "" || strings.Trim(exp, "-0123456789") != "" {
		return 0, bad
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || r.Cmp(big.NewRat(1, 1)) > 0 {
		return 0, bad
	}
	r.Mul(r, new(big.Rat).SetInt64(1<<32))
	return uint32(min(new(big.Int).Quo(r.Num(), r.Denom()).Uint64(), 1<<32-1)), nil
}

// FormatFraction prints v/2^32 with six digits, as tc does.
func FormatFraction(v uint32) string {
	return strconv.FormatFloat(float64(v)/(1<<32), 'g', 6, 64)
}

// Seconds is a whole number of seconds, as sfq's perturb: "10", "10s" or, as tc
// prints it, "10sec". Not printed when 0.
func Seconds(name string, v *int, max int, help string) Option {
	return Option{name: name, arg: "SECONDS", help: help, set: func(s string) error {
		num, unit := splitUnit(s)
		n, err := strconv.ParseUint(num, 10, 31)
		if err != nil || unit != "" && unit != "s" && unit != "sec" {
			return fmt.Errorf("want whole seconds from 0 to %d", max)
		}
		return bounded(v, n, 0, max, strconv.Itoa)
	}, get: func() Field {
		return Field{Key: name, Num: int64(*v), Text: strconv.Itoa(*v) + "sec", Hidden: *v == 0}
	}}
}

// SizeCell is a size that may be followed by "/CELL", the granularity of a rate
// table of old; the cell is checked and ignored, as kernels do since 3.8.
func SizeCell(name string, v *int, min, max int, help string) Option {
	o := Size(name, v, min, max, help)
	o.arg = "SIZE[/CELL]"
	size := o.set
	o.set = func(s string) error {
		s, cell, ok := strings.Cut(s, "/")
		if n, err := ParseSize(cell); ok && (err != nil || n == 0 || n&(n-1) != 0) {
			return fmt.Errorf("cell %q: want a power of two", cell)
		}
		return size(s)
	}
	return o
}

// As is the same option under another word that tc accepts too; it is never
// printed.
func (o Option) As(name string) Option {
	o.name = name
	return o.Shown(func(f Field) Field {
		f.Key = name
		f.Hidden, f.Flag = true, false
		return f
	})
}
