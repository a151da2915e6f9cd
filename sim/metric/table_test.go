package metric

import (
	"slices"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
)

// TestTables checks that every name means one thing and is documented.
func TestTables(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Station() {
		if seen[m.Name] || m.Help == "" {
			t.Errorf("metric of a station: %+v", m)
		}
		seen[m.Name] = true
	}
	clear(seen)
	for _, m := range slices.Concat(Metrics(), Medium()) {
		if seen[m.Name] || m.Help == "" || m.Unit == Plain {
			t.Errorf("metric %+v", m)
		}
		seen[m.Name] = true
		if _, ok := builtin.Kinds().Find(m.Name); ok {
			t.Errorf("%s is a qdisc, too", m.Name)
		}
		if _, err := Parse(m.Name + " > 0"); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"drops_aqm", "marks_ce_threshold", "sojourn_p99", "throughput"} {
		if !seen[want] {
			t.Errorf("no metric %s", want)
		}
	}
}

// TestStatUnits holds the units of schedulers' own counters to how each prints
// them.
func TestStatUnits(t *testing.T) {
	needed := map[string]string{"tbf": "tbf rate 1mbit burst 10k limit 30k", "red": "red limit 400000 avpkt 1000"}
	n := 0
	for _, k := range builtin.Kinds() {
		words := k.Name
		if w, ok := needed[k.Name]; ok {
			words = w
		}
		l := lane(t, words, nil, nil, 50)
		all := l.Port.Scheduler().(sched.Describer).Stats()
		if tinned, ok := l.Port.Scheduler().(sched.Tinned); ok {
			all = slices.Concat(all, slices.Concat(tinned.Tins()...))
		}
		for _, f := range all {
			want := Plain
			text := strings.ToLower(f.Text)
			switch {
			case strings.HasSuffix(text, "bit"):
				want = Rate
			case strings.HasSuffix(text, "s"):
				want = Time
			case strings.HasSuffix(text, "b"):
				want = Bytes
			case strings.HasSuffix(f.Key, "_us"):
				want = Time
			case strings.HasSuffix(f.Key, "bytes"), strings.HasPrefix(f.Key, "memory"), f.Key == "max_memory_used":
				want = Bytes
			}
			if got := StatUnit(key(f.Key)); got != want {
				t.Errorf("%s: %s %s is in %q, want %q", k.Name, f.Key, f.Text, got, want)
			}
			n++
		}
	}
	if n < 100 {
		t.Errorf("only %d counters", n)
	}
}
