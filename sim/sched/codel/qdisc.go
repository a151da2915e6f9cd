package codel

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Config is tc's view of the control law, shared by the qdiscs built on it.
type Config struct {
	Target, Interval   time.Duration
	CEThreshold        time.Duration // negative: off
	CESelector, CEMask uint8
	ECN                bool
}

// maxTime keeps spans well inside the wrapping clock.
const maxTime = 1000 * time.Second

// Params converts to the control law's units. mtu is in bytes.
func (c *Config) Params(mtu int) Params {
	p := Params{
		Target: TicksOf(c.Target), Interval: TicksOf(c.Interval), MTU: mtu,
		ECN: c.ECN, CEThreshold: Disabled, CESelector: c.CESelector, CEMask: c.CEMask,
	}
	if c.CEThreshold >= 0 {
		p.CEThreshold = TicksOf(c.CEThreshold)
	}
	return p
}

// TargetOption and the following are the control law's words for an option
// table. Their help says as the default what c has now.
func (c *Config) TargetOption() tc.Option {
	help := "acceptable standing queue delay (" + tc.FormatTime(c.Target) + ")"
	return held(tc.Time("target", &c.Target, maxTime, help), &c.Target)
}

// IntervalOption is "interval TIME".
func (c *Config) IntervalOption() tc.Option {
	help := "worst-case round-trip time (" + tc.FormatTime(c.Interval) + ")"
	return held(tc.Time("interval", &c.Interval, maxTime, help), &c.Interval)
}

// ECNOption is "[no]ecn".
func (c *Config) ECNOption() tc.Option {
	return tc.Flag("ecn", &c.ECN, "mark ECN-capable packets instead of dropping them")
}

// CEThresholdOption is "ce_threshold TIME".
func (c *Config) CEThresholdOption() tc.Option {
	return held(tc.Time("ce_threshold", &c.CEThreshold, maxTime, "mark every packet delayed longer (off)"), &c.CEThreshold)
}

// held prints a time as the control law holds it, in ticks, as tc does: 1ms
// reads 999us.
func held(o tc.Option, d *time.Duration) tc.Option {
	return o.Shown(func(f tc.Field) tc.Field {
		if *d >= 0 {
			us := TicksOf(*d).Duration()
			f.Num, f.Text = int64(us/time.Microsecond), tc.FormatTime(us)
		}
		return f
	})
}

// DefaultConfig is CoDel as tc creates it: 5 ms, 100 ms, no ECN.
func DefaultConfig() Config {
	return Config{Target: 5 * time.Millisecond, Interval: 100 * time.Millisecond, CEThreshold: -1}
}

// Qdisc is tc's "codel": one FIFO under CoDel, with a packet limit and tail
// drop.
type Qdisc struct {
	Config
	// Limit is in packets.
	Limit int

	q     pkt.FIFO
	par   Params
	vars  Vars
	stats Stats
	drop  sched.DropFunc
	now   pkt.Time // of the last call

	dropOverlimit uint64
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses tc's words after "codel" and returns the qdisc. While the backlog
// is within the MTU nothing is dropped.
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	c := &Qdisc{Config: DefaultConfig(), Limit: 1000, drop: env.Drop}
	if err := c.options().Parse("codel", words); err != nil {
		return nil, err
	}
	if c.Limit == 0 { // "the default", to tc
		c.Limit = 1000
	}
	c.par = c.Params(env.MTU)
	return c, nil
}

func (c *Qdisc) options() tc.Options {
	return tc.Options{
		tc.Count("limit", &c.Limit, 0, 1<<31-1, "p", "packets queued before the newest is dropped (1000)"),
		c.TargetOption(), c.CEThresholdOption(), c.IntervalOption(), c.ECNOption(),
	}
}

// Enqueue implements sched.Scheduler.
func (c *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	c.now = now
	if c.q.Len() >= c.Limit {
		c.dropOverlimit++
		c.drop(now, p, pkt.Overlimit)
		return
	}
	c.q.Push(p)
}

// Dequeue implements sched.Scheduler.
func (c *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	c.now = now
	return Dequeue(now, (*controlled)(c), &c.par, &c.vars, &c.stats)
}

// Backlog implements sched.Scheduler.
func (c *Qdisc) Backlog() (packets, bytes int) { return c.q.Len(), c.q.Bytes() }

// controlled is the Qdisc as the control law sees it.
type controlled Qdisc

func (c *controlled) Pop() *pkt.Packet                 { return c.q.Pop() }
func (c *controlled) Bytes() int                       { return c.q.Bytes() }
func (c *controlled) Drop(now pkt.Time, p *pkt.Packet) { c.drop(now, p, pkt.AQM) }

// Kind implements sched.Describer.
func (c *Qdisc) Kind() string { return "codel" }

// Options implements sched.Describer.
func (c *Qdisc) Options() []tc.Field { return c.options().Fields() }

// Stats implements sched.Describer. Times are in µs as tc has them.
func (c *Qdisc) Stats() []tc.Field {
	return append(c.vars.fields(c.now),
		tc.Field{Key: "maxpacket", Num: int64(c.stats.MaxPacket)},
		tc.Field{Key: "ecn_mark", Num: int64(c.stats.Marks)},
		tc.Field{Key: "drop_overlimit", Num: int64(c.dropOverlimit)},
		tc.Field{Key: "ce_mark", Num: int64(c.stats.CEMarks)},
	)
}

func (v *Vars) fields(now pkt.Time) []tc.Field {
	dropping, next := int64(0), time.Duration(0)
	if v.Dropping {
		dropping = 1
		next = time.Duration(int32(v.DropNext-TicksAt(now))) << 10 // from now; negative: overdue
	}
	us := v.LDelay.Duration()
	return []tc.Field{
		{Key: "count", Num: int64(v.Count)},
		{Key: "lastcount", Num: int64(v.LastCount)},
		{Key: "ldelay", Num: int64(us / time.Microsecond), Text: tc.FormatTime(us)},
		{Key: "dropping", Num: dropping, Flag: true},
		{Key: "drop_next", Num: int64(next / time.Microsecond), Text: tc.FormatTime(next)},
	}
}
