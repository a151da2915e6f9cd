package sim_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uqtool/uq/sim"
	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/schedtest"
)

var update = flag.Bool("update", false, "write the golden files")

// aimd is a sender in TCP Reno's manner: one packet more a round trip, half the
// window on a drop or mark, at most once a round trip.
type aimd struct {
	cbr
	window, flying float64
	rtt            time.Duration
	acks           []pkt.Time
	calm           pkt.Time // no second reaction before
	pending        bool     // may send at `at`
}

func (a *aimd) Next() pkt.Time {
	next := pkt.Never
	if a.pending {
		next = a.at
	}
	if len(a.acks) > 0 {
		next = min(next, a.acks[0])
	}
	return next
}

func (a *aimd) Observe(e egress.Event) {
	if e.Packet.Flow != a.flow {
		return
	}
	switch e.Kind {
	case egress.Deliver:
		a.acks = append(a.acks, e.Time.Add(a.rtt))
	case egress.Drop:
		a.flying--
		a.back(e.Time)
		a.at, a.pending = e.Time.Add(a.rtt), true
	case egress.Mark:
		a.back(e.Time)
	}
}

func (a *aimd) back(now pkt.Time) {
	if now >= a.calm {
		a.window = max(a.window/2, 2)
		a.calm = now.Add(a.rtt)
	}
}

func (a *aimd) Act(now pkt.Time, send func(*pkt.Packet)) {
	for len(a.acks) > 0 && a.acks[0] <= now {
		a.acks = a.acks[1:]
		a.flying--
		a.window += 1 / a.window
	}
	if a.pending && a.at <= now {
		a.pending = false
	}
	for a.flying < float64(int(a.window)) {
		p := a.pool.Get()
		p.ID, p.Flow, p.Len, p.Segs, p.DSField = a.id, a.flow, a.len, 1, 0
		a.id++
		a.flying++
		send(p)
	}
}

// TestPlots draws the queue's delay over time for two AIMD senders and a sparse
// flow on 10 Mbit/s with 40 ms round trips: what every scheduler is about, for
// a reader to judge. -update draws anew.
func TestPlots(t *testing.T) {
	for qdisc, top := range map[string]time.Duration{"pfifo limit 200": 250 * time.Millisecond, "codel": 40 * time.Millisecond, "fq_codel": 40 * time.Millisecond} {
		name := strings.Fields(qdisc)[0]
		t.Run(name, func(t *testing.T) {
			path := "testdata/plot_" + name + ".txt"
			got := drawPlot(t, qdisc, top)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("%s (-want +got):\n%s", path, d)
			}
		})
	}
}

const (
	plotColumns = 80
	plotSpan    = 20 * time.Second
	plotRows    = 20
)

// plot collects each column's longest wait of the bulk and of the sparse flow,
// and its drops.
type plot struct {
	bulk, sparse [plotColumns]time.Duration
	drops        [plotColumns]int
}

func (p *plot) Event(e egress.Event) {
	col := int(e.Time * plotColumns / pkt.Time(plotSpan))
	if col >= plotColumns {
		return
	}
	switch wait := e.Packet.Sojourn(e.Time); {
	case e.Kind == egress.Drop:
		p.drops[col]++
	case e.Kind == egress.Dequeue && e.Packet.Flow.ID == 9:
		p.sparse[col] = max(p.sparse[col], wait)
	case e.Kind == egress.Dequeue:
		p.bulk[col] = max(p.bulk[col], wait)
	}
}

func drawPlot(t *testing.T, qdisc string, top time.Duration) string {
	p := &plot{}
	var loop *sim.Loop
	r := newRig(t, qdisc, "rate 10mbit", func(s egress.Sink) egress.Sink {
		loop = &sim.Loop{Sink: egress.Tee(s, p)}
		return loop
	})
	for i := range 2 {
		loop.Add(&aimd{
			cbr: cbr{flow: schedtest.TestFlow(i, 1), pool: r.pool, len: 1514, at: pkt.Time(i) * 1e9},
			rtt: 40 * time.Millisecond, window: 10, pending: true,
		})
	}
	loop.Add(&cbr{flow: schedtest.TestFlow(9, 1), pool: r.pool, len: 200, gap: 20 * time.Millisecond, burst: 1, at: 5e8})
	loop.Run(r.port, pkt.Time(plotSpan))
	return p.draw(qdisc, top) + fmt.Sprintf("delivered %.2f Mbit/s, digest %s\n",
		float64(r.c.Total.DeliveredBytes)*8/plotSpan.Seconds()/1e6, r.c.Digest)
}

// draw prints '#' for the bulk flows' wait, 'o' for the sparse flow's, and the
// drops of each column as a digit below.
func (p *plot) draw(title string, top time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: longest wait in the queue per %v, # two AIMD flows, o sparse flow\n", title, plotSpan/plotColumns)
	for row := plotRows; row >= 1; row-- {
		low := top * time.Duration(row-1) / plotRows
		fmt.Fprintf(&b, "%6.1fms |", low.Seconds()*1e3)
		for c := range plotColumns {
			switch {
			case p.sparse[c] > low && p.sparse[c] <= low+top/plotRows:
				b.WriteByte('o')
			case p.bulk[c] > low:
				b.WriteByte('#')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("   drops |")
	for _, n := range p.drops {
		b.WriteString(strings.TrimPrefix(fmt.Sprintf("%d", min(n, 9)), "0"))
		if n == 0 {
			b.WriteByte(' ')
		}
	}
	return b.String() + "|\n"
}
