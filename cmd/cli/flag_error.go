package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/uqtool/uq/sim/tc"
)

// flagWants says what flags of a type want, by the type's name.
func flagWants(kind string) string {
	switch kind {
	case "uint16":
		return "0 to 65535"
	case "uint64":
		return "a whole number from 0 up"
	case "uintSlice":
		return "whole numbers from 0 up, with commas between"
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "duration":
		return "a time with its unit, for example 10ms"
	}
	return ""
}

// flagError is an error of reading a command's flags in words of the command line.
func flagError(fs *pflag.FlagSet, err error) error {
	var none *pflag.NotExistError
	if errors.As(err, &none) && none.GetSpecifiedShortnames() == "" {
		var known []string
		fs.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if like := tc.Nearest(none.GetSpecifiedName(), known); like != "" {
			return usageErrorf("%w: did you mean --%s?", err, like)
		}
	}
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return usageErrorf("%w", err)
	}
	kind := bad.GetFlag().Value.Type()
	want := flagWants(kind)
	switch {
	case want == "":
		return usageErrorf("%w", err)
	case errors.Is(err, strconv.ErrRange) && kind != "uint16":
		want = "a smaller number"
	}
	return usageErrorf("--%s %s: want %s", bad.GetFlag().Name, bad.GetValue(), want)
}

// onceValue is a string flag of which only one can be meant.
type onceValue struct {
	to    *string
	given bool
}

// once defines such a flag.
func once(f *pflag.FlagSet, to *string, name, short, usage string) {
	f.VarP(&onceValue{to: to}, name, short, usage)
}

// Set implements pflag.Value.
func (v *onceValue) Set(s string) error {
	if v.given {
		return fmt.Errorf("given before as %q: say it once", *v.to)
	}
	*v.to, v.given = s, true
	return nil
}

func (v *onceValue) String() string { return *v.to }

// Type implements pflag.Value.
func (v *onceValue) Type() string { return "string" }
