package random_test

import (
	"testing"

	"github.com/uqtool/uq/sim/random"
)

func TestStream(t *testing.T) {
	a, b := random.Stream(1, "red"), random.Stream(1, "red")
	c, d := random.Stream(1, "pie"), random.Stream(2, "red")
	x := a.Uint64()
	if x != b.Uint64() {
		t.Error("one name, two streams")
	}
	if x == c.Uint64() || x == d.Uint64() {
		t.Error("streams of different names or seeds agree")
	}
	const golden = 0xb1170048a6e5a312
	if x != golden {
		t.Errorf("first value %#x, want %#x: recorded runs would change", x, uint64(golden))
	}
}
