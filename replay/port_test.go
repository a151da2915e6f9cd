package replay

import (
	"testing"

	"github.com/uqtool/uq/sim/egress"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/builtin"
	"github.com/uqtool/uq/traces"
)

func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		qdisc, link string
		want        uint64
	}{
		{"pfifo", "unlimited", 1001},
		{"pfifo limit 20000", "rate 20mbit", 20001},
		{"codel limit 5", "unlimited delay 1s", 6},
		{"fq_codel", "rate 20mbit", 10241},
		{"bfifo limit 64000", "rate 20mbit", 1001},
		{"pfifo", "rate 512mbit delay 100ms", 101001},
		{"pfifo", "rate 1000gbit delay 3600s", 1001 + 1<<31 - 1},
		{"pfifo limit 0", "unlimited", 0},
		{"pfifo_fast", "unlimited", 3001},
		{"prio [pfifo limit 9] [bfifo limit 640] [fq_codel limit 100]", "unlimited", 9 + 10 + 101 + 1}, // one held by the parent
		{"prio bands 2 priomap 0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 1 [pfifo limit 0]", "unlimited", 0},
		{"red limit 64000 avpkt 1000", "unlimited", 1001},
		{"red limit 64000 avpkt 1000 [sfq]", "unlimited", 129},
		{"drr", "unlimited", 1024001},
		{"drr classes 4 [pfifo limit 9] [codel limit 10]", "unlimited", 9 + 3*11 + 1},
		{"tbf rate 20mbit burst 10kb limit 64000", "unlimited", 1001},
		{"tbf rate 20mbit burst 10kb limit 64000 [codel]", "unlimited", 1002},
		{"pfifo", "rate 512mbit delay 50ms 50ms", 101001},
		{"pfifo", "rate 512mbit delay 100ms loss 1%", 101001},
		{"pfifo", "rate 512mbit slot 1ms limit 30", 1031},
		{"pfifo", "rate 512mbit slot 1ms", 2001},
		{"pfifo", "unlimited slot 1ms packets 5", 2001},
		{"pfifo", "rate-file steps.csv delay 512us", 1030},
		{"pfifo", "rate 20mbit front loss 1% slot 1ms", 1001},
	} {
		p, err := NewPort(ports, traces.Scheduler{Qdisc: tt.qdisc, Link: tt.link}, nil, &pkt.Pool{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Room(p); got != tt.want {
			t.Errorf("%s, %s: room for %d packets, want %d", tt.qdisc, tt.link, got, tt.want)
		}
	}
}

// ports is the maker of these tests' ports.
var ports = egress.Maker{Qdiscs: builtin.Kinds(), ReadFile: readFile}
