package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// sample is one with the numbers that matter: mean round trip in us, TCP in
// Gbit/s, UDP in packets/s.
func sample(r Row, gso bool, round int, rtt float64, gbps float64, pps uint64) Sample {
	s := Sample{Row: r, GSO: gso, Round: round}
	ns := int64(rtt * 1000)
	s.Echo = Echo{Sent: 100, Min: ns / 2, Avg: ns, Max: 3 * ns, Mdev: ns / 10, P50: ns, P99: 2 * ns}
	s.TCP = TCP{Bps: uint64(gbps * 1e9), Bytes: 1e9}
	s.UDP = UDP{Pps: pps, Sent: pps, Received: pps}
	if r == NoQueue {
		return s
	}
	s.Burst = Burst{Packets: pps / 20, TookNs: 50e6}
	s.TCP.Fed = Fed{Packets: 1000, Bytes: 60e6}
	s.UDP.Fed = Fed{Packets: pps, Bytes: pps * 1428}
	s.UDP.CPU = int64(pps) * 4000
	s.Fed = Fed{Packets: 1100 + pps}
	s.Program = &Program{Packets: 1100 + pps}
	if r != C {
		s.Program.Go = &GoRuntime{Mallocs: 2000, PauseMax: 100_000}
	}
	return s
}

// threeRounds are rounds of a machine that slows down to a half and recovers:
// its medians mislead, its ratios do not.
func threeRounds() []Sample {
	var out []Sample
	for round, speed := range []float64{1, 0.5, 0.8} {
		at := func(r Row, gso bool, rtt, gbps, pps float64) {
			s := sample(r, gso, round, rtt/speed, gbps*speed, uint64(pps*speed))
			out = append(out, s)
		}
		at(NoQueue, false, 10, 20, 200e3)
		at(C, false, 50, 2, 100e3)
		at(C, true, 50, 15, 100e3)
		at(NoOp, false, 42, 4, 200e3)
		at(NoOp, true, 42, 19, 180e3)
		at(Live, true, 60, 10, 90e3)
	}
	return out
}

func testTask() *Task {
	return &Task{Rows: Rows(), Rounds: 3, Duration: 400 * time.Millisecond, Qdisc: "fq_codel", CProgram: "/noop"}
}

func testReport() *Report {
	samples := threeRounds()
	samples[3].Program.Missing = 7
	samples[5].Program.Go.Flood = 900        // a hundredth a packet
	samples[5].Program.Go.PauseMax = 300_000 // one round of three
	samples[11].UDP.Received /= 2
	samples[11].Program.Packets -= samples[11].UDP.Received
	samples[17].Program.Packets -= 5
	samples[16].Err = "the program did not get ready"
	r := NewReport(testTask(), samples)
	r.Command, r.TookNs = "uq bench", int64(75*time.Second)
	r.Machine = Machine{CPU: "Test CPU", CPUs: 2, Kernel: "6.18", Go: "go1.26", Load: 1.2}
	r.Absent = []Absent{{Plain, "not today"}}
	return r
}

func TestWords(t *testing.T) {
	var b bytes.Buffer
	if err := testReport().WriteWords(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/words.golden", b.Bytes())
}

func TestJSON(t *testing.T) {
	b, err := json.MarshalIndent(testReport(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", append(b, '\n'))
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(testReport().Samples, back.Samples); d != "" {
		t.Errorf("samples change on their way through JSON: %s", d)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (make golden writes it anew): %s", name, d)
	}
}

// A ratio is made within a round, so a machine that changes its speed between
// rounds leaves it alone; a round without its other half has none.
func TestRatiosArePaired(t *testing.T) {
	samples := threeRounds()
	same := func(got *Spread, want float64) bool {
		return got != nil && got.Min > want*0.999 && got.Max < want*1.001
	}
	find := func(r *Report, k key) *Line {
		for _, l := range r.Lines {
			if l.Row == k.Row && l.GSO == k.GSO {
				return l
			}
		}
		t.Fatalf("no line for %s", k)
		return nil
	}
	r := NewReport(testTask(), samples)
	l := find(r, key{NoOp, true})
	if !same(&l.OfNone.Bps, 0.95) || !same(&l.OfC.Pps, 1.8) || !same(&l.OfC.RTT, 0.84) {
		t.Errorf("ratios to none %+v, to C %+v: want 0.95 of TCP, 1.8 of UDP, 0.84 of the round trip", l.OfNone, l.OfC)
	}
	if got := r.Targets[5].Got; !same(got, 0.8) {
		t.Errorf("added round trip %+v: want (42-10)/(50-10)", got)
	}
	// The machine's best is its first round, on all sides.
	for i, want := range []float64{0.95, 19. / 15, 2, 1.8, 1.8, 0.8, 0.8, 0.9} {
		if got := r.Targets[i].Best; got == nil || *got < want*0.999 || *got > want*1.001 {
			t.Errorf("%s: best %v, want %g", r.Targets[i].What, got, want)
		}
	}
	for i := range samples {
		if samples[i].Row == C && samples[i].Round == 1 {
			samples[i].Err = "broken"
		}
		if samples[i].Row == NoQueue {
			samples[i].Err = "broken"
		}
	}
	r = NewReport(testTask(), samples)
	l = find(r, key{NoOp, true})
	if l.OfNone != nil || !same(&l.OfC.Pps, 1.8) || r.Targets[5].Got != nil {
		t.Errorf("without no queue: ratio to it %+v, to C %+v, target %+v", l.OfNone, l.OfC, r.Targets[5])
	}
	if c := find(r, key{C, true}); c.Rounds != 2 || c.Failed != 1 {
		t.Errorf("C has %d rounds and %d failed, want 2 and 1", c.Rounds, c.Failed)
	}
}

func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Sample)
		target int
		want   string
	}{
		{"as it is", func(*Sample) {}, 0, "met"},
		{"slower", func(s *Sample) { s.TCP.Bps = s.TCP.Bps * 9 / 10 }, 0, "not met"},
		{"without GSO", func(s *Sample) {}, 2, "met"},
		{"twice C's packets", func(*Sample) {}, 3, "not met"}, // 1.8
		{"late", func(s *Sample) { s.Echo.Avg = s.Echo.Avg * 101 / 100 }, 5, "met, the aim of 0.8 not"},
		{"later", func(s *Sample) { s.Echo.Avg = s.Echo.Avg * 130 / 100 }, 5, "not met"},
		{"live", func(*Sample) {}, 7, "not met"}, // 0.9
		{"allocates", func(s *Sample) { s.Program.Go.Flood = s.UDP.Arrived() / 64 }, 8, "not met"},
		{"allocates a little", func(s *Sample) { s.Program.Go.Flood = s.UDP.Arrived() / 200 }, 8, "met"},
		{"pauses once", func(s *Sample) {
			if s.Round == 1 {
				s.Program.Go.PauseMax = 201_000
			}
		}, 9, "not met"},
		{"fails", func(s *Sample) { s.Err = "broken" }, 0, "not measured"},
	} {
		samples := threeRounds()
		for i := range samples {
			if samples[i].Row == NoOp {
				tt.change(&samples[i])
			}
		}
		x := NewReport(testTask(), samples).Targets[tt.target]
		if got := x.verdict(); got != tt.want {
			t.Errorf("%s: %s: %s (%+v), want %s", tt.name, x.What, got, x.Got, tt.want)
		}
	}
}

// Whatever a row lost is told beside it.
func TestNotes(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Sample)
	}{
		{"", func(*Sample) {}},
		{"2 echoes were lost", func(s *Sample) { s.Echo.Lost = 2 }},
		{"3 packets did not fit", func(s *Sample) { s.Program.Missing, s.Program.Overflows = 3, 1 }},
		{"", func(s *Sample) { s.Program.Packets -= 2; s.MarksLost = 2 }},
		{"1 packet of the flood was lost at the queue", func(s *Sample) { s.UDP.Received--; s.Program.Packets-- }},
		{"1 time the program's receive buffer", func(s *Sample) { s.Program.Overflows = 1 }},
		{"6 verdicts failed", func(s *Sample) { s.Program.Failed = 6 }},
		{"9 packets passed but are not in the trace", func(s *Sample) { s.Program.Unrecorded = 9 }},
		{"4 packets did not fit", func(s *Sample) { s.Kernel = &Kernel{Undelivered: 4} }}, // go-nfqueue cannot tell
		{"50 packets of the flood were lost at the queue", func(s *Sample) { s.UDP.Received -= 50; s.Program.Packets -= 50 }},
		{"60 packets of the flood never got as far", func(s *Sample) { s.UDP.Sent += 60 }},
		{"70 packets of the flood found the server's", func(s *Sample) { s.UDP.Received -= 70; s.UDP.Missed += 70 }},
		{"8 packets beside the flood never reached", func(s *Sample) { s.Program.Packets -= 8 }},
		{"no super-packets", func(s *Sample) { s.TCP.Fed.Packets = 40_000 }},
	} {
		samples := []Sample{sample(NoOp, true, 0, 50, 10, 1000)}
		tt.change(&samples[0])
		l := NewReport(testTask(), samples).Lines[0]
		if got := strings.Join(l.Notes, "; "); got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want) && !strings.Contains(got, tt.want)) {
			t.Errorf("notes %q, want %q", got, tt.want)
		}
	}
}

func TestEmptyReport(t *testing.T) {
	r := NewReport(testTask(), nil)
	var b bytes.Buffer
	if err := r.WriteWords(&b); err != nil || len(r.Lines) != 0 {
		t.Errorf("%d lines, error %v", len(r.Lines), err)
	}
	if js, err := json.Marshal(r); err != nil || !bytes.Contains(js, []byte(`"samples":[]`)) {
		t.Errorf("%s, error %v", js, err)
	}
}
