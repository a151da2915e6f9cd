package mac80211

import (
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/sched/codel"
	"github.com/uqtool/uq/sim/sched/fq"
)

// numTIDs is how many traffic identifiers a station has: its user priorities.
const numTIDs = 8

// Qdisc is mac80211's queues.
type Qdisc struct {
	codel.Config
	pool
	fair      bool // airtime fairness
	aql       bool
	slow      bool
	weights   []int         // µs, by station; one is everybody's
	keep      time.Duration // in the round while in debt
	low, high time.Duration // AQL: a station's limits
	threshold time.Duration // of all stations, above which low counts
	multicast time.Duration // the group's limit

	par, slowPar codel.Params
	stationOf    func(*pkt.Packet) int
	airtimeOf    func(station, bytes int) time.Duration
	stations     []station // the group is the last
	queues       []txq     // numTIDs for each station, then the group's
	rounds       [pkt.NumACs]round
	pending      time.Duration // AQL: of all stations
	served       served
	drop         sched.DropFunc
}

// station is one that the link reaches, or the group of all.
type station struct {
	number int // as the link knows it
	weight time.Duration
	ac     [pkt.NumACs]account
}

// account is a station's in one access category.
type account struct {
	deficit time.Duration
	// active is when a packet was last taken, or held by the link.
	active pkt.Time
	// serving is the queue that was served last; held says that the link still
	// has to send packets of it.
	serving *txq
	held    bool
	// blocked says that the link can send it nothing now.
	blocked bool
	// below is what the link has of it, pending what that is worth.
	below   int // bytes
	pending time.Duration
	down    time.Duration // airtime used
	up      time.Duration
}

// txq is the queue of a station for one traffic identifier.
type txq struct {
	index   int
	sta     *station
	acc     *account
	ac      pkt.AC
	rounds  fq.Rounds
	packets int
	bytes   int
	codel   codel.Stats
	count   counters

	prev, next *txq // in the round
	listed     bool
}

var (
	_ sched.Stations  = (*Qdisc)(nil)
	_ sched.Completer = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
	_ sched.Tinned    = (*Qdisc)(nil)
)

// New parses the words after "mac80211".
func New(words []string, env sched.Env) (sched.Scheduler, error) { return newQdisc(words, env) }

func newQdisc(words []string, env sched.Env) (*Qdisc, error) {
	q := &Qdisc{
		Config: codel.Config{Target: 20 * time.Millisecond, Interval: 100 * time.Millisecond, CEThreshold: -1, ECN: true},
		pool:   pool{nflows: 4096, limit: 8192, memoryLimit: 16 << 20, quantum: 300, dropBatch: 32},
		keep:   100 * time.Millisecond,
		low:    5 * time.Millisecond, high: 12 * time.Millisecond, threshold: 24 * time.Millisecond,
		multicast: 50 * time.Millisecond,
		stationOf: env.Station, airtimeOf: env.Airtime, drop: env.Drop,
	}
	if env.Weight != nil {
		q.weights = linkWeights(env)
	}
	if err := q.options().Parse("mac80211", words); err != nil {
		return nil, err
	}
	q.par = q.Params(0)
	slow := codel.Config{Target: 50 * time.Millisecond, Interval: 300 * time.Millisecond, CEThreshold: -1}
	q.slowPar = slow.Params(0)
	q.makeStations(max(env.Stations, 1))
	return q, nil
}

// linkWeights are the weights that the link's scenario gives its stations.
func linkWeights(env sched.Env) []int {
	w := make([]int, env.Stations)
	for i := range w {
		if w[i] = env.Weight(i); w[i] == 0 {
			w[i] = defaultWeight
		}
	}
	return w
}

// makeStations makes n stations and the group with their queues.
func (q *Qdisc) makeStations(n int) {
	q.stations = make([]station, n+1)
	q.queues = make([]txq, n*numTIDs+1)
	q.makeFlows(len(q.queues))
	for i := range q.stations {
		s := &q.stations[i]
		s.number, s.weight = i, time.Duration(q.weight(i))*time.Microsecond
		if i == n {
			s.number = link.Group
			q.makeQueue(n*numTIDs, s, 0)
			continue
		}
		for tid := range numTIDs {
			q.makeQueue(i*numTIDs+tid, s, tid)
		}
	}
}

func (q *Qdisc) makeQueue(index int, s *station, tid int) {
	t := &q.queues[index]
	t.index, t.sta, t.ac = index, s, pkt.ACOf(uint8(tid))
	t.acc = &s.ac[t.ac]
	t.acc.deficit, t.acc.active = s.weight, pkt.Time(-2*maxSpan)
	if t.acc.serving == nil {
		t.acc.serving = t
	}
}

// station finds one by the link's number for it.
func (q *Qdisc) station(number int) *station {
	if number == link.Group {
		number = len(q.stations) - 1
	}
	return &q.stations[number]
}

// queueOf is the queue that p belongs to. The group has only one.
func (q *Qdisc) queueOf(p *pkt.Packet) *txq {
	s := 0
	if q.stationOf != nil {
		s = q.stationOf(p)
	}
	if s == link.Group {
		return &q.queues[len(q.queues)-1]
	}
	return &q.queues[s*numTIDs+int(p.UserPriority())]
}

func (t *txq) group() bool { return t.sta.number == link.Group }

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	t := q.queueOf(p)
	fl := q.push(t, p)
	q.list(t)
	if q.packets > q.limit || q.memory > q.memoryLimit {
		q.cut(now, fl)
	}
}

// Dequeue implements sched.Scheduler for links without stations: a packet of
// each queue in turn. It knows no airtime.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	for ac := pkt.NumACs - 1; ac >= 0; ac-- {
		r := &q.rounds[ac]
		for range r.len {
			t := r.head
			p := q.take(now, t)
			r.remove(t)
			if t.waiting() {
				r.pushBack(t)
			}
			if p != nil {
				return p
			}
		}
	}
	return nil
}

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.packets, q.bytes }

// slowRate is what "slow" compares a station's share with, in bytes a second:
// 6 Mbit/s.
const slowRate = 6e6 / 8

// paramsOf are CoDel's for the queue t.
func (q *Qdisc) paramsOf(t *txq) *codel.Params {
	if !q.slow || q.airtimeOf == nil || t.group() {
		return &q.par
	}
	stations := len(q.stations) - 1
	if second := q.airtimeOf(t.sta.number, slowRate*stations); second > time.Second {
		return &q.slowPar
	}
	return &q.par
}
