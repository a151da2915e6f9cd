package fq

import (
	"fmt"
	"strings"
	"testing"
)

// state prints the lists: "new 1:90 old 0:-30" is flow 1 with deficit 90 among
// the new flows, flow 0 with -30 among the old.
func state(r *Rounds) string {
	var b strings.Builder
	b.WriteString("new")
	print := func(f *Flow) { fmt.Fprintf(&b, " %d:%d", f.Index, f.Deficit) }
	r.New.Each(print)
	b.WriteString(" old")
	r.Old.Each(print)
	return b.String()
}

// TestRounds walks through the rules: packets of 120 bytes, a quantum of 90, as
// in ns-3's test of deficits, then what happens to flows that empty.
func TestRounds(t *testing.T) {
	var r Rounds
	flows := [3]Flow{{Index: 0}, {Index: 1}, {Index: 2}}
	send := func(want int) {
		f := r.Next(90)
		if f == nil || f.Index != want {
			t.Fatalf("%s: it is %v's turn, want flow %d", state(&r), f, want)
		}
		f.Deficit -= 120
	}
	check := func(step, want string) {
		t.Helper()
		if got := state(&r); got != want {
			t.Fatalf("%s: %s, want %s", step, got, want)
		}
	}
	r.Add(&flows[0], 90)
	send(0)
	check("sent one", "new 0:-30 old")
	if r.Add(&flows[0], 90) {
		t.Fatal("a listed flow became new")
	}
	r.Add(&flows[1], 90)
	send(1) // flow 0 is in debt
	check("flow 0 became old", "new 1:-30 old 0:60")
	send(0)
	check("so did flow 1", "new old 0:-60 1:60")
	send(1)
	check("in turn", "new old 1:-60 0:30")

	r.Add(&flows[2], 90)
	r.Next(90)
	if r.Retire() {
		t.Fatal("a new flow that emptied did not pass through the old ones")
	}
	check("new and empty", "new old 1:-60 0:30 2:90")
	for r.Next(90) != nil {
		r.Retire()
	}
	check("all empty", "new old")
	r.Add(&flows[2], 90)
	r.Next(90)
	if !r.Retire() || flows[2].Listed() {
		t.Fatal("a new flow that emptied beside no old ones stayed")
	}
	if r.New.Len() != 0 || r.Old.Len() != 0 || r.Next(90) != nil {
		t.Fatalf("%s", state(&r))
	}
}
