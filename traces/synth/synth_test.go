package synth

import (
	"testing"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

func TestDeterministic(t *testing.T) {
	for _, kind := range Kinds() {
		a, err := New(kind, 3)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := New(kind, 3)
		other, _ := New(kind, 4)
		same := true
		var last pkt.Time
		for i := range 5000 {
			var x, y, z traces.Record
			a.Next(&x)
			b.Next(&y)
			other.Next(&z)
			if x != y {
				t.Fatalf("%s: record %d differs", kind, i)
			}
			if x.Time < last || x.Segs == 0 || x.Len == 0 {
				t.Fatalf("%s: record %d is %+v", kind, i, x)
			}
			last = x.Time
			same = same && x == z
		}
		if same {
			t.Errorf("%s: the seed changes nothing", kind)
		}
	}
	if _, err := New("nonsense", 1); err == nil {
		t.Error("unknown kind: no error")
	}
}

func TestMemoryDoesNotGrow(t *testing.T) {
	for _, kind := range Kinds() {
		g, err := New(kind, 1)
		if err != nil {
			t.Fatal(err)
		}
		var r traces.Record
		run := func() {
			for range 10000 {
				g.Next(&r)
			}
		}
		run()
		if n := testing.AllocsPerRun(3, run); n > 2 {
			t.Errorf("%s: %.0f allocations for 10000 records", kind, n)
		}
	}
}
