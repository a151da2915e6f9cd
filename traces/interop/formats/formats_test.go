package formats_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/uqtool/uq/traces/interop/formats"
	"github.com/uqtool/uq/traces/interop/interoptest"
)

// TestParse holds what users write.
func TestParse(t *testing.T) {
	for _, c := range []struct{ spec, format, file string }{
		{"run.pcapng", "pcapng", "run.pcapng"},
		{"dir.csv/run.events.csv", "csv-events", "dir.csv/run.events.csv"},
		{"run.csv", "csv", "run.csv"},
		{"x.flent.gz", "flent", "x.flent.gz"},
		{"x.mahimahi.log", "mahimahi", "x.mahimahi.log"},
		{"jsonl:-", "jsonl", "-"},
		{"hlog:C:/x.csv", "hlog", "C:/x.csv"},
		{"C:/x.csv", "csv", "C:/x.csv"},
		{"csv:", "", ""}, {"x.gz", "", ""}, {"nothing:x", "", ""}, {"", "", ""},
	} {
		f, file, err := formats.Parse(c.spec)
		if (err == nil) != (c.format != "") || err == nil && (f.Name != c.format || file != c.file) {
			t.Errorf("%q: %+v, %q, %v", c.spec, f, file, err)
		}
	}
}

// TestStem holds where a file's name can be added to.
func TestStem(t *testing.T) {
	for _, c := range []struct{ format, file, stem, ending string }{
		{"flent", "a/run.flent.gz", "a/run", ".flent.gz"}, {"csv", "run.txt", "run", ".txt"},
		{"csv", "a.b/run", "a.b/run", ""}, {"pcapng", "run.pcapng", "run", ".pcapng"},
	} {
		f, err := formats.ByName(c.format)
		if err != nil {
			t.Fatal(err)
		}
		if stem, ending := f.Stem(c.file); stem != c.stem || ending != c.ending {
			t.Errorf("%s: %q %q", c.file, stem, ending)
		}
	}
}

// TestAll holds that every format writes the same bytes twice, and that names and
// endings are their own.
func TestAll(t *testing.T) {
	names, endings := map[string]bool{}, map[string]bool{}
	for _, f := range formats.All() {
		if names[f.Name] || endings[f.Ending] || f.What == "" {
			t.Errorf("%+v", f)
		}
		names[f.Name], endings[f.Ending] = true, true
		var sums [2][32]byte
		for i := range sums {
			var b bytes.Buffer
			w, err := f.New(&b, interoptest.Run("fq_codel", "rate 20mbit"))
			if err != nil {
				t.Fatal(err)
			}
			interoptest.Simulate(t, "udp.zst", "fq_codel", "rate 20mbit", w)
			if b.Len() < 500 {
				t.Errorf("%s: %d bytes", f.Name, b.Len())
			}
			sums[i] = sha256.Sum256(b.Bytes())
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: two runs differ", f.Name)
		}
	}
}
