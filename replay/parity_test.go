package replay

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/traces"
)

func verify(t *testing.T, trace []byte) (Verification, error) {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	return Verify(r, ports)
}

func specs() []string {
	// What has no defaults needs words.
	words := map[string]string{"red": "red limit 400000 avpkt 1000 bandwidth 10mbit", "tbf": "tbf rate 8mbit burst 10kb latency 50ms"}
	var s []string
	for _, k := range builtin.Kinds() {
		s = append(s, cmp.Or(words[k.Name], k.Name))
	}
	return append(s, "fq_codel limit 20", "codel target 1ms interval 10ms ecn", "pfifo limit 5", "fq_codel memory_limit 20k ce_threshold 500us",
		"prio priomap 1 1 [pfifo] [tbf rate 9mbit burst 100kb limit 200kb peakrate 20mbit mtu 100kb [drr classes 3 [sfq perturb 1 redflowlimit 90000 ecn]]] [red limit 90k avpkt 1000 adaptive]")
}

// TestParity is the promise: for every scheduler the live loop decides what
// sim.Run decides on the arrivals it recorded, to the nanosecond, and Verify
// says so.
func TestParity(t *testing.T) {
	for i, qdisc := range specs() {
		for _, lnk := range []string{"rate 10mbit delay 3ms", "rate 100mbit", "unlimited"} {
			t.Run(qdisc+"/"+lnk, func(t *testing.T) {
				conf := traces.Scheduler{Qdisc: qdisc, Link: lnk, Seed: uint64(i)}
				s := play(t, conf, LiveOptions{}, func(s *session) {
					g := newTraffic(t, uint64(i))
					g.ect, g.gso = uint8(i%3), i%2 == 0
					s.burst(g, 1500, 600*time.Microsecond)
					time.Sleep(20 * time.Second)
				})
				if s.err != nil {
					t.Fatal(s.err)
				}
				checkParity(t, s, conf)
			})
		}
	}
}

func checkParity(t *testing.T, s *session, conf traces.Scheduler) {
	t.Helper()
	v, err := verify(t, s.trace.Bytes())
	if err != nil || v.Divergence != nil {
		t.Fatalf("verify: %v, %v", err, v.Divergence)
	}
	if v.Packets != 1500 || v.Decisions != 1500 || !v.Complete {
		t.Errorf("verified %d decisions of %d packets, complete %v", v.Decisions, v.Packets, v.Complete)
	}
	if digest := simulated(t, s.trace.Bytes(), conf); digest != s.result.Run.Digest || digest != v.Digest {
		t.Errorf("digests: live %s, verified %s, simulated %s", s.result.Run.Digest, v.Digest, digest)
	}
	if s.q.Held() != 0 {
		t.Errorf("%d packets left in the queue", s.q.Held())
	}
	drops := uint64(0)
	for _, g := range s.q.Given() {
		if g.Action == nfq.Drop {
			drops++
		}
	}
	if rw := s.result.Rewrites; rw != nil {
		drops += rw.Lost // copies have no verdict
	}
	if drops != s.result.Run.Dropped {
		t.Errorf("%d drop verdicts, %d drops", drops, s.result.Run.Dropped)
	}
}

func simulated(t *testing.T, trace []byte, conf traces.Scheduler) string {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	src, err := traces.NewSource(r, traces.SourceOptions{Seed: conf.Seed})
	if err != nil {
		t.Fatal(err)
	}
	d, pool := egress.NewDigest(), &pkt.Pool{}
	port, err := NewPort(ports, conf, d, pool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Run(src, port, pool); err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestCut verifies a trace cut anywhere, as SIGKILL leaves it.
func TestCut(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel limit 50", Link: "rate 5mbit", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) { s.burst(newTraffic(t, 2), 3000, time.Millisecond) })
	whole := s.trace.Bytes()
	compared := uint64(0)
	for cut := len(whole) - 1; cut > len(whole)/3; cut -= 1 + len(whole)/50 {
		v, err := verify(t, whole[:cut])
		var damage *traces.Damage
		if !errors.As(err, &damage) || v.Divergence != nil || v.Complete {
			t.Fatalf("cut at %d: %v, %v, complete %v", cut, err, v.Divergence, v.Complete)
		}
		compared = max(compared, v.Decisions)
	}
	if compared < 1000 {
		t.Errorf("at most %d decisions compared", compared)
	}
}

// TestTampered changes one thing in each trace, which must be found.
func TestTampered(t *testing.T) {
	conf := traces.Scheduler{Qdisc: "fq_codel limit 50", Link: "rate 5mbit delay 1ms", Seed: 1}
	s := play(t, conf, LiveOptions{}, func(s *session) {
		g := newTraffic(t, 3)
		g.ect = 2
		s.burst(g, 1000, time.Millisecond)
		time.Sleep(5 * time.Second)
	})
	for name, tamper := range map[string]func(i int, r *traces.Record) bool{
		"due":      func(_ int, r *traces.Record) bool { r.Due++; return r.Verdict == traces.Accept },
		"dequeued": func(_ int, r *traces.Record) bool { r.Dequeued--; return r.Verdict == traces.Accept },
		"verdict": func(_ int, r *traces.Record) bool {
			r.Verdict = traces.Accept
			return r.Reason == pkt.Overlimit
		},
		"mark": func(_ int, r *traces.Record) bool {
			ok := r.Verdict == traces.MarkCE
			r.Verdict, r.Reason = traces.Accept, pkt.NoReason
			return ok
		},
		"reason":  func(_ int, r *traces.Record) bool { r.Reason = pkt.AQM; return r.Verdict == traces.Drop },
		"length":  func(i int, r *traces.Record) bool { r.Len--; return i == 500 },
		"arrival": func(i int, r *traces.Record) bool { r.Time--; return i == 500 },
		"flow":    func(i int, r *traces.Record) bool { r.Flow.SrcPort++; return i == 500 },
		"copied": func(i int, r *traces.Record) bool {
			r.Info |= traces.Copied
			return i == 500
		},
		"corrupted": func(i int, r *traces.Record) bool {
			r.Info |= traces.Corrupted
			return i == 500
		},
		"held": func(i int, r *traces.Record) bool { r.Reason = pkt.Shutdown; return i == 500 },
	} {
		v, err := verify(t, rewrite(t, s.trace.Bytes(), tamper))
		if err != nil || v.Divergence == nil {
			t.Errorf("%s: not found: %v", name, err)
			continue
		}
		if d := v.Divergence; d.Expected == "" || d.Got == "" || !strings.Contains(d.State, "backlog") && d.Flow != "all" {
			t.Errorf("%s: poorly explained: %v", name, d)
		}
	}
}

// rewrite copies a trace, changing the first record for which tamper says so.
func rewrite(t *testing.T, trace []byte, tamper func(int, *traces.Record) bool) []byte {
	t.Helper()
	r, err := traces.NewReader(bytes.NewReader(trace))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := traces.NewWriter(&out, r.Header(), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	done := false
	var rec traces.Record
	for i := 0; r.Next(&rec) == nil; i++ {
		if changed := rec; !done && tamper(i, &changed) {
			rec, done = changed, true
		}
		if err := w.Append(&rec); err != nil {
			t.Fatal(err)
		}
	}
	end, ok := r.End()
	if !done || !ok {
		t.Fatal("nothing to tamper with")
	}
	if err := w.Close(end); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestVerifyNeedsScheduler(t *testing.T) {
	var b bytes.Buffer
	w, err := traces.NewWriter(&b, traces.Header{}, traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(traces.End{}); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, b.Bytes()); !errors.Is(err, ErrNotLive) {
		t.Errorf("error %v", err)
	}
}
