package series

import "math/bits"

// spans is a small histogram of spans: eight buckets an octave, in units of
// 1.024 us, up to four hours.
type spans [spanBuckets]uint32

const (
	spanUnit    = 10 // log2 of the unit in ns
	spanOctaves = 34
	spanBits    = 3 // log2 of the buckets an octave
	spanBuckets = (spanOctaves - spanBits + 1) << spanBits
)

// bucket is the place of a span.
func bucket(ns int64) int {
	v := uint64(max(ns, 0)) >> spanUnit
	if v >= 1<<spanOctaves {
		return spanBuckets - 1
	}
	shift := max(bits.Len64(v)-spanBits-1, 0)
	return shift<<spanBits + int(v>>shift)
}

// middle is the span that stands for a bucket.
func middle(i int) int64 {
	shift := max(i>>spanBits-1, 0)
	low := int64(i-shift<<spanBits) << shift
	return (2*low + 1<<shift) << spanUnit / 2
}

func (h *spans) add(ns int64) { h[bucket(ns)]++ }

func (h *spans) merge(o *spans) {
	for i, n := range o {
		h[i] += n
	}
}

// quantile is the span that so many thousandths of n do not exceed.
func (h *spans) quantile(n uint64, thousandths uint64) int64 {
	rank := max((n*thousandths+999)/1000, 1)
	var seen uint64
	for i, c := range h {
		if seen += uint64(c); seen >= rank {
			return middle(i)
		}
	}
	return 0
}
