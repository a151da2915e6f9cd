package cobalt

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Qdisc is one FIFO under COBALT, with a packet limit and tail drop.
type Qdisc struct {
	target, interval time.Duration
	ceThreshold      time.Duration // negative: off
	ecn              bool
	limit            int // packets

	q     pkt.FIFO
	par   Params
	vars  Vars
	stats Stats
	rng   *random.Rand
	drop  sched.DropFunc
	now   pkt.Time // of the last call
	delay time.Duration

	dropOverlimit uint64
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

const defaultLimit = 1000

// maxTime bounds the spans an operator may set.
const maxTime = 4000 * time.Second

// New parses the words after "cobalt".
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	c := &Qdisc{
		target: 5 * time.Millisecond, interval: 100 * time.Millisecond, ceThreshold: -1,
		limit: defaultLimit, drop: env.Drop, rng: env.Random(),
	}
	if err := c.options().Parse("cobalt", words); err != nil {
		return nil, err
	}
	if c.limit == 0 { // "the default", to tc
		c.limit = defaultLimit
	}
	c.par = Params{Target: c.target, Interval: c.interval, NoECN: !c.ecn}
	return c, nil
}

func (c *Qdisc) options() tc.Options {
	return tc.Options{
		tc.Count("limit", &c.limit, 0, 1<<31-1, "p", "packets queued before the newest is dropped (1000)"),
		tc.Time("target", &c.target, maxTime, "acceptable standing queue delay (5ms)"),
		tc.Time("ce_threshold", &c.ceThreshold, maxTime, "mark every packet delayed longer (off)"),
		tc.Time("interval", &c.interval, maxTime, "worst-case round-trip time (100ms)"),
		tc.Flag("ecn", &c.ecn, "mark ECN-capable packets instead of dropping them"),
	}
}

// Enqueue implements sched.Scheduler.
func (c *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	c.now = now
	if c.q.Len() >= c.limit {
		c.dropOverlimit++
		c.vars.Overflow(now, &c.par)
		c.drop(now, p, pkt.Overlimit)
		return
	}
	c.q.Push(p)
}

// Dequeue implements sched.Scheduler.
func (c *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	c.now = now
	for {
		p := c.q.Pop()
		if p == nil {
			c.vars.Empty(now, &c.par)
			return nil
		}
		c.delay = p.Sojourn(now)
		c.stats.MaxPacket = max(c.stats.MaxPacket, int(p.Len))
		drop := c.vars.Judge(now, p, &c.par, 0, c.rng)
		if c.vars.Marked {
			c.stats.Marks++
		}
		if !drop || c.q.Len() == 0 {
			c.threshold(p)
			return p
		}
		c.stats.Drops++
		c.drop(now, p, pkt.AQM)
	}
}

// threshold marks p if it waited longer than ce_threshold and is not marked.
func (c *Qdisc) threshold(p *pkt.Packet) {
	if c.ceThreshold >= 0 && c.delay > c.ceThreshold && p.Mark == pkt.NoReason && p.SetCE(pkt.Threshold) {
		c.stats.CEMarks++
	}
}

// Backlog implements sched.Scheduler.
func (c *Qdisc) Backlog() (packets, bytes int) { return c.q.Len(), c.q.Bytes() }

// Kind implements sched.Describer.
func (c *Qdisc) Kind() string { return "cobalt" }

// Options implements sched.Describer.
func (c *Qdisc) Options() []tc.Field { return c.options().Fields() }

// Stats implements sched.Describer: the keys of codel, and for BLUE those of
// CAKE's queues. Times are in µs as tc has them.
func (c *Qdisc) Stats() []tc.Field {
	dropping, next := int64(0), time.Duration(0)
	if c.vars.Dropping {
		dropping, next = 1, c.vars.DropNext.Sub(c.now) // negative: overdue
	}
	since := time.Duration(0)
	if c.vars.blue {
		since = c.now.Sub(c.vars.BlueTimer)
	}
	return []tc.Field{
		{Key: "count", Num: int64(c.vars.Count)},
		usField("ldelay", c.delay),
		{Key: "dropping", Num: dropping, Flag: true},
		usField("drop_next", next),
		{Key: "blue_prob", Num: int64(c.vars.PDrop)},
		usField("blue_timer", since),
		{Key: "maxpacket", Num: int64(c.stats.MaxPacket)},
		{Key: "ecn_mark", Num: int64(c.stats.Marks)},
		{Key: "drop_overlimit", Num: int64(c.dropOverlimit)},
		{Key: "ce_mark", Num: int64(c.stats.CEMarks)},
	}
}

func usField(key string, d time.Duration) tc.Field {
	return tc.Field{Key: key, Num: int64(d / time.Microsecond), Text: tc.FormatTime(d)}
}
