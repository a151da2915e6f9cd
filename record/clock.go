package record

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/traces"
)

// Clock is the time line of a recording: monotonic, with its zero tied to the
// machine's clocks. The zero Clock is not usable; see StartClock.
type Clock struct {
	base   time.Time
	anchor traces.Anchor
}

// anchorTries is how often the clocks are read to catch them close together.
const anchorTries = 5

// StartClock starts a time line now.
func StartClock() Clock {
	var c Clock
	best := int64(-1)
	for range anchorTries {
		before := monotonic()
		now := time.Now() // reads both clocks, some ten nanoseconds apart
		after := monotonic()
		if span := after - before; best < 0 || span < best {
			best = span
			c.base = now
			c.anchor = traces.Anchor{MonotonicNs: before + span/2, RealtimeNs: now.UnixNano()}
		}
	}
	return c
}

// Now is the time on the line. On Linux it is CLOCK_MONOTONIC, moved.
func (c Clock) Now() pkt.Time { return pkt.Time(time.Since(c.base)) }

// Anchor is what the trace's header needs.
func (c Clock) Anchor() traces.Anchor { return c.anchor }

// maxSpan is the farthest from time zero that a realtime stamp makes sense.
const maxSpan = 1 << 60 // 36 years

// FromRealtime puts a time in nanoseconds since 1970 on the line, as if the
// realtime clock had not been set since; 0 and times decades away are
// traces.NoTime.
func (c Clock) FromRealtime(ns int64) pkt.Time {
	t := ns - c.anchor.RealtimeNs
	if ns <= 0 || t < -maxSpan || t > maxSpan {
		return traces.NoTime
	}
	return pkt.Time(t)
}
