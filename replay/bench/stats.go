package bench

import (
	"math"
	"slices"
)

// quantile is the p-th percentile of sorted values by nearest rank.
func quantile[T any](sorted []T, p int) T {
	n := (len(sorted)*p + 99) / 100
	return sorted[max(n, 1)-1]
}

// meanDev is the mean and the standard deviation, which ping calls mdev.
func meanDev(v []int64) (mean, dev int64) {
	var sum, sq float64
	for _, x := range v {
		sum += float64(x)
	}
	m := sum / float64(len(v))
	for _, x := range v {
		sq += (float64(x) - m) * (float64(x) - m)
	}
	return int64(math.Round(m)), int64(math.Round(math.Sqrt(sq / float64(len(v)))))
}

// fill computes what the round trips amount to.
func (e *Echo) fill(took []int64) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	e.Min, e.Max = took[0], took[len(took)-1]
	e.P50, e.P99 = quantile(took, 50), quantile(took, 99)
	e.Avg, e.Mdev = meanDev(took)
}

// Spread is a value over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spread is the median of v and its ends; the mean of the two in the middle
// where their number is even. Without values it is NaN-free zero, and ok false.
func spread(v []float64) (s Spread, ok bool) {
	if len(v) == 0 {
		return s, false
	}
	v = slices.Sorted(slices.Values(v))
	mid := len(v) / 2
	s = Spread{Median: v[mid], Min: v[0], Max: v[len(v)-1]}
	if len(v)%2 == 0 {
		s.Median = (v[mid-1] + v[mid]) / 2
	}
	return s, true
}
