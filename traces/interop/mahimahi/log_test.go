package mahimahi_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/interoptest"
	"github.com/uqtool/uq/traces/interop/mahimahi"
)

// sums are a log's bytes by the kind of line.
type sums map[string]uint64

// parse reads a log by the rules of mm-throughput-graph.
func parse(t *testing.T, log string) (s sums, last int64) {
	t.Helper()
	s = sums{}
	based := false
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			if strings.HasPrefix(line, "# base timestamp: ") {
				if based {
					t.Fatal("two base timestamps")
				}
				based = true
			}
			continue
		}
		f := strings.Split(line, " ")
		var at, n int64
		if _, err := fmt.Sscan(f[0], &at); err != nil || len(f) < 3 || !based || at < last {
			t.Fatalf("line %q after %d: %v", line, last, err)
		}
		last = at
		size := f[2]
		if f[1] == "d" {
			size = f[3]
		}
		if _, err := fmt.Sscan(size, &n); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		s[f[1]] += uint64(n)
		if f[1] == "-" {
			var delay int64
			if _, err := fmt.Sscan(f[3], &delay); err != nil || delay < 0 || delay > at {
				t.Fatalf("line %q: delay before the beginning", line)
			}
		}
	}
	return s, last
}

// TestLog holds a log's sums against the run's.
func TestLog(t *testing.T) {
	for _, c := range []struct {
		rate  uint64
		drops bool
	}{{20_000_000, false}, {20_000_000, true}, {1_000_003, false}, {0, false}} {
		var b bytes.Buffer
		var l interoptest.List
		run := interoptest.Run("pfifo limit 50", "rate 20mbit")
		run.Rate = c.rate
		interoptest.Simulate(t, "mix.zst", "pfifo limit 50", "rate 20mbit delay 10ms", interop.Tee(mahimahi.NewLog(&b, run, c.drops), &l))
		want := sums{}
		for _, e := range l.Events {
			switch {
			case e.Kind == egress.Enqueue:
				want["+"] += uint64(e.Record.Len)
			case e.Kind == egress.Deliver:
				want["-"] += uint64(e.Record.Len)
				if c.rate == 0 {
					want["#"] += uint64(e.Record.Len)
				}
			case e.Kind == egress.Drop && c.drops:
				want["d"] += uint64(e.Record.Len)
			}
		}
		if c.rate > 0 {
			want["#"] = c.rate * uint64(l.End/1e6) / 8000
		}
		got, last := parse(t, b.String())
		for _, k := range []string{"+", "-", "#", "d"} {
			if got[k] != want[k] {
				t.Errorf("%+v: %d bytes of %s, want %d", c, got[k], k, want[k])
			}
		}
		if last != int64(l.End/1e6) {
			t.Errorf("%+v: ends at %d ms, the run at %v", c, last, l.End)
		}
	}
}
