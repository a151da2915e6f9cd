package inject

import (
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// rewritingTask is defaultTask over a link that copies and corrupts.
func rewritingTask(link string) testTask {
	task := defaultTask("")
	task.Task.Scheduler.Link, task.Task.Scheduler.GSO = link, "split"
	task.Task.Selection.Split, task.Task.Selection.To = true, pkt.Time(800*time.Millisecond)
	return task
}

// TestLiveRewrites replays real traces over such links: every copy is met, every
// corrupted packet arrives damaged, no other does, and the simulator decides the
// same.
func TestLiveRewrites(t *testing.T) {
	for _, c := range []struct{ trace, link string }{
		{"udp.zst", "rate 12mbit delay 5ms 4ms duplicate 20% corrupt 10%"},
		{"bulk.zst", "rate 100mbit loss 5% duplicate 10% front duplicate 10% corrupt 5%"},
		{"ipv6.zst", "rate 50mbit delay 2ms duplicate 30% corrupt 30%"},
		{"ecn.zst", "rate 12mbit loss 3% ecn duplicate 20%"},
		{"mix.zst", "unlimited delay 20ms 20ms duplicate 100% corrupt 50%"},
	} {
		t.Run(c.trace, func(t *testing.T) {
			task := rewritingTask(c.link)
			if c.trace == "bulk.zst" { // of 40000 packets a second
				task.Task.Selection.To, task.Task.Selection.Speed = pkt.Time(200*time.Millisecond), unit/4
			}
			l := runLive(t, corpusFile(t, c.trace), task, true)
			l.lossless(t)
			a, r := l.Comparison.Arrivals, l.Balance.Rewritten
			if !a.Drops.Equal() || !a.Marks.Equal() || a.Compared != l.Balance.Delivered {
				t.Errorf("against the simulation: %+v", a)
			}
			if r.Copies == 0 || r.Met != r.Sent || r.Copies != r.Sent+r.Lost || r.Harmed+r.Intact+r.Gone > 0 {
				t.Errorf("%+v", r)
			}
			if r.Damaged+r.Unchecked != r.Corrupted || r.Unchecked > r.Corrupted/10 || len(r.Unchanged) > 0 {
				t.Errorf("%+v", r)
			}
			if l.verified.Copies != r.Copies || l.verified.Corrupted != r.Corrupted || r.Copies != l.Run.Duplicated || r.Corrupted != l.Run.Corrupted {
				t.Errorf("verified %+v, account %+v", l.verified, r)
			}
		})
	}
}

// TestLiveRewriteFaults: a link that goes down, and a kernel that gives up its
// packets, cost copies too, and the account still closes.
func TestLiveRewriteFaults(t *testing.T) {
	for _, fault := range []string{"out-down", "flush"} {
		t.Run(fault, func(t *testing.T) {
			task := rewritingTask("rate 20mbit delay 10ms 5ms duplicate 50% corrupt 5%")
			task.Fault = fault
			l := runLive(t, corpusFile(t, "udp.zst"), task, false)
			r, lost := l.Balance.Rewritten, l.Balance.Lost
			if r.Met == 0 || r.Harmed > 0 || r.Copies != r.Sent+total(r.Refused) {
				t.Errorf("%+v", r)
			}
			if fault == "out-down" && total(r.Refused)+r.Released == 0 || fault == "flush" && lost.Flushed == 0 {
				t.Errorf("nothing happened: %+v, %+v", r, lost)
			}
		})
	}
}

// TestLiveLongPackets: what cannot be rewritten passes, and is counted. The wire
// feeds packets longer than any copy range, on a link that would copy them.
func TestLiveLongPackets(t *testing.T) {
	long := udpRecord(t, "udp 10.9.8.7:6>1.2.3.4:5", 65533)
	long6 := udpRecord(t, "udp [fd00::1]:6>[fd00::2]:5", 65534)
	short := udpRecord(t, "udp 10.9.8.7:6>1.2.3.4:5", 200)
	l := runLive(t, fileOf(t, traceOf(t, []traces.Record{long, long6, short})), rewritingTask("rate 1gbit duplicate 100% corrupt 100%"), false)
	r := l.Balance.Rewritten
	if l.Balance.Delivered != 3 || r.Copies != 3 || r.Sent != 1 || r.Refused["longer than the copy range"] != 2 || r.Unchanged["longer than the copy range"] != 4 || r.Damaged != 2 {
		t.Errorf("%+v, %+v", l.Balance, r)
	}
}
