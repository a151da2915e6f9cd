package builtin

import (
	"fmt"
	"testing"

	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

// fuzzed has a line for every kind, with options that leave little room.
func fuzzed() []string {
	return []string{
		"pfifo limit 5", "bfifo limit 3000", "pfifo_fast",
		"prio bands 4 priomap 0 1 2 3 0 1 2 3 [pfifo limit 3] [tbf rate 1mbit burst 60k limit 9k] [sfq limit 5] [red limit 9k avpkt 100]",
		"red limit 20k min 1k max 3k avpkt 100 adaptive ecn", "red limit 20k min 1k max 3k avpkt 100 ecn nodrop harddrop [fq_codel limit 9]",
		"sfq limit 9 depth 3 flows 5 divisor 8 perturb 1 headdrop", "sfq limit 30 redflowlimit 9000 min 500 max 3000 avpkt 100 ecn headdrop",
		"drr classes 3 quantum 100 [pfifo limit 3] [codel] [tbf rate 1mbit burst 60k limit 9k [drr classes 2]]",
		"tbf rate 1mbit burst 10k latency 50ms", "tbf rate 8bit burst 60k limit 9k peakrate 16bit mtu 1500 overhead 9 linklayer atm [prio]", "tbf rate 4611686018427387904bit burst 2047m limit 9k",
		"codel limit 9 target 1ms interval 5ms ecn ce_threshold 1ms", "cobalt", "fq_codel limit 9 flows 3 memory_limit 20k drop_batch 2",
		"pie limit 9 target 1ms tupdate 1ms ecn", "fq_pie limit 9 flows 3 memory_limit 20k", "dualpi2 limit 9",
		"cake bandwidth 1mbit diffserv8 ack-filter-aggressive memlimit 20k", "cake besteffort flowblind",
		"mac80211 limit 9 flows 3 quantum 100 target 1ms interval 5ms drop_batch 2", "mac80211 airtime aql slow weight 9 10 memory_limit 20k keep 0",
	}
}

// FuzzCalls plays any script of calls to any kind and checks what the
// conformance suite checks.
func FuzzCalls(f *testing.F) {
	for i := range fuzzed() {
		f.Add(uint8(i), []byte("\x00\x01\x80\xb8\x00\x02\x87\x01\x04\x06\x1e\x07\x01\x03\xff\x02\x05\x06\x14\x04\x07"))
		f.Add(uint8(i), []byte("aaaabbbbccccddddaaaabbbbccccddddaaaabbbb\x04\x04\x04\x06\x2a\x04\x04\x07\x07\x07"))
	}
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		spec := fuzzed()[int(which)%len(fuzzed())]
		schedtest.Ops(t, func(env sched.Env) (sched.Scheduler, error) { return New(spec, env) }, schedtest.Properties{}, script)
	})
}

// TestFuzzedCoversAll keeps the fuzzed lines up with the list.
func TestFuzzedCoversAll(t *testing.T) { covers(t, fuzzed()) }

// covers fails if no line is of a kind of the list.
func covers(t *testing.T, lines []string) {
	t.Helper()
	covered := map[string]bool{}
	for _, spec := range lines {
		s, err := New(spec, sched.Env{})
		if err != nil {
			t.Fatal(err)
		}
		covered[s.(sched.Describer).Kind()] = true
	}
	for _, k := range Kinds() {
		if !covered[k.Name] {
			t.Errorf("no line for %s", k.Name)
		}
	}
}

// FuzzWords checks that any line is either refused or made, and that one that is
// made prints as one that is made again.
func FuzzWords(f *testing.F) {
	for _, spec := range fuzzed() {
		f.Add(spec)
	}
	f.Add("red limit 1 avpkt 1 burst 16777216 bandwidth 8bit probability 1")
	f.Add("tbf rate 4611686018427387904bit burst 2g latency 1h")
	f.Add("prio bands 16 priomap 15 [drr [sfq]] [help]")
	f.Add("pie target 20ms tupdate 1us alpha 3 beta 4 no_dq_rate_estimator dq_rate_estimator")
	f.Add("fq_pie ecn ecn_prob 5 bytemode quantum 1k")
	f.Add("dualpi2 alpha 0.004 beta 3.2 step_thresh 5p max_rtt 1s typical_rtt 3us classic_protection 5% coupling_factor 255 overflow")
	for _, t := range []string{"1s", "999.6ms", "999.4ms", "900s", "1000s", "1001s", "4294s"} {
		f.Add("codel target " + t + " interval " + t)
	}
	for units := range 300 { // the smallest gains are the hardest to print
		hz := fmt.Sprintf("%.6f", (float64(units)+1.1)/256)
		f.Add("dualpi2 alpha " + hz + " beta " + hz)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := New(spec, sched.Env{Seed: 1})
		if err != nil {
			return
		}
		line := sched.Line(s)
		if _, err := New(line, sched.Env{Seed: 1}); err != nil {
			t.Errorf("%q prints as %q: %v", spec, line, err)
		}
		schedtest.Ops(t, func(env sched.Env) (sched.Scheduler, error) { return New(spec, env) }, schedtest.Properties{}, brief)
	})
}

// brief puts packets of every codepoint in, now, a second and twelve days later.
var brief = []byte("\x00\x01\xff\x00\x01\x02\xfe\x01\x02\x03\x07\x02\x03\x04\xb8\x03\x04\x06\x1e\x00\x01\xff\x00\x04\x06\x32\x00\x01\xff\x01\x04\x07\x07")
