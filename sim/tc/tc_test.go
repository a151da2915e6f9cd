package tc

import (
	"testing"
	"time"
)

// TestRates has tc(8)'s units, among them the traps: bps is bytes.
func TestRates(t *testing.T) {
	for in, want := range map[string]uint64{
		"1": 1, "20mbit": 20e6, "20Mbit": 20e6, "1.5mbit": 1.5e6, "500kbit": 5e5, "1gbit": 1e9, "1kibit": 1024,
		"20mbps": 160e6, "1kibps": 8192, "2.4tbit": 2.4e12, "0.1kbit": 100, ".5kbit": 500, "10bit": 10,
	} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "mbit", "20 mbit", "20mb", "-1mbit", "1.2.3mbit", "99999999999tbit", "1e6", "20%", "0x10mbit", "."} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("%q was read as %d", in, got)
		}
	}
}

func TestTimes(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"5ms": 5 * time.Millisecond, "100us": 100 * time.Microsecond, "1.5s": 1500 * time.Millisecond,
		"3secs": 3 * time.Second, "7usec": 7 * time.Microsecond, "12ns": 12, "0": 0, "0.0": 0, "5MS": 5 * time.Millisecond,
	} {
		if got, err := ParseTime(in); err != nil || got != want {
			t.Errorf("%q = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "5", "ms", "5min", "-5ms", "99999999999s"} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]uint64{
		"1514": 1514, "1514b": 1514, "10k": 10240, "32Mb": 32 << 20, "1g": 1 << 30, "8kbit": 1024, "1.5k": 1536,
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestCounts(t *testing.T) {
	for in, want := range map[string]uint64{"10240": 10240, "10240p": 10240, "0x10": 16, "010": 8} {
		if got, err := ParseCount(in); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "4294967296", "1k", "1.5"} {
		if got, err := ParseCount(in); err == nil {
			t.Errorf("%q was read as %d", in, got)
		}
	}
}

func TestFormat(t *testing.T) {
	for want, got := range map[string]string{
		"20Mbit": FormatRate(20e6), "1500Kbit": FormatRate(1.5e6), "1Gbit": FormatRate(1e9), "999bit": FormatRate(999),
		"12345bit": FormatRate(12345), "0bit": FormatRate(0),
		"5ms": FormatTime(5 * time.Millisecond), "1.5s": FormatTime(1500 * time.Millisecond), "250us": FormatTime(250 * time.Microsecond),
		"0us": FormatTime(0), "12ns": FormatTime(12), "100ms": FormatTime(99999744), "5.00ms"[:1] + "ms": FormatTime(4999168),
		"32Mb": FormatSize(32 << 20), "1514b": FormatSize(1514), "10Kb": FormatSize(10240),
		"2Mb": FormatSize(2097000), "2Kb": FormatSize(2040), "-5ms": FormatTime(-5 * time.Millisecond), "1000b": FormatSize(1000),
	} {
		if got != want {
			t.Errorf("printed %s, want %s", got, want)
		}
	}
}

// FuzzParse checks that what is accepted prints as something accepted again, at
// the same value as far as the printed digits go.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"20mbit", "5ms", "32Mb", "1.5s", "..", "9223372036854775807s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRate(s); err == nil {
			if _, err := ParseRate(FormatRate(r)); err != nil {
				t.Errorf("rate %q prints as %q: %v", s, FormatRate(r), err)
			}
		}
		if d, err := ParseTime(s); err == nil {
			if d < 0 {
				t.Errorf("time %q is %v", s, d)
			}
		}
		_, _ = ParseSize(s)
		_, _ = ParseCount(s)
	})
}

// TestWords checks that a bare word has no opposite, a flag does, and that a
// bare field prints its text alone.
func TestWords(t *testing.T) {
	raw, nat := false, true
	o := Options{Word("raw", "", func() { raw = true }), Flag("nat", &nat, "")}
	if err := o.Parse("cake", []string{"raw", "nonat"}); err != nil || !raw || nat {
		t.Errorf("raw nonat: %v, raw %v nat %v", err, raw, nat)
	}
	if err := o.Parse("cake", []string{"noraw"}); err == nil {
		t.Error("noraw was accepted")
	}
	line := Line("cake", []Field{
		{Key: "diffserv", Value: "besteffort", Text: "besteffort", Bare: true},
		{Key: "fwmark", Value: "0x0", Bare: true},
		{Key: "overhead", Num: 18},
	})
	if want := "cake besteffort overhead 18"; line != want {
		t.Errorf("line %q, want %q", line, want)
	}
}

// TestDecimal checks numbers with decimals as dualpi2 has them: in parts of
// 1/256, rounded down, printed as C prints a float.
func TestDecimal(t *testing.T) {
	v := 41
	o := Options{Decimal("alpha", &v, 256, 100, "")}
	for in, want := range map[string]string{"0.16": "0.156250", "3.2": "3.199219", "100": "100.000000", "0": "0.000000", ".5": "0.500000"} {
		if err := o.Parse("x", []string{"alpha", in}); err != nil || o.Fields()[0].Text != want {
			t.Errorf("%q reads as %s, %v; want %s", in, o.Fields()[0].Text, err, want)
		}
	}
	for _, in := range []string{"", "100.01", "-1", "1e3", "0.1.2", "x", "99999999999999999999"} {
		if err := o.Parse("x", []string{"alpha", in}); err == nil {
			t.Errorf("%q was read as %d", in, v)
		}
	}
	if f := Ratio("prob", "%.6g", 1, 3); f.Text != "0.333333" || f.Value != 1.0/3 || f.Num != 1 {
		t.Errorf("1/3 is %+v", f)
	}
}
