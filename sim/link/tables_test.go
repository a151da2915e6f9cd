package link

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"testing"
)

// TestTables compares the integer tables with what the formulas give, and checks
// their moments.
func TestTables(t *testing.T) {
	quantile := map[string]func(u float64) float64{
		"normal": func(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) },
		"pareto": func(u float64) float64 { return (math.Pow(1-u, -1.0/3) - 1.5) / math.Sqrt(0.75) },
	}
	for _, name := range []string{"normal", "pareto", "paretonormal"} {
		table := newTable(name)
		if len(table) != tableSize || !slices.IsSorted(table) {
			t.Fatalf("%s: %d entries, sorted %v", name, len(table), slices.IsSorted(table))
		}
		var mean, square float64
		for _, v := range table {
			mean += float64(v) / tableSize
			square += float64(v) * float64(v) / tableSize
		}
		within(t, name+": mean", mean, 0, 0.5)
		within(t, name+": deviation", math.Sqrt(square), tableScale, 1)
		f := quantile[name]
		if f == nil {
			continue
		}
		// The discrete table's own moments, by which it is normalized.
		var m, s float64
		for i := range table {
			m += f((float64(i)+.5)/tableSize) / tableSize
		}
		for i := range table {
			x := f((float64(i)+.5)/tableSize) - m
			s += x * x / tableSize
		}
		for i, v := range table {
			want := (f((float64(i)+.5)/tableSize) - m) / math.Sqrt(s) * tableScale
			within(t, name, float64(v), want, 2)
		}
	}
	if newTable("uniform") != nil || newTable("") != nil {
		t.Error("uniform has a table")
	}
}

// TestTablesGolden pins the tables: a change breaks every recorded run with one.
func TestTablesGolden(t *testing.T) {
	h := sha256.New()
	for _, name := range []string{"normal", "pareto", "paretonormal"} {
		for _, v := range newTable(name) {
			h.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		}
	}
	const golden = "167397368a5bee87cb55f1df85b04f05e480121bc41d3ad0fbbad0b52557923c"
	if got := hex.EncodeToString(h.Sum(nil)); got != golden {
		t.Errorf("tables have SHA-256 %s, want %s", got, golden)
	}
}

// BenchmarkTables is what making a link with a distribution costs.
func BenchmarkTables(b *testing.B) {
	for _, name := range tableNames[1:] {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				newTable(name)
			}
		})
	}
}
