package mac80211

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

func TestMain(m *testing.M) {
	flag.Parse()
	m.Run()
}

// TestScripts plays testdata/*.script: what a link asks of the scheduler, with
// the answers, for a reader to judge. -rewrite writes the answers anew.
//
//	cell costs=(500,4000) [group=8000] [burst=2] [ahead=1]
//	(input: words)          a cell: µs for each station's exchange of burst packets
//	enq to=0 [n=3] [ds=184] packets of 1000 bytes to a station, or to=group
//	wait 5ms
//	next [ac=VO]            whose turn it is
//	deq to=0 [n=3]          takes packets
//	done n=2                the link is done with the first packets taken
//	held to=0 [off]
//	used to=0 500us [up]
//	exchanges n=5           next, deq, held, used and done in one, each
//	shares                  airtime in percent
//	flows                   rounds, queues and flows
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".script"), func(t *testing.T) {
			datadriven.RunTest(t, f, (&player{}).command)
		})
	}
}

// player plays a script to one cell.
type player struct {
	m     *medium
	taken []*pkt.Packet
	out   strings.Builder
}

func (p *player) command(t *testing.T, d *datadriven.TestData) string {
	p.out.Reset()
	switch d.Cmd {
	case "cell":
		p.cell(t, d)
	case "enq":
		p.enqueue(t, d)
	case "wait":
		p.m.now = p.m.now.Add(duration(t, d))
	case "next":
		p.next(t, d)
	case "deq":
		p.dequeue(t, d)
	case "done":
		for range count(t, d) {
			p.m.q.Completed(p.m.now, p.taken[0])
			p.taken = p.taken[1:]
		}
	case "held":
		p.m.q.Held(p.m.now, addressee(t, d), ac, !d.HasArg("off"))
	case "used":
		p.m.q.Used(p.m.now, addressee(t, d), ac, duration(t, d), d.HasArg("up"))
	case "exchanges":
		p.exchanges(t, d)
	case "shares":
		for i, s := range p.m.shares() {
			fmt.Fprintf(&p.out, "station %d %.1f%%\n", i, s)
		}
	case "flows":
		p.out.WriteString(p.m.q.DebugFlows())
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	return p.out.String()
}

func (p *player) cell(t *testing.T, d *datadriven.TestData) {
	var costs []int
	d.ScanArgs(t, "costs", &costs)
	group := 0
	*p = player{m: newMedium(t, strings.Fields(d.Input), costs...)}
	d.MaybeScanArgs(t, "group", &group)
	d.MaybeScanArgs(t, "burst", &p.m.burst)
	d.MaybeScanArgs(t, "ahead", &p.m.ahead)
	p.m.group = time.Duration(group) * time.Microsecond
	p.m.q.drop = func(now pkt.Time, q *pkt.Packet, why pkt.Reason) {
		fmt.Fprintf(&p.out, "%s drop #%d %v\n", tc.FormatTime(time.Duration(now)), q.ID, why)
	}
	fmt.Fprintln(&p.out, tc.Line(p.m.q.Kind(), p.m.q.Options()))
}

// addressee reads the argument to.
func addressee(t *testing.T, d *datadriven.TestData) (n int) {
	var s string
	if d.ScanArgs(t, "to", &s); s == "group" {
		return link.Group
	}
	d.ScanArgs(t, "to", &n)
	return n
}

func count(t *testing.T, d *datadriven.TestData) int {
	n := 1
	d.MaybeScanArgs(t, "n", &n)
	return n
}

// duration is the argument that is a time.
func duration(t *testing.T, d *datadriven.TestData) time.Duration {
	for _, a := range d.CmdArgs {
		if v, err := tc.ParseTime(a.Key); err == nil {
			return v
		}
	}
	d.Fatalf(t, "no time")
	return 0
}

func (p *player) enqueue(t *testing.T, d *datadriven.TestData) {
	to, ds := addressee(t, d), 0
	d.MaybeScanArgs(t, "ds", &ds)
	for range count(t, d) {
		q := packet(p.m.id, to, uint32(to+2)<<24, uint8(ds))
		q.Arrival = p.m.now
		p.m.q.Enqueue(p.m.now, q)
		p.m.id++
	}
}

// next asks twice, to be sure that it may.
func (p *player) next(t *testing.T, d *datadriven.TestData) {
	c, name := ac, ""
	if d.MaybeScanArgs(t, "ac", &name); name == "VO" {
		c = pkt.ACVO
	}
	for range 2 {
		s, ok := p.m.q.NextStation(p.m.now, c)
		if !ok {
			fmt.Fprintln(&p.out, "nobody")
		} else {
			fmt.Fprintln(&p.out, "station", s)
		}
	}
	if lines := strings.SplitAfter(p.out.String(), "\n"); lines[0] == lines[1] {
		p.out.Reset()
		p.out.WriteString(lines[0])
	}
}

func (p *player) dequeue(t *testing.T, d *datadriven.TestData) {
	for range count(t, d) {
		q := p.m.q.DequeueFor(p.m.now, addressee(t, d), ac)
		if q == nil {
			fmt.Fprintln(&p.out, "nothing")
			return
		}
		fmt.Fprintf(&p.out, "#%d\n", q.ID)
		p.taken = append(p.taken, q)
	}
}

// exchanges prints a line for each turn: which stations', and the deficits after
// it.
func (p *player) exchanges(t *testing.T, d *datadriven.TestData) {
	for range count(t, d) {
		before := len(p.m.turns)
		if !p.m.step() {
			fmt.Fprintln(&p.out, "nobody")
			return
		}
		fmt.Fprintf(&p.out, "%-8s %v", tc.FormatTime(time.Duration(p.m.now)), p.m.turns[before:])
		for s := range p.m.cost {
			a := &p.m.q.stations[s].ac[ac]
			fmt.Fprintf(&p.out, "  %d: %dus", s, a.deficit/time.Microsecond)
			if a.pending > 0 {
				fmt.Fprintf(&p.out, " %dus below", a.pending/time.Microsecond)
			}
		}
		fmt.Fprintln(&p.out)
	}
}
