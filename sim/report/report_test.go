package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

var update = flag.Bool("update", false, "write the golden files")

// play runs a burst of two flows, one of them ECN-capable, and a third whose
// number is beyond the flows reported, through a qdisc at 10 Mbit/s.
func play(t *testing.T, qdisc string) (*egress.Port, *Collector) {
	t.Helper()
	return playOver(t, qdisc, "rate 10mbit delay 1ms")
}

// playOver does so over a link.
func playOver(t *testing.T, qdisc, words string) (*egress.Port, *Collector) {
	t.Helper()
	c, pool := NewCollector(), &pkt.Pool{}
	l, err := link.New(words, link.Env{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) { return builtin.New(qdisc, sched.Env{Drop: d}) }, l, c, pool)
	if err != nil {
		t.Fatal(err)
	}
	flows := []*pkt.Flow{schedtest.TestFlow(0, 1), schedtest.TestFlow(1, 1), schedtest.TestFlow(2, 1)}
	for i := range 600 {
		p := pool.Get()
		p.ID, p.Arrival, p.Flow = uint64(i), pkt.Time(i)*pkt.Time(500*time.Microsecond), flows[i%3]
		p.Len, p.Segs, p.DSField = 1000, 1, uint8(i%3)
		if i%3 == 1 {
			p.Len, p.Segs = 3000, 2
		}
		port.Enqueue(p.Arrival, p)
	}
	port.Drain()
	return port, c
}

// TestConservation checks the report's sums against each other.
func TestConservation(t *testing.T) {
	for _, qdisc := range []string{"pfifo limit 20", "fq_codel", "codel limit 50 ecn"} {
		port, c := play(t, qdisc)
		r := NewRun(port, c, 2)
		if r.ArrivedPackets != 600 || c.Total.DeliveredPackets+r.Drops != 600 {
			t.Errorf("%s: %d arrived, %d delivered, %d dropped", qdisc, r.ArrivedPackets, c.Total.DeliveredPackets, r.Drops)
		}
		var pkts, drops, marks, reasons uint64
		for _, f := range append(r.Flows, *r.Others) {
			pkts, drops, marks = pkts+f.Packets, drops+f.Drops, marks+f.Marks
		}
		for _, n := range r.DropsByReason {
			reasons += n
		}
		if pkts != r.Packets || drops != r.Drops || marks != r.Marks || reasons != r.Drops {
			t.Errorf("%s: flows sum to %d packets %d drops (%d by reason) %d marks, totals are %d %d %d", qdisc, pkts, drops, reasons, marks, r.Packets, r.Drops, r.Marks)
		}
		if r.Drops == 0 && r.Marks == 0 {
			t.Errorf("%s: overload without a drop or mark", qdisc)
		}
		if busy := float64(r.Bytes) * 8 / 10; math.Abs(busy+1000-r.DurationUs) > 2000 {
			t.Errorf("%s: %d bytes in %.0f us is not 10 Mbit/s", qdisc, r.Bytes, r.DurationUs)
		}
	}
}

// TestGolden compares words and JSON with what a reader has judged.
func TestGolden(t *testing.T) {
	r := &Report{Format: Format, Trace: "t.zst", Loop: OpenLoop, GSO: "whole", Seed: 1, Link: "rate 10Mbit delay 1ms", Notes: []string{"a note"}}
	for _, q := range []string{"pfifo limit 20", "fq_codel target 2ms interval 20ms ce_threshold 1ms", "pfifo limit 100"} {
		port, c := play(t, q)
		r.Runs = append(r.Runs, NewRun(port, c, 1))
	}
	var words, js bytes.Buffer
	if err := r.WriteWords(&words, Words{Flows: 5}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.txt", words.Bytes())
	golden(t, "testdata/report.json", js.Bytes())
	var back map[string]any
	if err := json.Unmarshal(js.Bytes(), &back); err != nil || back["uq_format"] != float64(Format) {
		t.Errorf("JSON: %v, format %v", err, back["uq_format"])
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

func TestEmptyRun(t *testing.T) {
	c := NewCollector()
	port, err := egress.New(func(d sched.DropFunc) (sched.Scheduler, error) { return builtin.New("fq_codel", sched.Env{Drop: d}) }, &link.Unlimited{}, c, &pkt.Pool{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Loop: OpenLoop, Runs: []*Run{NewRun(port, c, 5)}}
	var b bytes.Buffer
	if err := r.WriteWords(&b, Words{Flows: 5}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("NaN")) {
		t.Errorf("an empty run prints NaN:\n%s", b.String())
	}
}

func TestDistribution(t *testing.T) {
	var d Distribution
	three := func() *Histogram { return NewHistogram(Fine) }
	if _, ok := d.Quantile(50); ok {
		t.Error("an empty distribution has a median")
	}
	for i := int64(0); i < 8; i++ {
		d.Record(7-i, three)
	}
	for q, want := range map[float64]int64{0: 0, 50: 3, 99: 7, 100: 7} {
		if got, ok := d.Quantile(q); got != want || !ok {
			t.Errorf("p%v of 0..7 = %v, want %v", q, got, want)
		}
	}
	d = Distribution{}
	for i := int64(1); i <= 1000; i++ {
		d.Record(i*1e6, three)
	}
	few, many := Distribution{}, Distribution{}
	for i := int64(0); i < 11; i++ { // 10 of 11 are 91 %
		many.Record(i*1000, three)
		if i < 7 {
			few.Record(i*1000, three)
		}
	}
	for q, want := range map[float64][2]int64{0: {0, 0}, 50: {3000, 5000}, 90: {6000, 9000}, 91: {6000, 10000}, 95: {6000, 10000}, 100: {6000, 10000}} {
		a, _ := few.Quantile(q)
		b, _ := many.Quantile(q)
		if want[0] != a || b < want[1] || b > want[1]*1001/1000 {
			t.Errorf("p%v of 7 and 11 spans: %d and %d, want %d", q, a, b, want)
		}
	}
	for q, want := range map[float64]float64{50: 500e6, 95: 950e6, 99: 990e6, 100: 1000e6} {
		if got, _ := d.Quantile(q); math.Abs(float64(got)-want) > want/1000 {
			t.Errorf("p%v = %v, want %v within 0.1 %%", q, got, want)
		}
	}
	if d.Max() != 1000e6 || d.Mean() != 500.5e6 || d.Count() != 1000 {
		t.Errorf("max %d mean %d count %d", d.Max(), d.Mean(), d.Count())
	}
	d.Record(math.MaxInt64/4, three)
	if d.Max() != math.MaxInt64/4 {
		t.Error("a span beyond the histogram lost its maximum")
	}
	var zeros, none Distribution
	for range 100 {
		zeros.Record(0, three)
		none.Record(1, func() *Histogram { return nil })
	}
	if got, ok := zeros.Quantile(99); got != 0 || !ok {
		t.Errorf("p99 of zeros is %d", got)
	}
	if _, ok := none.Quantile(50); ok || none.Mean() != 1 {
		t.Error("quantiles without a histogram")
	}
}

// TestManyFlows checks that flows by the thousand are counted one by one, the
// largest listed, and memory stays within bounds.
func TestManyFlows(t *testing.T) {
	c := NewCollector()
	p := &pkt.Packet{Len: 100, Segs: 1}
	for id := range uint32(MaxFlows + 100) {
		p.Flow = &pkt.Flow{ID: id}
		n := 20
		if id == 5000 {
			n = 50
		}
		for i := range n {
			e := egress.Event{Time: pkt.Time(i), Packet: p, Kind: egress.Enqueue}
			c.Event(e)
			e.Kind = egress.Dequeue
			c.Event(e)
		}
	}
	port, _ := play(t, "pfifo")
	r := NewRun(port, c, 2)
	if r.FlowCount != MaxFlows || len(r.Flows) != 2 || r.Flows[0].ArrivedPackets != 50 || r.Others.ArrivedPackets != 20*(MaxFlows+100-2) {
		t.Errorf("%d flows, listed %+v, others %+v", r.FlowCount, r.Flows, r.Others)
	}
	if got, want := r.JainFlows(), "the first 65536 flows"; got != want || !r.MoreFlows || r.Jain != nil {
		t.Errorf("%q, want %q; %v, %v", got, want, r.MoreFlows, r.Jain)
	}
	if got := (&Run{FlowCount: 1}).JainFlows(); got != "the only flow" {
		t.Errorf("of one: %q", got)
	}
	r.Kind = "pfifo"
	var b strings.Builder
	if (&Report{Runs: []*Run{r}}).flows(&b, 1); !strings.Contains(b.String(), "others (more than 65535 flows)  ") {
		t.Errorf("words hide that there were more:\n%s", b.String())
	}
	if c.histograms != maxHistograms {
		t.Errorf("%d histograms", c.histograms)
	}
}

func TestMicroseconds(t *testing.T) {
	for want, v := range map[string]float64{
		"0ns": 0, "511ns": 0.511, "1us": 1, "596ms": 596190, "1.82h": 6.55e9, "22000h": 7.92e13, "999us": 999, "100s": 1e8, "1h": 3.6e9, "27.8h": 1e11,
		"1ms": 999.6, "1s": 999999, "999ms": 999400,
	} {
		if got := us(&v, 3); got != want {
			t.Errorf("%v us prints as %s, want %s", v, got, want)
		}
	}
	if v := 596190.0; us(&v, 2) != "600ms" || us(nil, 2) != "-" {
		t.Error("two digits")
	}
}

func TestRate(t *testing.T) {
	for want, v := range map[string]float64{
		"0bit": 0, "999bit": 999, "1Kbit": 1000, "1Mbit": 999_600, "999Kbit": 999_400, "19.9Mbit": 19_943_317, "100Mbit": 1e8, "1Gbit": 999_999_999, "1200Tbit": 1.2e15,
	} {
		if got := rate(v); got != want {
			t.Errorf("%v bit/s prints as %s, want %s", v, got, want)
		}
	}
}

func TestJain(t *testing.T) {
	c := NewCollector()
	for i, bytes := range []uint64{100, 100, 100, 100} {
		c.flow(&pkt.Flow{ID: uint32(i)}).DeliveredBytes = bytes
	}
	if j, ok := c.Jain(); j != 1 || !ok {
		t.Errorf("equal shares: %v", j)
	}
	for i, bytes := range []uint64{100, 0, 0, 0} {
		c.flow(&pkt.Flow{ID: uint32(i)}).DeliveredBytes = bytes
	}
	if j, ok := c.Jain(); j != 0.25 || !ok {
		t.Errorf("one of four: %v", j)
	}
}

// TestBehindTheLink: what a link loses or doubles was sent by the qdisc, and not
// dropped: tc's counters are the qdisc's, the others the path's.
func TestBehindTheLink(t *testing.T) {
	for _, words := range []string{"rate 10mbit loss 20%", "rate 10mbit duplicate 20%"} {
		port, c := playOver(t, "fq_codel", words)
		r := NewRun(port, c, 2)
		lost := r.DropsByReason[pkt.LinkLoss.String()]
		if words == "rate 10mbit loss 20%" && lost == 0 || r.Dropped != r.Drops+lost {
			t.Errorf("%s: %d dropped, %d by the qdisc, %d lost", words, r.Dropped, r.Drops, lost)
		}
		if got, want := r.ArrivedPackets+r.Duplicated, r.Delivered+r.Dropped; got != want {
			t.Errorf("%s: %d arrived or were copied, %d delivered or dropped", words, got, want)
		}
		plain, pc := playOver(t, "fq_codel", "rate 10mbit")
		if want := NewRun(plain, pc, 2); r.Packets != want.Packets || r.Bytes != want.Bytes || r.Drops != want.Drops {
			t.Errorf("%s: the qdisc sent %d bytes %d pkt and dropped %d; without it %d, %d, %d", words, r.Bytes, r.Packets, r.Drops, want.Bytes, want.Packets, want.Drops)
		}
	}
}

// TestKeysOfTheirOwn: no qdisc's counter has the name of another key beside it.
func TestKeysOfTheirOwn(t *testing.T) {
	for _, k := range builtin.Kinds() {
		qdisc := k.Name
		switch k.Name {
		case "tbf":
			qdisc = "tbf rate 20mbit burst 20kb latency 50ms"
		case "red":
			qdisc = "red limit 400000 avpkt 1000"
		}
		port, c := play(t, qdisc)
		r := NewRun(port, c, 2)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		seen := map[string]bool{}
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		for dec.More() {
			key, err := dec.Token()
			var value json.RawMessage
			if err = errors.Join(err, dec.Decode(&value)); err != nil {
				t.Fatal(err)
			}
			if seen[key.(string)] {
				t.Errorf("%s: key %s twice", qdisc, key)
			}
			seen[key.(string)] = true
		}
		for key := range r.Stats {
			if !seen[key] {
				t.Errorf("%s: no key %s", qdisc, key)
			}
		}
		if over, ok := r.Stats[overlimits]; ok && over != int64(r.Overlimits) {
			t.Errorf("%s: overlimits %d, the qdisc counts %v", qdisc, r.Overlimits, over)
		}
	}
}

// TestClassesOfTheirOwn: what tc counts of every qdisc is there of those inside, too,
// in words and in JSON.
func TestClassesOfTheirOwn(t *testing.T) {
	port, c := play(t, "prio [pfifo limit 0] [tbf rate 1mbit burst 3k limit 9k]")
	run := NewRun(port, c, 0)
	var words, data strings.Builder
	r := &Report{Loop: Live, Runs: []*Run{run}}
	if err := errors.Join(r.WriteWords(&words, Words{}), r.WriteJSON(&data)); err != nil {
		t.Fatal(err)
	}
	over, ok := run.Classes[1].Stats[overlimits].(int64)
	if !ok || over == 0 {
		t.Fatalf("tbf was never over its limit: %v", run.Classes[1].Stats)
	}
	sent := fmt.Sprintf("(dropped %d, overlimits %d requeues 0)\n   backlog 0b 0p\n", run.Classes[1].Stats["drops"], over)
	if !strings.Contains(words.String(), sent) {
		t.Errorf("no %q in\n%s", sent, words.String())
	}
	var back struct {
		Qdiscs []struct{ Classes []map[string]any }
	}
	if err := json.Unmarshal([]byte(data.String()), &back); err != nil {
		t.Fatal(err)
	}
	for key, want := range run.Classes[1].Stats {
		if got := back.Qdiscs[0].Classes[1][key]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v in JSON, want %v", key, got, want)
		}
	}
}

// TestTinNames has the tins of cakes under tc's names, also where they are inside
// another qdisc.
func TestTinNames(t *testing.T) {
	for qdisc, want := range map[string]string{
		"cake":           `(?m)^  tin +Bulk +Best Effort +Voice\n  sent_bytes +0 +1000000 +0$`,
		"cake diffserv4": `(?m)^  tin +Bulk +Best Effort +Video +Voice$`,
		"cake diffserv8": `(?m)^  tin +0 +1 +2 +3 +4 +5 +6 +7$`,
		"prio [pfifo] [cake diffserv4 bandwidth 9mbit]": `(?m)^    tin +Bulk +Best Effort +Video +Voice\n    threshold_rate +562496bit +9Mbit `,
	} {
		port, c := play(t, qdisc)
		var words strings.Builder
		if err := (&Report{Loop: Live, Runs: []*Run{NewRun(port, c, 0)}}).WriteWords(&words, Words{}); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(want).MatchString(words.String()) {
			t.Errorf("%s: no %s in\n%s", qdisc, want, words.String())
		}
	}
}
