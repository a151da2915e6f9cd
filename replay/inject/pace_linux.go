package inject

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/replay"
)

// pacer waits for instants of CLOCK_MONOTONIC, in ns.
type pacer struct {
	timer replay.Timer
	clock record.Clock
	base  int64 // of clock
	stop  atomic.Bool
}

func newPacer(timer replay.Timer) *pacer {
	c := record.StartClock()
	return &pacer{timer: timer, clock: c, base: c.Anchor().MonotonicNs}
}

func (p *pacer) now() int64 { return p.base + int64(p.clock.Now()) }

const (
	// spinBefore is how long before an instant Hybrid stops sleeping.
	spinBefore = int64(100 * time.Microsecond)
	// longestSleep bounds how late a stop is noticed.
	longestSleep = int64(50 * time.Millisecond)
)

// wait returns when the instant due has come, with the time it is then; false
// when told to stop.
func (p *pacer) wait(due int64) (now int64, ok bool) {
	for {
		now = p.now()
		if now >= due {
			return now, !p.stop.Load()
		}
		if p.stop.Load() {
			return now, false
		}
		if until := p.sleepUntil(now, due); until > now {
			ts := unix.NsecToTimespec(until)
			_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) // EINTR: look again
		}
	}
}

// sleepUntil says until when to sleep at most, waiting for due; now to poll.
func (p *pacer) sleepUntil(now, due int64) int64 {
	switch p.timer {
	case replay.Spin:
		return now
	case replay.Hybrid:
		due -= spinBefore
	}
	return min(max(due, now), now+longestSleep)
}
