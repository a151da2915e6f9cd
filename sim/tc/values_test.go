package tc

import (
	"strings"
	"testing"
)

func TestFractions(t *testing.T) {
	for in, want := range map[string]uint32{
		"0": 0, "0.02": 85899345, "2e-2": 85899345, ".5": 1 << 31, "1": 1<<32 - 1, "1.0": 1<<32 - 1, "0.333333": 1431654333,
		"1E-3": 4294967, "0.0000000001": 0,
	} {
		if got, err := ParseFraction(in); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "1.1", "-0.1", "2%", "1/3", "1e9999999", "0x1p-2", "1e", "1_0e-3", "nan", "1e2"} {
		if got, err := ParseFraction(in); err == nil {
			t.Errorf("%q was read as %d", in, got)
		}
	}
	if got := FormatFraction(85899345); got != "0.02" {
		t.Errorf("0.02 prints as %s", got)
	}
}

// TestValueOptions has words and what they print as.
func TestValueOptions(t *testing.T) {
	for _, c := range []struct {
		words, want string
	}{
		{"map 3 2", "x map 3 2 0 part 0 burst 1b"},
		{"map 1 2 3 part 0.25 secs 10", "x map 1 2 3 part 0.25 secs 10sec burst 1b"},
		{"map 1 2 3 secs 7sec burst 2k/8", "x map 1 2 3 part 0 secs 7sec burst 2Kb"},
		{"maxburst 3000", "x map 0 0 0 part 0 burst 3000b"},
		{"map 1 2 3 4", "at most 3 numbers"},
		{"map 9", "want 0 to 8"},
		{"map", "want numbers"},
		{"map part", "want numbers"},
		{"part 2", "from 0 to 1"},
		{"secs 10ms", "whole seconds"},
		{"secs 61", "want 0 to 60"},
		{"burst 10k/9", "power of two"},
		{"burst 10k/", "power of two"},
	} {
		list, part, secs, burst := make([]int, 3), uint32(0), 0, 1
		size := SizeCell("burst", &burst, 1, 1<<20, "")
		o := Options{List("map", list, 8, ""), Fraction("part", &part, ""), Seconds("secs", &secs, 60, ""), size, size.As("maxburst")}
		got := ""
		if err := o.Parse("x", strings.Fields(c.words)); err != nil {
			got = err.Error()
		} else {
			got = Line("x", o.Fields())
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.words, got, c.want)
		}
	}
}

// TestValuesForMachines checks what JSON gets where tc has no plain number.
func TestValuesForMachines(t *testing.T) {
	list, part := []int{1, 2}, uint32(85899345)
	f := Options{List("map", list, 8, ""), Fraction("part", &part, "")}.Fields()
	list[0] = 7 // a field is a copy
	if m := f[0].Value.([]int); m[0] != 1 || m[1] != 2 {
		t.Errorf("list %v", m)
	}
	if p := f[1].Value.(float64); p != 0.02 {
		t.Errorf("fraction %v", p)
	}
}
