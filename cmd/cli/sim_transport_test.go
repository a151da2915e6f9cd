package cli

import (
	"bytes"
	"testing"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/traces"
	"github.com/uqtool/uq/traces/synth"
)

// TestLooksAtTransport checks, of every qdisc there is, that it decides the same without
// the transport fields, or is known to look at them.
func TestLooksAtTransport(t *testing.T) {
	file := mixedTraffic(t, 20000)
	digest := func(qdisc string, without bool) string {
		tr, err := traces.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		src, err := traces.NewSource(tr, traces.SourceOptions{Seed: 1, Split: true, NoTransport: without})
		if err != nil {
			t.Fatal(err)
		}
		d, pool := egress.NewDigest(), &pkt.Pool{}
		port, err := egress.Maker{Qdiscs: builtin.Kinds()}.Port(egress.Config{Qdisc: qdisc, Link: "rate 20mbit", Seed: 1}, d, pool)
		if err != nil {
			t.Fatalf("%s: %v", qdisc, err)
		}
		if _, err := sim.Run(src, port, pool); err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	need := map[string]string{
		"red": " limit 400000 min 30000 max 90000 avpkt 1000 burst 55 probability 0.1", "tbf": " rate 4mbit burst 20kb latency 50ms",
	}
	for _, k := range builtin.Kinds() {
		q := k.Name + need[k.Name]
		if qdiscLooksAtTransport(builtin.Kinds(), q) {
			t.Errorf("%s: not known not to look at the transport fields", q)
		}
		if a, b := digest(q, false), digest(q, true); a != b {
			t.Errorf("%s: digest %s, without the transport fields %s", q, a, b)
		}
	}
	for _, q := range []string{"cake ack-filter", "cake bandwidth 4mbit ack-filter-aggressive"} {
		if !qdiscLooksAtTransport(builtin.Kinds(), q) {
			t.Errorf("%s: looks at the transport fields", q)
		}
		if a, b := digest(q, false), digest(q, true); a == b {
			t.Errorf("%s: digest %s with and without the transport fields: the trace shows nothing", q, a)
		}
	}
	mine := append(builtin.Kinds(), sched.Kind{Name: "mine"})
	for spec, want := range map[string]bool{"mine": true, "prio [mine]": true, "pfifo limit 5": false, "tbf rate 1mbit (fq_codel)": false, "drr [cake ack-filter]": true} {
		if got := qdiscLooksAtTransport(mine, spec); got != want {
			t.Errorf("%s: %v", spec, got)
		}
	}
}

// mixedTraffic is a trace with acknowledgements among its packets.
func mixedTraffic(t *testing.T, packets int) []byte {
	g, err := synth.New(synth.Mix, 1)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := traces.NewWriter(&file, g.Header(), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var r traces.Record
	for range packets {
		g.Next(&r)
		if err := w.Append(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(traces.End{Clean: true}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
