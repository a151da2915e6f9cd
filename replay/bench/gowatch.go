package bench

import (
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
)

// goWatch looks at the Go runtime's counters three times: at the start, when the
// flood begins, and at the end. The zero value has seen nothing.
type goWatch struct {
	mu                sync.Mutex
	start, flood, end *goCounters
}

// goCounters is the state of the runtime's counters at some time.
type goCounters struct {
	mallocs, cycles uint64
	pauses          []uint64
	buckets         []float64
}

// readGo counts mallocs with MemStats: it stops the program for some ten
// microseconds, but the metric of that name forgets what is in the caches of
// the processors, thousands of objects, until a collection.
func readGo() *goCounters {
	m := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(m)
	h := m[0].Value.Float64Histogram()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return &goCounters{ms.Mallocs, uint64(ms.NumGC), slices.Clone(h.Counts), h.Buckets}
}

// look takes one of the looks.
func (w *goWatch) look(at **goCounters) {
	c := readGo()
	w.mu.Lock()
	defer w.mu.Unlock()
	*at = c
}

// result is what the runtime has done between the looks, nil without a start and
// an end.
func (w *goWatch) result() *GoRuntime {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.start == nil || w.end == nil {
		return nil
	}
	g := &GoRuntime{Mallocs: w.end.mallocs - w.start.mallocs, Cycles: w.end.cycles - w.start.cycles}
	if w.flood != nil {
		g.Flood = w.end.mallocs - w.flood.mallocs
	}
	for i, n := range w.end.pauses {
		if n > w.start.pauses[i] {
			g.PauseMax = int64(math.Round(bucketEnd(w.end.buckets, i) * 1e9))
		}
	}
	return g
}

// bucketEnd is the upper end of bucket i, or its lower one where it has none.
func bucketEnd(buckets []float64, i int) float64 {
	if end := buckets[i+1]; !math.IsInf(end, 0) {
		return end
	}
	return buckets[i]
}
