// Command example-sqf is uq with one scheduler more: shortest queue first.
package main

import (
	"os"

	"github.com/uqtool/uq/cmd/cli"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/sim/tc"
)

func main() {
	os.Exit(cli.Main(append(builtin.Kinds(), sched.Kind{Name: "sqf", Summary: "shortest queue first", New: func(words []string, env sched.Env) (sched.Scheduler, error) {
		s := &sqf{Named: "sqf", limit: 1000, drop: env.Drop}
		return s, tc.Options{tc.Packets("limit", &s.limit, 1, 1<<20, "packets queued (1000)")}.Parse("sqf", words)
	}})))
}

// sqf serves the flow with the fewest bytes queued.
type sqf struct {
	sched.Named
	flows                 [256]pkt.FIFO
	limit, packets, bytes int
	drop                  sched.DropFunc
}

func (s *sqf) Backlog() (packets, bytes int) { return s.packets, s.bytes }
func (s *sqf) Enqueue(now pkt.Time, p *pkt.Packet) {
	if s.packets == s.limit {
		s.drop(now, p, pkt.Overlimit)
		return
	}
	s.flows[p.Flow.Hash%256].Push(p)
	s.packets, s.bytes = s.packets+1, s.bytes+int(p.Len)
}
func (s *sqf) Dequeue(pkt.Time) (p *pkt.Packet) {
	shortest := &s.flows[0]
	for i := range s.flows {
		if q := &s.flows[i]; q.Len() > 0 && (shortest.Len() == 0 || q.Bytes() < shortest.Bytes()) {
			shortest = q
		}
	}
	if p = shortest.Pop(); p != nil {
		s.packets, s.bytes = s.packets-1, s.bytes-int(p.Len)
	}
	return p
}
