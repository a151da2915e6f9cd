package link

import (
	"bytes"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/tc"
)

// OpportunityBytes is what one line of a mahimahi trace lets through: an IP
// packet of 1500 bytes with the four bytes that a TUN device puts before it.
const OpportunityBytes = 1504

const tunHeader = 4

// Schedule is a wire with opportunities at given times: a mahimahi delivery
// trace. Each of its lines is the time, in ms since the run's time zero, of one
// opportunity to send 1504 bytes. It lets waiting packets through as far as they
// fit; the rest of one that does not fit goes with the next opportunity, and
// leftover bytes serve the packets behind it. Bytes that nothing waits for are
// lost. The trace starts over at the time of its last line.
//
// A packet counts for its IP length and 4 bytes, each segment of a super-packet
// apart, as in mahimahi. It leaves the scheduler with its first byte and arrives
// with its last, Delay later. Times are exact: mahimahi's are those of a clock
// that it reads in milliseconds.
type Schedule struct {
	file
	// Delay is the propagation delay.
	Delay time.Duration

	steps  []opportunity // in order of time, the last one's is the period
	period pkt.Time

	next    int // of steps, while waiting
	due     pkt.Time
	waiting bool

	partial *pkt.Packet // begun
	left    uint64      // bytes of it to be sent
}

// opportunity is n lines of the same time, which is after 0 and at most the
// period: what the trace has at 0 it has at the period.
type opportunity struct {
	at pkt.Time
	n  uint64
}

// Transmit implements Link.
func (l *Schedule) Transmit(now pkt.Time, src Source, out Outcome) (pkt.Time, bool) {
	if !l.waiting || now != l.due {
		l.seek(now) // something arrived; what was due until now was lost
		return l.due, true
	}
	for room := l.steps[l.next].n * OpportunityBytes; room > 0; {
		if l.partial == nil {
			if l.partial = src.Take(now); l.partial == nil {
				l.waiting = false
				return now, false
			}
			l.left = l.size(l.partial)
		}
		n := min(room, l.left)
		room -= n
		if l.left -= n; l.left == 0 {
			out.Deliver(now.Add(l.Delay), l.partial)
			l.partial = nil
		}
	}
	l.step()
	return l.due, true
}

// seek finds the first opportunity after now.
func (l *Schedule) seek(now pkt.Time) {
	within := now % l.period
	l.next = sort.Search(len(l.steps)-1, func(i int) bool { return l.steps[i].at > within })
	l.due, l.waiting = now-within+l.steps[l.next].at, true
}

// step goes on to the next opportunity.
func (l *Schedule) step() {
	from := l.steps[l.next].at
	if l.next++; l.next == len(l.steps) {
		l.next, from = 0, 0
	}
	l.due += l.steps[l.next].at - from
}

// Offers is how many bytes the trace lets through at a millisecond of the run,
// whether or not anything waits for it.
func (l *Schedule) Offers(ms uint64) uint64 {
	period := uint64(l.period / pkt.Time(time.Millisecond))
	if ms == 0 {
		return 0 // what the trace has at 0 it has at the period
	}
	at := pkt.Time((ms-1)%period+1) * pkt.Time(time.Millisecond)
	i := sort.Search(len(l.steps), func(i int) bool { return l.steps[i].at >= at })
	if i == len(l.steps) || l.steps[i].at != at {
		return 0
	}
	return l.steps[i].n * OpportunityBytes
}

func (l *Schedule) size(p *pkt.Packet) uint64 {
	segs := uint64(max(p.Segs, 1))
	return uint64(p.L3Len) + (segs-1)*uint64(p.HdrLen) + segs*tunHeader
}

// Kind implements Link.
func (l *Schedule) Kind() string { return "schedule" }

// Options implements Link.
func (l *Schedule) Options() []tc.Field { return fields(l) }

func (l *Schedule) words() tc.Options {
	return l.file.options("schedule", "mahimahi trace: each line the ms of an opportunity of 1504 bytes")
}

func (l *Schedule) propagation() *time.Duration { return &l.Delay }

// peak is the rate of the busiest millisecond.
func (l *Schedule) peak() uint64 {
	most := uint64(0)
	for _, s := range l.steps {
		most = max(most, s.n)
	}
	return min(most, math.MaxUint32) * OpportunityBytes * 8 * 1000
}

// Holds implements Holder.
func (l *Schedule) Holds(smallest int) uint64 { return held(l.peak(), smallest, l.Delay) }

// maxScheduleMs bounds a trace's times: forty-nine days.
const maxScheduleMs = math.MaxUint32

// load implements loader.
func (l *Schedule) load(data []byte) error {
	at0, last, line := uint64(0), uint64(0), 0
	for len(data) > 0 {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte{'\n'})
		line++
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		ms, err := milliseconds(text)
		switch {
		case err != nil:
			return fmt.Errorf("line %d: %w", line, err)
		case ms < last:
			return fmt.Errorf("line %d: %d ms is before the %d ms of an earlier line: times must not run back", line, ms, last)
		case ms == 0:
			at0++
		case ms == last:
			l.steps[len(l.steps)-1].n++
		default:
			l.steps = append(l.steps, opportunity{pkt.Time(ms) * pkt.Time(time.Millisecond), 1})
		}
		last = ms
	}
	if last == 0 {
		return fmt.Errorf("line %d: no opportunity after 0 ms: the last line's time is when the trace starts over", line)
	}
	end := &l.steps[len(l.steps)-1]
	end.n += at0
	l.period = end.at
	return nil
}

// milliseconds reads a line.
func milliseconds(text []byte) (ms uint64, err error) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.20q: want milliseconds since the beginning, a whole number", text)
		}
		if ms = ms*10 + uint64(c-'0'); ms > maxScheduleMs {
			return 0, fmt.Errorf("%.20q: want at most %d ms", text, uint64(maxScheduleMs))
		}
	}
	return ms, nil
}
