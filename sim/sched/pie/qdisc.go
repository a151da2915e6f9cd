package pie

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// Config is tc's view of the controller, shared by the qdiscs built on it.
type Config struct {
	Target, Tupdate time.Duration
	// Alpha and Beta are in sixteenths per second.
	Alpha, Beta int
	ECN         bool
	ByteMode    bool
	DequeueRate bool
}

// maxTime and maxGain are the largest values read.
const (
	maxTime = 1000 * time.Second
	maxGain = 32
)

// DefaultConfig is PIE as tc creates it.
func DefaultConfig() Config {
	return Config{Target: 15 * time.Millisecond, Tupdate: 15 * time.Millisecond, Alpha: 2, Beta: 20}
}

// Default puts the default in place of a 0, as tc does.
func (c *Config) Default() {
	def := DefaultConfig()
	orDefault(&c.Target, def.Target)
	orDefault(&c.Tupdate, def.Tupdate)
	orDefault(&c.Alpha, def.Alpha)
	orDefault(&c.Beta, def.Beta)
}

func orDefault[T ~int | ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// Params converts to the controller's units. mtu is in bytes; packets are
// marked while the probability is at most ecnProb.
func (c *Config) Params(mtu int, ecnProb uint64) Params {
	return Params{
		Target: TicksOf(c.Target), Alpha: gain(c.Alpha), Beta: gain(c.Beta), MTU: mtu,
		ECN: c.ECN, ECNProb: ecnProb, ByteMode: c.ByteMode, DequeueRate: c.DequeueRate,
	}
}

// GainOptions are the controller's words for an option table: target, tupdate,
// alpha and beta.
func (c *Config) GainOptions() tc.Options {
	return tc.Options{
		tc.Time("target", &c.Target, maxTime, "delay aimed at (15ms)").Shown(func(f tc.Field) tc.Field {
			d := TicksOf(c.Target).Duration()
			f.Num, f.Text = int64(d/time.Microsecond), tc.FormatTime(d)
			return f
		}),
		tc.Time("tupdate", &c.Tupdate, maxTime, "span between updates of the probability (15ms)"),
		tc.Count("alpha", &c.Alpha, 0, maxGain, "", "gain on the deviation from target, in 1/16 Hz (2)"),
		tc.Count("beta", &c.Beta, 0, maxGain, "", "gain on the change of the delay, in 1/16 Hz (20)"),
	}
}

// ModeOptions are ecn, bytemode and dq_rate_estimator.
func (c *Config) ModeOptions() tc.Options {
	return tc.Options{
		tc.Flag("ecn", &c.ECN, "mark ECN-capable packets instead of dropping them, at low probabilities"),
		tc.Flag("bytemode", &c.ByteMode, "drop small packets less"),
		tc.Flag("dq_rate_estimator", &c.DequeueRate, "delay from backlog and measured rate, not from sojourn"),
		tc.Word("no_dq_rate_estimator", "the opposite, as tc spells it", func() { c.DequeueRate = false }),
	}
}

// defaultLimit is in packets.
const defaultLimit = 1000

// Qdisc is tc's "pie": one FIFO under PIE.
type Qdisc struct {
	Config
	// Limit is in packets.
	Limit int

	q     pkt.FIFO
	par   Params
	vars  Vars
	stats Stats
	rng   *random.Rand
	drop  sched.DropFunc
	next  pkt.Time // update
	maxq  int
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses tc's words after "pie" and returns the qdisc.
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	q := &Qdisc{Config: DefaultConfig(), Limit: defaultLimit, vars: NewVars(), drop: env.Drop, rng: env.Random(), next: FirstUpdate}
	if err := q.options().Parse("pie", words); err != nil {
		return nil, err
	}
	q.Default()
	orDefault(&q.Limit, defaultLimit)
	q.par = q.Params(env.MTU, MaxProb/10)
	return q, nil
}

func (q *Qdisc) options() tc.Options {
	o := tc.Options{tc.Count("limit", &q.Limit, 0, 1<<31-1, "p", "packets queued before the newest is dropped (1000)")}
	return append(append(o, q.GainOptions()...), q.ModeOptions()...)
}

// update makes the updates due until now.
func (q *Qdisc) update(now pkt.Time) {
	if now >= q.next {
		q.vars.Update(Due(&q.next, now, q.Tupdate), q.q.Bytes(), &q.par)
	}
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	q.update(now)
	if q.q.Len() >= q.Limit {
		q.vars.Refuse(&q.stats)
		q.drop(now, p, pkt.Overlimit)
		return
	}
	if !q.vars.Arrive(p, q.q.Bytes(), &q.par, &q.stats, q.rng) {
		q.drop(now, p, pkt.AQM)
		return
	}
	q.maxq = max(q.maxq, q.q.Len())
	q.q.Push(p)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	q.update(now)
	p := q.q.Pop()
	if p != nil {
		q.vars.Depart(now, p, q.q.Bytes(), &q.par)
	}
	return p
}

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.q.Len(), q.q.Bytes() }

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "pie" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer. As in Linux maxq is the longest queue that
// a packet was added to.
func (q *Qdisc) Stats() []tc.Field {
	us := q.vars.QDelay.Duration()
	fs := []tc.Field{
		tc.Ratio("prob", "%.6g", q.vars.Prob, MaxProb),
		{Key: "delay", Num: int64(us / time.Microsecond), Text: tc.FormatTime(us)},
	}
	if q.DequeueRate {
		fs = append(fs, tc.Field{Key: "avg_dq_rate", Num: int64(q.vars.AvgRate * ticksPerSecond >> rateScale)})
	}
	return append(fs,
		tc.Field{Key: "pkts_in", Num: int64(q.stats.PacketsIn)},
		tc.Field{Key: "overlimit", Num: int64(q.stats.Overlimit)},
		tc.Field{Key: "dropped", Num: int64(q.stats.Dropped)},
		tc.Field{Key: "maxq", Num: int64(q.maxq)},
		tc.Field{Key: "ecn_mark", Num: int64(q.stats.Marks)},
	)
}
