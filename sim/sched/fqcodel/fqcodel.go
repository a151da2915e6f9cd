// Package fqcodel is tc's fq_codel: flow queueing with CoDel on each flow (RFC
// 8290), with the rules of Linux.
//
// Packets are hashed into flows; flows are served by deficit round robin, those
// that just became active first:
//
//	        hash            new flows  ──► served first, one quantum each
//	packet ─────► flow ──►  old flows  ──► deficit round robin by bytes
//	                 │
//	                 └─ CoDel decides at dequeue, with the qdisc's whole backlog
//
// # Differences from RFC 8290, as in Linux
//
//   - CoDel's "one MTU queued" rule looks at the backlog of the whole qdisc, so
//     a flow's only packet can be dropped while others queue.
//   - On overflow up to drop_batch packets, at most half its bytes, are dropped
//     from the head of the fattest flow at once, and its CoDel count grows by as
//     many.
//   - A new flow that empties while no old flow waits leaves the lists at once; the
//     RFC has it pass through the old ones even then.
//   - The hash picks a queue by multiplication (hash·flows >> 32), not modulo.
//
// # Parameters
//
//   - limit: packets of all flows, 10240. flows: hash buckets, 1024, at most
//     65536. quantum: bytes a flow sends per round, the MTU, at least 256.
//   - target, interval, [no]ecn: CoDel's, 5 ms, 100 ms and on.
//   - ce_threshold: delay above which every packet is marked, off;
//     ce_threshold_selector: VALUE/MASK of the DS fields it is for.
//   - memory_limit: bytes of packet memory, 32 MiB. drop_batch: packets dropped at
//     once where this or limit is exceeded, 64.
//
// A 0 stands for the default where tc takes it so.
//
// # L4S
//
// RFC 8290 knows no L4S; Linux has "ce_threshold 1ms ce_threshold_selector
// 0x1/0x3": packets that leave with ECT(1) after more than 1 ms are marked. They
// stay under CoDel besides, from which ns-3 exempts them. Their queue and their
// share are as everyone's.
//
// # Differences from Linux
//
//   - The flow hash is keyed by the run's seed instead of a boot-time secret, so
//     that runs repeat; ports count for TCP, UDP and SCTP only, and tunnels are
//     not looked into.
//   - memory_limit counts pkt.Packet.TrueSize, an estimate of skb->truesize.
//   - No external classifiers.
//   - Counters that tc leaves out while 0 (ce_mark, memory_used,
//     drop_overmemory) are always there.
//   - What package codel lists.
package fqcodel

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fq"
	"github.com/uqtool/uq/sim/tc"
)

// Qdisc is an fq_codel.
type Qdisc struct {
	codel.Config
	limit       int // packets
	nflows      int
	quantum     int // bytes
	memoryLimit int // bytes
	dropBatch   int // packets

	par      codel.Params
	stats    codel.Stats
	flows    []flow
	backlogs []int // bytes per flow; apart, so that finding the fattest is one scan
	rounds   fq.Rounds
	packets  int
	bytes    int
	memory   int
	served   served
	drop     sched.DropFunc

	dropOverlimit  uint64
	dropOvermemory uint64
	newFlowCount   uint64
}

// flow is one hash bucket.
type flow struct {
	fq.Flow
	q    pkt.FIFO
	vars codel.Vars
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// Linux's defaults: packets, hash buckets, packets.
const defaultLimit, defaultFlows, defaultBatch = 10240, 1024, 64

// minQuantum is what Linux raises smaller quanta to, in bytes.
const minQuantum = 256

// New parses tc's words after "fq_codel". The MTU is the default quantum and the
// backlog below which CoDel drops nothing.
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	f := &Qdisc{
		Config: codel.DefaultConfig(), memoryLimit: 32 << 20, drop: env.Drop,
	}
	f.ECN = true
	f.defaults(env.MTU)
	if err := f.options().Parse("fq_codel", words); err != nil {
		return nil, err
	}
	f.defaults(env.MTU)
	f.quantum = max(f.quantum, minQuantum)
	f.par = f.Params(env.MTU)
	f.flows = make([]flow, f.nflows)
	f.backlogs = make([]int, f.nflows)
	for i := range f.flows {
		f.flows[i].Index = i
	}
	return f, nil
}

// defaults takes the place of 0, which is "the default" to tc.
func (f *Qdisc) defaults(mtu int) {
	for _, d := range []struct {
		v   *int
		def int
	}{{&f.limit, defaultLimit}, {&f.nflows, defaultFlows}, {&f.quantum, mtu}, {&f.dropBatch, defaultBatch}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
}

func (f *Qdisc) options() tc.Options {
	return tc.Options{
		tc.Count("limit", &f.limit, 0, 1<<31-1, "p", "packets queued before the fattest flow is cut (10240)"),
		tc.Count("flows", &f.nflows, 0, 65536, "", "number of hash buckets (1024)"),
		tc.Count("quantum", &f.quantum, 0, 1<<20, "", "bytes a flow may send per round, at least 256 (device MTU, 1514)"),
		f.TargetOption(), f.CEThresholdOption(),
		tc.Masked("ce_threshold_selector", &f.CESelector, &f.CEMask, "restrict ce_threshold to packets with DS field & MASK == VALUE"),
		f.IntervalOption(),
		tc.Size("memory_limit", &f.memoryLimit, 1, 1<<31-1, "bytes of packet memory (32Mb)"),
		f.ECNOption(),
		tc.Count("drop_batch", &f.dropBatch, 0, 1<<31-1, "", "packets dropped at once on overflow (64)"),
	}
}

// Enqueue implements sched.Scheduler.
func (f *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	fl := &f.flows[uint64(p.Flow.Hash)*uint64(f.nflows)>>32]
	fl.q.Push(p)
	f.backlogs[fl.Index] += int(p.Len)
	f.bytes += int(p.Len)
	f.packets++
	f.memory += p.TrueSize()
	if f.rounds.Add(&fl.Flow, f.quantum) {
		f.newFlowCount++
	}
	overmemory := f.memory > f.memoryLimit
	if f.packets <= f.limit && !overmemory {
		return
	}
	why := pkt.Overlimit
	if overmemory {
		why = pkt.Overmemory
	}
	n := f.cutFattest(now, why)
	f.dropOverlimit += n
	if overmemory {
		f.dropOvermemory += n
	}
}

// cutFattest drops from the head of the flow with the most bytes until half of
// them or dropBatch packets are gone, and returns how many it dropped.
func (f *Qdisc) cutFattest(now pkt.Time, why pkt.Reason) uint64 {
	idx, most := 0, 0
	for i, b := range f.backlogs {
		if b > most {
			idx, most = i, b
		}
	}
	fl := &f.flows[idx]
	n, cut := 0, 0
	for n < f.dropBatch && cut < max(most/2, 1) {
		p := fl.q.Pop()
		if p == nil { // only packets of length 0 are queued
			break
		}
		f.remove(fl, p)
		cut += int(p.Len)
		n++
		f.drop(now, p, why)
	}
	fl.vars.Count += uint32(n)
	return uint64(n)
}

// remove takes p, just popped from fl, out of the accounts.
func (f *Qdisc) remove(fl *flow, p *pkt.Packet) {
	f.backlogs[fl.Index] -= int(p.Len)
	f.bytes -= int(p.Len)
	f.packets--
	f.memory -= p.TrueSize()
}

// Dequeue implements sched.Scheduler.
func (f *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	for {
		next := f.rounds.Next(f.quantum)
		if next == nil {
			return nil
		}
		fl := &f.flows[next.Index]
		f.served = served{f, fl}
		if p := codel.Dequeue(now, &f.served, &f.par, &fl.vars, &f.stats); p != nil {
			fl.Deficit -= int(p.Len)
			return p
		}
		f.rounds.Retire()
	}
}

// Backlog implements sched.Scheduler.
func (f *Qdisc) Backlog() (packets, bytes int) { return f.packets, f.bytes }

// served is the flow being dequeued as CoDel sees it: its packets, but the
// whole qdisc's backlog.
type served struct {
	f  *Qdisc
	fl *flow
}

func (s *served) Pop() *pkt.Packet {
	p := s.fl.q.Pop()
	if p != nil {
		s.f.remove(s.fl, p)
	}
	return p
}

func (s *served) Bytes() int                       { return s.f.bytes }
func (s *served) Drop(now pkt.Time, p *pkt.Packet) { s.f.drop(now, p, pkt.AQM) }

// Kind implements sched.Describer.
func (f *Qdisc) Kind() string { return "fq_codel" }

// Options implements sched.Describer. As tc's JSON they have the selector's mask
// apart.
func (f *Qdisc) Options() []tc.Field {
	return append(f.options().Fields(),
		tc.Field{Key: "ce_threshold_mask", Num: int64(f.CEMask), Bare: true, Hidden: f.CEMask == 0})
}

// Stats implements sched.Describer.
func (f *Qdisc) Stats() []tc.Field {
	return []tc.Field{
		{Key: "maxpacket", Num: int64(f.stats.MaxPacket)},
		{Key: "drop_overlimit", Num: int64(f.dropOverlimit)},
		{Key: "new_flow_count", Num: int64(f.newFlowCount)},
		{Key: "ecn_mark", Num: int64(f.stats.Marks)},
		{Key: "ce_mark", Num: int64(f.stats.CEMarks)},
		{Key: "memory_used", Num: int64(f.memory)},
		{Key: "drop_overmemory", Num: int64(f.dropOvermemory)},
		{Key: "new_flows_len", Num: int64(f.rounds.New.Len())},
		{Key: "old_flows_len", Num: int64(f.rounds.Old.Len())},
	}
}

// DebugFlows prints each listed flow's deficit and backlog, new list first: the
// state scripted tests look at.
func (f *Qdisc) DebugFlows() string {
	s := ""
	for _, l := range []struct {
		name string
		list *fq.List
	}{{"new", &f.rounds.New}, {"old", &f.rounds.Old}} {
		l.list.Each(func(fl *fq.Flow) {
			s += fmt.Sprintf("%s: hash %d deficit %d packets %d\n", l.name, fl.Index, fl.Deficit, f.flows[fl.Index].q.Len())
		})
	}
	return s
}
