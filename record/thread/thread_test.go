package thread

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want []int // nil for an error
	}{
		{"0", []int{0}}, {"0,2-4", []int{0, 2, 3, 4}}, {"3,1", []int{3, 1}}, {"1023", []int{1023}},
		{"", nil}, {"a", nil}, {"-1", nil}, {"1-", nil}, {"3-1", nil}, {"0,,1", nil}, {"1024", nil}, {"0-9999999", nil},
	} {
		got, err := ParseCPUs(tt.s)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v, want %v", tt.s, got, err, tt.want)
		}
	}
}

func TestValidate(t *testing.T) {
	for nice, ok := range map[int]bool{-21: false, -20: true, 0: true, 19: true, 20: false} {
		if err := (Options{Nice: nice}).Validate(); (err == nil) != ok {
			t.Errorf("niceness %d: %v", nice, err)
		}
	}
}

// TestReserve: beside the loops there is room for one goroutine more, and the
// last release leaves all as it was.
func TestReserve(t *testing.T) {
	procs := runtime.GOMAXPROCS(0)
	gc := debug.SetGCPercent(123)
	defer debug.SetGCPercent(gc)
	var release []func()
	for n := 1; n <= procs+2; n++ {
		release = append(release, Reserve())
		if got := runtime.GOMAXPROCS(0); got != max(procs, n+1) {
			t.Errorf("%d loops: GOMAXPROCS %d, want %d", n, got, max(procs, n+1))
		}
	}
	for _, f := range release {
		f()
		f()
	}
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("after all: GOMAXPROCS %d, want %d", got, procs)
	}
	if got := debug.SetGCPercent(100); got != 123 {
		t.Errorf("after all: GC percent %d, want 123", got)
	}
}
