package record

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/uqtool/uq/traces"
)

// Meter is what a run lets others see of its verdicts while it runs: all its
// methods may be called from any goroutine. A nil Meter counts nothing.
type Meter struct {
	arrived  atomic.Uint64
	verdicts [traces.Lost]atomic.Uint64 // by traces.Verdict
	late     [LateBuckets]atomic.Uint64
	lateSum  atomic.Int64
}

// LateBuckets is how many buckets a Meter's lateness has. Bucket i holds what is
// below LateBound(i), the last one all the rest.
const LateBuckets = 24

// lateUnit is the smallest bound, 1024 ns; every next one is twice as large.
const lateUnit = 10

// LateBound is the upper end of a bucket, from 1.024 us to 4.3 s.
func LateBound(i int) time.Duration { return 1 << (lateUnit + i) }

// Arrived counts packets that came from the queue.
func (m *Meter) Arrived(n int) {
	if m != nil {
		m.arrived.Add(uint64(n))
	}
}

// Decided counts n verdicts.
func (m *Meter) Decided(v traces.Verdict, n int) {
	if m != nil {
		m.verdicts[v].Add(uint64(n))
	}
}

// Late counts n verdicts that were so late.
func (m *Meter) Late(d time.Duration, n int) {
	if m == nil {
		return
	}
	d = max(d, 0)
	m.late[min(bits.Len64(uint64(d)>>lateUnit), LateBuckets-1)].Add(uint64(n))
	m.lateSum.Add(int64(d) * int64(n))
}

// MeterReading is the state of a Meter.
type MeterReading struct {
	Verdicts [traces.Lost]uint64 // by traces.Verdict
	// Backlog is how many packets have come and not got their verdict.
	Backlog uint64
	Late    [LateBuckets]uint64
	LateSum time.Duration
}

// Read reads all counts, one after the other.
func (m *Meter) Read() MeterReading {
	var r MeterReading
	decided := uint64(0)
	for i := range m.verdicts {
		r.Verdicts[i] = m.verdicts[i].Load()
		decided += r.Verdicts[i]
	}
	// Read last, so that no packet is decided that has not come.
	r.Backlog = m.arrived.Load() - decided
	for i := range m.late {
		r.Late[i] = m.late[i].Load()
	}
	r.LateSum = time.Duration(m.lateSum.Load())
	return r
}
