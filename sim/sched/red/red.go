// Package red is tc's red: Random Early Detection (Floyd and Jacobson, "Random
// Early Detection Gateways for Congestion Avoidance", 1993), and adaptive RED
// (Floyd, Gummadi and Shenker, 2001), in the integers that Linux computes in.
//
// RED keeps an average of the queue in bytes. Below min every packet passes,
// from max on every one is marked or dropped; between them one is by chance, the
// more likely the higher the average and the longer ago the last one was.
//
//	red limit BYTES [min BYTES] [max BYTES] avpkt BYTES [burst PACKETS]
//	    [adaptive] [probability FRACTION] [bandwidth RATE]
//	    [ecn] [harddrop] [nodrop] [QDISC]
//
// max is limit/4 and min max/3 unless given, burst (2·min+max)/(3·avpkt),
// probability 0.02, bandwidth 10mbit. From burst and avpkt follows the weight of
// the average, from bandwidth how fast it decays while nothing is queued, both as
// tc computes them. The qdisc in brackets is a bfifo of limit bytes unless given;
// limit then has no effect. adaptive moves probability every half second, at
// multiples of it in the run's time, so that the average stays near the middle
// of min and max.
//
// # Differences from Linux
//
//   - The random numbers come from the run's seed.
//   - A bandwidth so small that tc's idle table, or the kernel's, overflows: here
//     it does not. A probability of 1, which does in tc, is the one just below.
//   - tc also prints neither avpkt, burst, bandwidth nor probability; here they
//     are, so that the line can be read back.
//   - No qevents.
//
// As in Linux, the average of an idle queue falls in a line to half, within half a
// unit of the table, and then by the table, 15.6 times more slowly than bandwidth
// says: tc fills it in units of 64 ns, the kernel reads it in µs.
package red

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Config is tc's view of RED.
type Config struct {
	// Limit, Min, Max and AvPkt are in bytes, Burst in packets.
	Limit, Min, Max, AvPkt, Burst int
	// Probability at Max, in 2^-32.
	Probability uint32
	// Bandwidth in bit/s says how fast an idle queue's average decays.
	Bandwidth uint64
	// ECN marks instead of dropping. HardDrop drops all the same above Max;
	// NoDrop queues what cannot be marked.
	ECN, HardDrop, NoDrop bool
}

// DefaultProbability is tc's 0.02.
const DefaultProbability = 85899345

// Fill completes what was not given as tc does.
func (c *Config) Fill() {
	if c.Max == 0 && c.Min > 0 {
		c.Max = 3 * c.Min
	} else if c.Max == 0 {
		c.Max = c.Limit / 4
	}
	if c.Min == 0 {
		c.Min = c.Max / 3
	}
	if c.Burst == 0 {
		c.Burst = (2*c.Min + c.Max) / (3 * c.AvPkt)
	}
}

// Params computes what the algorithm needs.
func (c *Config) Params() (Params, error) {
	p := Params{Min: uint32(c.Min), Max: uint32(c.Max)}
	w, err := EWMA(c.Min, c.Burst, c.AvPkt)
	if err != nil {
		return p, err
	}
	p.WLog = w
	if err := p.Check(); err != nil {
		return p, err
	}
	// tc wants probability·2^i above max - min for an i below 32.
	if uint64(c.Probability)<<31 <= uint64(p.delta())<<32 {
		return p, fmt.Errorf("probability %s is too small for max - min of %d bytes", tc.FormatFraction(c.Probability), p.delta())
	}
	p.SetMaxP(c.Probability)
	return p, nil
}

// Qdisc is a red.
type Qdisc struct {
	Config
	adaptive bool

	par   Params
	vars  Vars
	ticks int64 // steps of adaptEvery taken
	child sched.Head
	given bool // the child is in the words
	rng   *random.Rand
	drop  sched.DropFunc

	entering   *pkt.Packet // in Enqueue, until the child refuses it
	overlimits uint64
	stats      stats
}

type stats struct {
	marked, early, pdrop uint64
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Peeker    = (*Qdisc)(nil)
	_ sched.Waiter    = (*Qdisc)(nil)
	_ sched.Classful  = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses tc's words after "red".
func New(words []string, env sched.Env) (sched.Scheduler, error) {
	q := &Qdisc{Config: Config{Probability: DefaultProbability, Bandwidth: 10e6}, vars: NewVars(), given: env.Children() > 0, drop: env.Drop}
	if err := q.options().Parse("red", words); err != nil {
		return nil, err
	}
	if q.Limit == 0 || q.AvPkt == 0 {
		return nil, errors.New("red: required parameter (limit, avpkt) is missing: for example \"red limit 400000 avpkt 1000\"")
	}
	if q.NoDrop && !q.ECN {
		return nil, errors.New("red: nodrop mode is only meaningful with ECN: add ecn or leave out nodrop")
	}
	q.Fill()
	var err error
	if q.par, err = q.Params(); err != nil {
		return nil, fmt.Errorf("red: %w", err)
	}
	if q.Bandwidth < 8 {
		return nil, errors.New("red: illegal \"bandwidth\": want at least 8bit")
	}
	idleTable(&q.par, q.AvPkt, q.Bandwidth/8)
	child, err := env.Child(0, "bfifo limit "+strconv.Itoa(q.Limit), q.childDrop)
	if err != nil {
		return nil, fmt.Errorf("red: %w", err)
	}
	q.child, q.rng = sched.NewHead(child), env.Random()
	q.vars.StartIdle(0)
	return q, nil
}

const maxBytes = 1<<31 - 1

func (q *Qdisc) options() tc.Options {
	adaptive := tc.Flag("adaptive", &q.adaptive, "move probability to hold the average between min and max")
	return tc.Options{
		tc.Size("limit", &q.Limit, 1, maxBytes, "bytes queued before every packet is dropped; required"),
		tc.Size("min", &q.Min, 0, maxBytes, "average queue from which packets are marked or dropped by chance (max/3)"),
		tc.Size("max", &q.Max, 0, maxBytes, "average queue from which every packet is (limit/4)"),
		tc.Flag("ecn", &q.ECN, "mark ECN-capable packets instead of dropping them"),
		tc.Flag("harddrop", &q.HardDrop, "drop above max even what could be marked"),
		adaptive,
		tc.Word("adaptative", "the same, as older manuals spell it", func() { q.adaptive = true }),
		tc.Flag("nodrop", &q.NoDrop, "with ecn: queue what cannot be marked"),
		tc.Size("avpkt", &q.AvPkt, 1, 1<<20, "average packet, 1000 is a good value; required"),
		tc.Count("burst", &q.Burst, 0, 1<<24, "", "packets a burst may have before it counts ((2*min+max)/(3*avpkt))"),
		tc.Fraction("probability", &q.Probability, "chance at max (0.02)"),
		tc.Rate("bandwidth", &q.Bandwidth, "the link's, by which the average decays when idle (10mbit)"),
	}
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	q.adapt(now)
	_, backlog := q.child.Backlog()
	q.vars.Update(&q.par, now, backlog)
	if action := q.vars.Act(&q.par, q.rng); action != Pass {
		q.overlimits++
		if !q.mark(p, action) {
			q.stats.early++
			q.drop(now, p, pkt.AQM)
			return
		}
	}
	q.entering = p
	q.child.Enqueue(now, p)
	q.entering = nil
}

// mark reports whether p may be queued: marked, or let off by nodrop.
func (q *Qdisc) mark(p *pkt.Packet, action Action) bool {
	if !q.ECN || action == Hard && q.HardDrop {
		return false
	}
	if p.SetCE(pkt.AQM) {
		q.stats.marked++
		return true
	}
	return q.NoDrop
}

// childDrop counts what the child refuses on arrival.
func (q *Qdisc) childDrop(now pkt.Time, p *pkt.Packet, why pkt.Reason) {
	if p == q.entering {
		q.stats.pdrop++
	}
	q.drop(now, p, why)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	q.adapt(now)
	p := q.child.Dequeue(now)
	if p == nil {
		q.vars.StartIdle(now)
	}
	return p
}

// adapt takes the steps of adaptive RED that were due by now. Nothing that a
// step looks at changes between calls, so a step taken late is the step taken in
// time; once an idle queue's average is at rest the rest of the steps are
// nothing.
func (q *Qdisc) adapt(now pkt.Time) {
	if !q.adaptive {
		return
	}
	for due := int64(now) / int64(adaptEvery); q.ticks < due; {
		q.ticks++
		at := pkt.Time(q.ticks * int64(adaptEvery))
		if !q.vars.Adapt(&q.par, at) && q.vars.rests(&q.par, at) {
			q.ticks = due
		}
	}
}

// Peek implements sched.Peeker.
func (q *Qdisc) Peek(now pkt.Time) *pkt.Packet { return q.child.Peek(now) }

// NextWake implements sched.Waiter: RED itself waits for nothing, the scheduler
// inside may.
func (q *Qdisc) NextWake() pkt.Time { return q.child.NextWake() }

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.child.Backlog() }

// Room implements sched.Roomy: the scheduler's inside.
func (q *Qdisc) Room(smallest int) int { return q.child.Room(smallest) }

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "red" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer.
func (q *Qdisc) Stats() []tc.Field {
	return []tc.Field{
		{Key: "overlimits", Num: int64(q.overlimits)},
		{Key: "marked", Num: int64(q.stats.marked)},
		{Key: "early", Num: int64(q.stats.early)},
		{Key: "pdrop", Num: int64(q.stats.pdrop)},
		{Key: "other", Num: 0},
	}
}

// Inside implements sched.Classful.
func (q *Qdisc) Inside() []sched.Inner {
	return []sched.Inner{{ID: "1:1", Scheduler: q.child.Scheduler, Stats: q.child.Sent(), Implied: !q.given}}
}

// DebugState prints the average and the probability at max, which scripted tests
// look at.
func (q *Qdisc) DebugState() string {
	return fmt.Sprintf("average %d probability %s\n", q.vars.Average(&q.par), tc.FormatFraction(q.par.MaxP))
}
