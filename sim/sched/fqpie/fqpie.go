// Package fqpie is tc's fq_pie: flow queueing with PIE on each flow
// (Ramakrishnan et al., "FQ-PIE Queue Discipline in the Linux Kernel", LCN
// Symposium 2019), with the rules of Linux.
//
//	        hash         PIE drops?     new flows  ──► served first, one quantum each
//	packet ─────► flow ─────────────►   old flows  ──► deficit round robin by bytes
//
// Classification and service are fq_codel's, the controller is package pie's:
// every flow has a probability of its own, from its own delay, and the decision
// falls on arrival with the flow's own backlog.
//
// # Parameters
//
//   - limit: packets of all flows, 10240. flows: hash buckets, 1024, at most
//     65536. quantum: bytes a flow sends per round, the MTU.
//   - target, tupdate, alpha, beta, bytemode, dq_rate_estimator: as in package
//     pie.
//   - ecn, ecn_prob: mark instead of dropping up to this probability, 10 %.
//   - memory_limit: bytes of packet memory, 32 MiB. As in Linux to this day
//     nothing is dropped for it: it only counts, in overmemory, the packets that
//     arrive while the memory is over the limit by more than their own.
//
// # When it updates
//
// First half a second after the start, then every tupdate. One firing of the
// timer updates at most 2048 flows; more than that take another firing each,
// one timer tick later, and the next round begins tupdate after the last of
// them. A flow is brought up to date when a packet joins or leaves it, which
// shows no difference: an update depends on its own flow alone.
//
// # Differences from Linux
//
//   - The flow hash is keyed by the run's seed instead of a boot-time secret, so
//     that runs repeat; ports count for TCP, UDP and SCTP only, and tunnels are
//     not looked into.
//   - Memory is pkt.Packet.TrueSize, an estimate of skb->truesize.
//   - A timer tick is 1 ms, HZ=1000.
//   - No external classifiers.
//   - What package pie lists.
package fqpie

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/fq"
	"github.com/uqtool/uq/sim/sched/pie"
	"github.com/uqtool/uq/sim/tc"
)

// Qdisc is an fq_pie.
type Qdisc struct {
	pie.Config
	limit       int // packets
	nflows      int
	quantum     int // bytes
	memoryLimit int // bytes
	ecnProb     int // percent

	par     pie.Params
	stats   pie.Stats
	every   time.Duration // between updates of one flow
	flows   []flow
	rounds  fq.Rounds
	packets int
	bytes   int
	memory  int
	rng     *random.Rand
	drop    sched.DropFunc

	overmemory   uint64
	newFlowCount uint64
}

// flow is one hash bucket.
type flow struct {
	fq.Flow
	q    pkt.FIFO
	vars pie.Vars
	due  pkt.Time // next update
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// Linux's defaults: packets, flows, bytes, percent.
const (
	defaultLimit   = 10240
	defaultFlows   = 1024
	defaultMemory  = 32 << 20
	defaultECNProb = 10
)

// perFiring is how many flows one firing of the timer updates, timerTick how
// long the next waits for the rest.
const (
	perFiring = 2048
	timerTick = time.Millisecond
)

// New parses tc's words after "fq_pie". The MTU is the default quantum; no flow
// with less than two MTUs queued is dropped from.
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	f := &Qdisc{Config: pie.DefaultConfig(), drop: env.Drop, rng: env.Random()}
	f.defaults(env.MTU)
	if err := f.options().Parse("fq_pie", words); err != nil {
		return nil, err
	}
	f.defaults(env.MTU) // 0 is "the default", to tc
	f.par = f.Params(env.MTU, pie.MaxProb/100*uint64(f.ecnProb))
	firings := (f.nflows + perFiring - 1) / perFiring
	f.every = f.Tupdate + time.Duration(firings-1)*timerTick
	f.flows = make([]flow, f.nflows)
	for i := range f.flows {
		f.flows[i].Index = i
		f.flows[i].vars = pie.NewVars()
		f.flows[i].due = pie.FirstUpdate.Add(time.Duration(i/perFiring) * timerTick)
	}
	return f, nil
}

func (f *Qdisc) defaults(mtu int) {
	f.Default()
	for _, d := range []struct {
		v   *int
		def int
	}{
		{&f.limit, defaultLimit}, {&f.nflows, defaultFlows}, {&f.quantum, mtu},
		{&f.memoryLimit, defaultMemory}, {&f.ecnProb, defaultECNProb},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
}

func (f *Qdisc) options() tc.Options {
	o := tc.Options{
		tc.Count("limit", &f.limit, 0, 1<<31-1, "p", "packets queued before the newest is dropped (10240)"),
		tc.Count("flows", &f.nflows, 0, 65536, "", "number of hash buckets (1024)"),
	}
	o = append(append(o, f.GainOptions()...),
		tc.Size("quantum", &f.quantum, 0, 1<<20, "bytes a flow may send per round (device MTU, 1514)"),
		tc.Size("memory_limit", &f.memoryLimit, 0, 1<<31-1, "bytes of packet memory; as in Linux exceeding it is only counted (32Mb)"),
		tc.Count("ecn_prob", &f.ecnProb, 0, 99, "", "percentage up to which ECN-capable packets are marked, not dropped (10)"),
	)
	return append(o, f.ModeOptions()...)
}

// update makes the updates of fl that are due until now.
func (f *Qdisc) update(fl *flow, now pkt.Time) {
	if now >= fl.due {
		fl.vars.Update(pie.Due(&fl.due, now, f.every), fl.q.Bytes(), &f.par)
	}
}

// Enqueue implements sched.Scheduler.
func (f *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	fl := &f.flows[uint64(p.Flow.Hash)*uint64(f.nflows)>>32]
	f.update(fl, now)
	if f.packets >= f.limit {
		fl.vars.Refuse(&f.stats)
		f.drop(now, p, pkt.Overlimit)
		return
	}
	size := p.TrueSize()
	if f.memory > f.memoryLimit+size {
		f.overmemory++
	}
	if !fl.vars.Arrive(p, fl.q.Bytes(), &f.par, &f.stats, f.rng) {
		f.drop(now, p, pkt.AQM)
		return
	}
	fl.q.Push(p)
	f.packets++
	f.bytes += int(p.Len)
	f.memory += size
	if f.rounds.Add(&fl.Flow, f.quantum) {
		f.newFlowCount++
	}
}

// Dequeue implements sched.Scheduler.
func (f *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	for {
		next := f.rounds.Next(f.quantum)
		if next == nil {
			return nil
		}
		if fl := &f.flows[next.Index]; fl.q.Len() > 0 {
			return f.serve(fl, now)
		}
		f.rounds.Retire()
	}
}

func (f *Qdisc) serve(fl *flow, now pkt.Time) *pkt.Packet {
	f.update(fl, now)
	p := fl.q.Pop()
	f.packets--
	f.bytes -= int(p.Len)
	f.memory -= p.TrueSize()
	fl.Deficit -= int(p.Len)
	fl.vars.Depart(now, p, fl.q.Bytes(), &f.par)
	return p
}

// Backlog implements sched.Scheduler.
func (f *Qdisc) Backlog() (packets, bytes int) { return f.packets, f.bytes }

// Kind implements sched.Describer.
func (f *Qdisc) Kind() string { return "fq_pie" }

// Options implements sched.Describer.
func (f *Qdisc) Options() []tc.Field { return f.options().Fields() }

// Stats implements sched.Describer.
func (f *Qdisc) Stats() []tc.Field {
	return []tc.Field{
		{Key: "pkts_in", Num: int64(f.stats.PacketsIn)},
		{Key: "overlimit", Num: int64(f.stats.Overlimit)},
		{Key: "overmemory", Num: int64(f.overmemory)},
		{Key: "dropped", Num: int64(f.stats.Dropped)},
		{Key: "ecn_mark", Num: int64(f.stats.Marks)},
		{Key: "new_flow_count", Num: int64(f.newFlowCount)},
		{Key: "new_flows_len", Num: int64(f.rounds.New.Len())},
		{Key: "old_flows_len", Num: int64(f.rounds.Old.Len())},
		{Key: "memory_used", Num: int64(f.memory)},
	}
}
