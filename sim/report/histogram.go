package report

import (
	"math"
	"math/bits"
)

// Histogram counts spans in buckets as HdrHistogram does: the spans of a power
// of two share half as many buckets as the smallest, which have one each.
type Histogram struct {
	half   uint   // log2 of the buckets of a power of two
	least  uint64 // the largest span with a bucket of its own
	counts []uint32
	wraps  []uint64 // how often these went through 0; nil while none did
}

// The precisions: with 1024 buckets a power of two a span is known to 0.1 % and
// they take 145 kB, with 128 to 0.8 % and 20 kB.
const (
	Fine   = 10
	Coarse = 7
)

// usualNs is the largest span that a histogram has buckets for from the start,
// about five hours; for larger ones it grows, to 1.6 times that at most.
const usualNs = 1 << 44

// NewHistogram returns an empty histogram of a precision, Fine or Coarse.
func NewHistogram(half uint) *Histogram {
	h := &Histogram{half: half, least: 2<<half - 1}
	h.counts = make([]uint32, h.bucket(usualNs)+1)
	return h
}

// bucket is where v is counted.
func (h *Histogram) bucket(v uint64) uint64 {
	shift := uint(bits.Len64(v|h.least)) - h.half - 1
	// That shifts are below 64 spares the compiler's check.
	return uint64(shift)<<(h.half&63) + v>>(shift&63)
}

// top is the largest span of a bucket.
func (h *Histogram) top(bucket uint64) int64 {
	if bucket <= h.least {
		return int64(bucket)
	}
	shift := bucket>>h.half - 1
	return int64((bucket-shift<<h.half+1)<<shift - 1)
}

func (h *Histogram) record(ns int64) {
	b := h.bucket(uint64(ns))
	if b >= uint64(len(h.counts)) {
		b = h.grow(b)
	}
	h.counts[b]++
	if h.counts[b] == 0 {
		h.wrapped(b)
	}
}

// wrapped notes that bucket b holds 1<<32 spans more than its count says.
func (h *Histogram) wrapped(b uint64) {
	for uint64(len(h.wraps)) <= b {
		h.wraps = append(h.wraps, 0)
	}
	h.wraps[b]++
}

// grow makes buckets up to b, which is that of a negative span if it is beyond
// all others.
func (h *Histogram) grow(b uint64) uint64 {
	b = min(b, h.bucket(math.MaxInt64))
	if more := int(b) + 1 - len(h.counts); more > 0 {
		h.counts = append(h.counts, make([]uint32, more)...)
	}
	return b
}

// atRank is the largest span that may be the rank-th smallest, counted from 1.
func (h *Histogram) atRank(rank uint64) int64 {
	sum := uint64(0)
	for i, n := range h.counts {
		if i < len(h.wraps) {
			sum += h.wraps[i] << 32
		}
		if sum += uint64(n); sum >= rank {
			return h.top(uint64(i))
		}
	}
	return math.MaxInt64
}
