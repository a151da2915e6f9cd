package builtin

import (
	"testing"

	"github.com/uqtool/uq/sim/sched"
)

// TestWordsAreNoFields checks that words which only set something, such as
// "overflow", are not fields of their own for machines.
func TestWordsAreNoFields(t *testing.T) {
	for spec, words := range map[string][]string{
		"dualpi2": {"overflow", "drop_dequeue", "any_ect", "no_split_gso"}, "pie": {"no_dq_rate_estimator"}, "cake": {"besteffort", "raw"},
	} {
		s, err := New(spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.(sched.Describer).Options() {
			for _, w := range words {
				if f.Key == w && (f.Flag || !f.Hidden) && !f.Bare {
					t.Errorf("%s: %s is a field: %+v", spec, w, f)
				}
			}
		}
	}
}
