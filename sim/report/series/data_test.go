package series

import (
	"math/big"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// TestDistribution checks that at every point no fewer than so many percent took
// no longer, and that one less would be too few.
func TestDistribution(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 11, 200, 272, 1000, 1999} {
		h := hdrhistogram.New(1, 1<<20, 5) // exact
		for i := range n {
			if err := h.RecordValue(i + 1); err != nil {
				t.Fatal(err)
			}
		}
		d := distribution(h, n)
		for i, p := range d.Percentiles {
			share, ok := new(big.Rat).SetString(big.NewFloat(p).Text('f', 3))
			if !ok {
				t.Fatal(p)
			}
			share.Mul(share, big.NewRat(n, 100))
			rank := d.Spans[i]
			if big.NewRat(rank, 1).Cmp(share) < 0 || rank > 1 && big.NewRat(rank-1, 1).Cmp(share) >= 0 {
				t.Errorf("p%v of %d is the %d-th", p, n, rank)
			}
		}
	}
}
