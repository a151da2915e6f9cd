package red

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Params are RED's parameters in the units the algorithm computes in. Only
// adaptive RED changes them while it runs.
type Params struct {
	// Min and Max are the thresholds of the average queue, in bytes.
	Min, Max uint32
	// WLog is the weight of a new sample in the average, 2^-WLog; the average is
	// kept with as many binary places.
	WLog uint8
	// ScellLog is the unit of Stab, 2^ScellLog µs; Stab has by how many bits the
	// average shrinks after so long without a packet.
	ScellLog uint8
	Stab     [256]uint8
	// MaxP is the probability at Max, in 2^-32.
	MaxP uint32

	scale uint32 // MaxP per byte between the thresholds
}

// SetMaxP sets the probability at Max.
func (p *Params) SetMaxP(maxP uint32) {
	p.MaxP = maxP
	p.scale = max(maxP/p.delta(), 1)
}

func (p *Params) delta() uint32 { return max(p.Max-p.Min, 1) }

// Vars is the state of one queue. Start from NewVars.
type Vars struct {
	// avg is the average queue in bytes, with WLog binary places.
	avg uint64
	// count is how many packets passed since the last mark, below 0 while the
	// average is outside the thresholds; r is what count times the excess must
	// reach for the next.
	count int64
	r     uint32
	idle  bool
	since pkt.Time // start of idle
}

// NewVars is a queue that was never used.
func NewVars() Vars { return Vars{count: -1} }

// Average is the average queue in bytes.
func (v *Vars) Average(p *Params) uint64 { return v.avg >> p.WLog }

// StartIdle says that the queue was found empty at now.
func (v *Vars) StartIdle(now pkt.Time) {
	if !v.idle {
		v.idle, v.since = true, now
	}
}

// Update takes the sample backlog, in bytes, that an arrival at now finds.
func (v *Vars) Update(p *Params, now pkt.Time, backlog int) {
	if v.idle {
		v.avg, v.idle = v.decayed(p, now), false
		return
	}
	v.Sample(p, backlog)
}

// Sample takes a sample without a thought to idle time: avg += W·(backlog - avg).
func (v *Vars) Sample(p *Params, backlog int) {
	v.avg += uint64(backlog) - v.avg>>p.WLog
}

// decayed is the average after the queue was idle until now: as if it had seen
// (1-W)^m, m the packets of average size that could have been sent. Below half
// it is a shift from the table; above, where a shift is too coarse, a straight
// line.
func (v *Vars) decayed(p *Params, now pkt.Time) uint64 {
	us := min(uint64(now.Sub(v.since)/time.Microsecond), 255<<p.ScellLog)
	if shift := p.Stab[us>>p.ScellLog]; shift > 0 {
		return v.avg >> shift
	}
	hi, lo := bits.Mul64(v.avg, us)
	if off := hi<<(64-p.ScellLog) | lo>>p.ScellLog; off < v.avg>>1 {
		return v.avg - off
	}
	return v.avg >> 1
}

// Action is what RED does with a packet.
type Action uint8

// The actions.
const (
	Pass  Action = iota // queue it
	Early               // mark or drop it, by chance
	Hard                // mark or drop it: the average is at Max or above
)

// Act judges an arrival by the average. Between the thresholds the gaps between
// marks are uniform on 1..1/p, as in the paper's second method.
func (v *Vars) Act(p *Params, rng *random.Rand) Action {
	switch avg := v.avg; {
	case avg < uint64(p.Min)<<p.WLog:
		v.count = -1
		return Pass
	case avg >= uint64(p.Max)<<p.WLog:
		v.count = -1
		return Hard
	}
	v.count++
	if v.count == 0 {
		v.r = rng.Uint32() / p.scale
		return Pass
	}
	over := v.avg>>p.WLog - uint64(p.Min)
	if over*uint64(v.count) < uint64(v.r) {
		return Pass
	}
	v.count, v.r = 0, rng.Uint32()/p.scale
	return Early
}

// Adaptive RED's constants in 2^-32: one percent, and the range MaxP is held in.
const (
	percent    = (1<<32 + 50) / 100
	adaptMin   = 1 * percent
	adaptMax   = 50 * percent
	adaptEvery = 500 * time.Millisecond
)

// Adapt is the step of adaptive RED at now: it raises MaxP by at most a quarter
// of itself and a percent while the average is above three fifths of the way
// from Min to Max, and lowers it by a tenth while it is below two fifths. It
// reports whether anything changed.
func (v *Vars) Adapt(p *Params, now pkt.Time) bool {
	avg := v.avg
	if v.idle {
		avg = v.decayed(p, now)
	}
	avg >>= p.WLog
	fifth, before := uint64(p.delta()/5), p.MaxP
	switch {
	case avg > uint64(p.Min)+3*fifth && p.MaxP <= adaptMax:
		p.MaxP += min(adaptMin, p.MaxP/4)
	case avg < uint64(p.Min)+2*fifth && p.MaxP >= adaptMin:
		p.MaxP = p.MaxP / 10 * 9
	}
	p.scale = max((p.MaxP+p.delta()/2)/p.delta(), 1)
	return p.MaxP != before
}

// Check refuses what the kernel refuses.
func (p *Params) Check() error {
	switch {
	case p.Max <= p.Min:
		return fmt.Errorf("max %d is not above min %d: raise max, to 3 times min for example", p.Max, p.Min)
	case bits.Len32(p.Max)+int(p.WLog) >= 32:
		return fmt.Errorf("max %d with a weight of 2^-%d does not fit in 32 bits: lower burst or max", p.Max, p.WLog)
	}
	return nil
}

// rests says that the average that Adapt looks at stays as it is after now if
// nobody calls: the queue is in use, or has been idle past the end of the table.
func (v *Vars) rests(p *Params, now pkt.Time) bool {
	return !v.idle || uint64(now.Sub(v.since)/time.Microsecond) >= 255<<p.ScellLog
}
