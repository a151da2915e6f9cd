package inject

import (
	"testing"

	"github.com/uqtool/uq/replay"
)

func TestSleepUntil(t *testing.T) {
	const now = int64(1e12)
	for _, c := range []struct {
		timer     replay.Timer
		in, sleep int64 // from now
	}{
		{replay.Sleep, 30_000, 30_000}, {replay.Sleep, 10 * longestSleep, longestSleep}, {replay.Hybrid, 30_000, 0},
		{replay.Hybrid, 130_000, 30_000}, {replay.Hybrid, 10 * longestSleep, longestSleep}, {replay.Spin, 10 * longestSleep, 0}, {replay.Sleep, -5, 0},
	} {
		p := &pacer{timer: c.timer}
		if got := p.sleepUntil(now, now+c.in); got != now+c.sleep {
			t.Errorf("%s, due in %d: sleep for %d, want %d", c.timer, c.in, got-now, c.sleep)
		}
	}
}

// The pacer never comes early, and a stop ends its wait.
func TestPacer(t *testing.T) {
	for _, timer := range []replay.Timer{replay.Sleep, replay.Hybrid, replay.Spin} {
		p := newPacer(timer)
		start := p.now()
		for i := int64(1); i <= 5; i++ {
			if now, ok := p.wait(start + i*200_000); !ok || now < start+i*200_000 {
				t.Errorf("%s: %d ns early", timer, start+i*200_000-now)
			}
		}
		p.stop.Store(true)
		if _, ok := p.wait(start + 1e15); ok {
			t.Errorf("%s: a stop does not end the wait", timer)
		}
	}
}

func TestCounters(t *testing.T) {
	const text = `Ip: Forwarding InHdrErrors InAddrErrors InDiscards OutNoRoutes
Ip: 1 2 3 4 5
Icmp: InMsgs InErrors
Icmp: 7 8
IpExt: InNoRoutes InTruncatedPkts
IpExt: 100 9
Ip6InNoRoutes                   	1000
Ip6OutRequests                  	5
`
	if n := addCounters(text); n != 2+3+4+5+100+1000 {
		t.Errorf("%d", n)
	}
	if n := addCounters("Ip:\nIp6InNoRoutes x\nIp: a b\n"); n != 0 {
		t.Errorf("%d out of nothing", n)
	}
}
