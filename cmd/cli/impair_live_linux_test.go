package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/uqtool/uq/record/livetest"
)

// TestLiveImpairedHost copies and corrupts on this host: the kernel's counters
// meet as many copies as the recording says it sent, no copy meets the queue
// again.
func TestLiveImpairedHost(t *testing.T) {
	for _, hook := range []string{"output", "postrouting"} {
		t.Run(hook, func(t *testing.T) {
			t.Parallel()
			livetest.Test(t, func(t *testing.T) {
				p := newPlace(t)
				r := p.start(filepath.Join(p.dir, "t.zst"), "--hook", hook, "--dev", "lo", "--qdisc", "fq_codel", "--link", "rate 50mbit loss 2% duplicate 20% corrupt 5% front duplicate 5%")
				p.gently(3000, 900)
				r.rest()
				r.end(0)
				s, live := r.rep.Record, r.rep.Live
				rw := live.Rewrites
				if rw.Copies < 500 || rw.Copies != rw.Sent+rw.Lost || rw.Returned > 0 || rw.Corrupted < 50 || len(rw.Unchanged) > 0 {
					t.Errorf("%v", rw)
				}
				// Copies pass the counters of the output hook, too, unless their
				// ports were hit.
				passed := s.Packets - (live.Run.Dropped - rw.Lost)
				if hook == "postrouting" {
					passed = s.Packets // the counter lies before the queue
				}
				r.told(r.starved()...)
				met := r.met - s.Packets - s.Losses.Missing - s.Losses.QueueFull
				if met > rw.Sent || met < rw.Sent-rw.Corrupted || r.through > passed+rw.Sent || r.through < passed+rw.Sent-2*rw.Corrupted {
					t.Errorf("met %d, through %d, %d packets, %d drops, %v", r.met, r.through, s.Packets, live.Run.Dropped, rw)
				}
				if code, out, errs := runUq("verify", r.file); code != 0 || !strings.Contains(out, " copies made, ") {
					t.Errorf("verify: exit %d\n%s%s", code, out, errs)
				}
				if code, out, errs := runUq("trace", "cat", r.file); code != 0 || !strings.Contains(out, `accept; oifname`) {
					t.Errorf("no exception in the rule: exit %d\n%.600s%s", code, out, errs)
				}
			})
		})
	}
}
