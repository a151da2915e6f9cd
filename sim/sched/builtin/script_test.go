package builtin

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/schedtest"
	"github.com/uqtool/uq/sim/tc"
)

// TestScripts plays testdata/*.script: scripted calls with the decisions they
// lead to, for a reader to judge. -rewrite writes the outputs anew.
//
//	qdisc              (input: the tc line)   prints it as tc would
//	enq t=1ms flow=1 len=1000 [n=5] [every=1ms] [ecn=ect0|ect1|ce] [dscp=46]
//	    [src=2] [dst=3] [segs=4] [ack=1000 [ece] [sack]]
//	deq t=10ms [n=3] [every=10ms]
//	run t=10ms until=20ms    dequeues as soon as the qdisc allows
//	stats              counters and backlog
//	tins               cake's counters by tin
//	flows              the lists of fq_codel, cake, sfq and drr
//	state              red's average and probability
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".script"), func(t *testing.T) {
			p := &player{}
			datadriven.RunTest(t, f, p.command)
		})
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	m.Run()
}

// player holds one script's qdisc.
type player struct {
	s   sched.Scheduler
	id  uint64
	out strings.Builder
}

func (p *player) command(t *testing.T, d *datadriven.TestData) string {
	p.out.Reset()
	switch d.Cmd {
	case "qdisc":
		p.qdisc(d.Input)
	case "enq":
		p.every(t, d, func(now pkt.Time) { p.enqueue(t, d, now) })
	case "deq":
		p.every(t, d, p.dequeue)
	case "run":
		p.run(t, d)
	case "stats":
		p.stats()
	case "tins":
		p.tins()
	case "state":
		p.out.WriteString(p.s.(interface{ DebugState() string }).DebugState())
	case "flows":
		p.out.WriteString(p.s.(interface{ DebugFlows() string }).DebugFlows())
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return p.out.String()
}

func (p *player) qdisc(spec string) {
	*p = player{}
	s, err := New(strings.TrimSpace(spec), sched.Env{Seed: 1, Drop: func(now pkt.Time, q *pkt.Packet, why pkt.Reason) {
		p.event(now, "drop", q, " "+why.String())
	}})
	if err != nil {
		fmt.Fprintln(&p.out, err)
		return
	}
	p.s = s
	fmt.Fprintln(&p.out, sched.Line(s))
}

// every runs f n times from t on.
func (p *player) every(t *testing.T, d *datadriven.TestData, f func(pkt.Time)) {
	n, gap := 1, time.Duration(0)
	if d.HasArg("n") {
		d.ScanArgs(t, "n", &n)
	}
	if d.HasArg("every") {
		gap = span(t, d, "every")
	}
	now := pkt.Time(span(t, d, "t"))
	for range n {
		f(now)
		now = now.Add(gap)
	}
}

func span(t *testing.T, d *datadriven.TestData, key string) time.Duration {
	var s string
	d.ScanArgs(t, key, &s)
	v, err := tc.ParseTime(s)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return v
}

func (p *player) enqueue(t *testing.T, d *datadriven.TestData, now pkt.Time) {
	var flow, length int
	d.ScanArgs(t, "flow", &flow)
	d.ScanArgs(t, "len", &length)
	ecn := pkt.NotECT
	if d.HasArg("ecn") {
		var s string
		d.ScanArgs(t, "ecn", &s)
		ecn = map[string]pkt.ECN{"ect0": pkt.ECT0, "ect1": pkt.ECT1, "ce": pkt.CE}[s]
	}
	q := &pkt.Packet{ID: p.id, Arrival: now, Flow: schedtest.TestFlow(flow, 0), Len: uint32(length), Segs: 1, DSField: uint8(ecn)}
	p.special(t, d, q)
	p.id++
	p.s.Enqueue(now, q)
}

func (p *player) dequeue(now pkt.Time) {
	q := p.s.Dequeue(now)
	if q == nil {
		fmt.Fprintf(&p.out, "%-9s nothing\n", tc.FormatTime(time.Duration(now)))
		return
	}
	p.sent(now, q)
}

func (p *player) sent(now pkt.Time, q *pkt.Packet) {
	note := ""
	if q.Mark != pkt.NoReason {
		note = " CE " + q.Mark.String()
	}
	p.event(now, "send", q, note)
}

func (p *player) event(now pkt.Time, what string, q *pkt.Packet, note string) {
	fmt.Fprintf(&p.out, "%-9s %s #%d flow %d sojourn %s%s\n", tc.FormatTime(time.Duration(now)),
		what, q.ID, q.Flow.ID, tc.FormatTime(q.Sojourn(now)), note)
}

func (p *player) stats() {
	n, bytes := p.s.Backlog()
	fmt.Fprintf(&p.out, "backlog %db %dp\n", bytes, n)
	for _, f := range p.s.(sched.Describer).Stats() {
		if !f.Flag {
			fmt.Fprintf(&p.out, "%s %s\n", f.Key, f)
		} else if f.Num != 0 {
			fmt.Fprintln(&p.out, f.Key)
		}
	}
}
