package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// flagError is an error of reading flags in words of the command line.
func flagError(err error) error {
	ve, ne := (*pflag.InvalidValueError)(nil), (*strconv.NumError)(nil)
	if !errors.As(err, &ve) || !errors.As(err, &ne) {
		return usageErrorf("%w", err)
	}
	want := ""
	switch ve.GetFlag().Value.Type() {
	case "uint16":
		want = "0 to 65535"
	case "uint64":
		want = "a whole number from 0 up"
	case "int":
		want = "a whole number"
	case "float64":
		want = "a number"
	default:
		return usageErrorf("%w", err)
	}
	return usageErrorf("--%s %s: want %s", ve.GetFlag().Name, ve.GetValue(), want)
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
