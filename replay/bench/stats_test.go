package bench

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want Spread
		ok   bool
	}{
		{nil, Spread{}, false},
		{[]float64{3}, Spread{3, 3, 3}, true},
		{[]float64{9, 1, 5}, Spread{5, 1, 9}, true},
		{[]float64{4, 1, 100, 2}, Spread{3, 1, 100}, true}, // the mean of the middle two
	} {
		if got, ok := spread(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("spread(%v) = %+v, %v: want %+v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
	v := []float64{3, 1, 2}
	spread(v)
	if v[0] != 3 {
		t.Error("spread sorts its argument")
	}
}

func TestEchoFill(t *testing.T) {
	var e Echo
	var took []int64
	for i := int64(100); i >= 1; i-- {
		took = append(took, i*1000)
	}
	e.fill(took)
	// Nearest rank: the 50th and the 99th of 100.
	want := Echo{Min: 1000, Avg: 50500, Max: 100000, Mdev: 28866, P50: 50000, P99: 99000}
	if e != want {
		t.Errorf("%+v, want %+v", e, want)
	}
	e = Echo{}
	e.fill([]int64{7})
	if want := (Echo{Min: 7, Avg: 7, Max: 7, P50: 7, P99: 7}); e != want {
		t.Errorf("of one: %+v, want %+v", e, want)
	}
	e = Echo{Sent: 3, Lost: 3}
	e.fill(nil)
	if want := (Echo{Sent: 3, Lost: 3}); e != want {
		t.Errorf("of none: %+v, want %+v", e, want)
	}
}

func TestBucketEnd(t *testing.T) {
	b := []float64{math.Inf(-1), 1, 2, math.Inf(1)}
	for i, want := range []float64{1, 2, 2} {
		if got := bucketEnd(b, i); got != want {
			t.Errorf("bucket %d ends at %g, want %g", i, got, want)
		}
	}
}

var escape *[100]byte

// The watch sees allocations between its looks, and a collection's pause.
func TestGoWatch(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	w := &goWatch{}
	if w.result() != nil {
		t.Error("a result without a look")
	}
	w.look(&w.start)
	runtime.GC()
	for range 1000 {
		escape = new([100]byte)
	}
	w.look(&w.flood)
	for range 100 {
		escape = new([100]byte)
	}
	w.look(&w.end)
	g := w.result()
	// The looks themselves allocate a little.
	if g.Flood < 100 || g.Flood > 200 || g.Mallocs < 1100 || g.Mallocs > 1400 {
		t.Errorf("%+v: want 100 mallocs in the flood and 1100 in all, or few more", g)
	}
	if g.Cycles != 1 || g.PauseMax <= 0 || g.PauseMax > int64(10*time.Second) {
		t.Errorf("%+v: want one cycle, and its pause", g)
	}
}
