package tc

import "fmt"

// Decimal is a number with decimals from 0 to max, held in parts of 1/unit and
// rounded down to them.
func Decimal(name string, v *int, unit, max int, help string) Option {
	return Option{name: name, arg: "NUMBER", help: help, set: func(s string) error {
		n, err := scale(s, uint64(unit))
		if err != nil || n > uint64(max)*uint64(unit) {
			return fmt.Errorf("want a number from 0 to %d, for example 0.16", max)
		}
		*v = int(n)
		return nil
	}, get: func() Field {
		return Ratio(name, "%f", uint64(*v), uint64(unit))
	}}
}

// Ratio is the field n/d, a fraction in tc's JSON, printed with format ("%f").
func Ratio(key, format string, n, d uint64) Field {
	v := float64(n) / float64(d)
	return Field{Key: key, Num: int64(n), Value: v, Text: fmt.Sprintf(format, v)}
}
