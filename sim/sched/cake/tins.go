package cake

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/cobalt"
)

const (
	// queues is the number of queues of a tin, ways how many of them a flow may
	// choose from.
	queues = 1024
	ways   = 8
)

// share is a tin's part of the whole.
type share struct {
	// shift halves the shaper's rate that often for the tin's threshold.
	shift uint
	// quantum is the bytes the tin may send per round where there is no shaper.
	quantum int
}

// mode is a way to divide traffic by DSCP.
type mode struct {
	name string
	tins []share
	// ladder makes each threshold 7/8 of the one before instead.
	ladder bool
	// codes are the DSCPs of each tin; those of no tin go to the tin rest.
	codes [][]uint8
	rest  uint8
	// shown is the order in which tc lists the tins.
	shown []uint8
}

var inOrder = []uint8{0, 1, 2, 3, 4, 5, 6, 7}

// Codepoints: LE is 1, CSn is 8n, AFxy is 8x+2y, VA is 44, EF is 46; 4 is the
// low-delay bit of RFC 1349.
var modes = []mode{
	{name: "besteffort", tins: []share{{0, 65535}}, shown: inOrder[:1]},
	{
		name: "precedence", tins: sevenEighths, ladder: true, shown: inOrder,
		codes: [][]uint8{run(0), run(8), run(16), run(24), run(32), run(40), run(48), run(56)},
	},
	{
		name: "diffserv3", shown: []uint8{1, 0, 2},
		tins:  []share{{0, 1024}, {4, 64}, {2, 256}}, // best effort, bulk, voice
		codes: [][]uint8{1: {1, 8}, 2: {4, 44, 46, 48, 56}},
	},
	{
		name: "diffserv4", shown: []uint8{1, 0, 2, 3},
		tins:  []share{{0, 1024}, {4, 64}, {1, 512}, {2, 256}}, // video before voice
		codes: [][]uint8{1: {1, 8}, 2: {4, 16, 18, 20, 22, 24, 26, 28, 30, 34, 36, 38}, 3: {32, 40, 44, 46, 48, 56}},
	},
	{
		name: "diffserv8", tins: sevenEighths, ladder: true, shown: inOrder, rest: 2,
		codes: [][]uint8{
			0: {1}, 1: {2, 8, 10, 12, 14}, 3: {24, 26, 28, 30, 34, 36, 38},
			4: {4, 18, 20, 22}, 5: {16}, 6: {32, 40, 44, 46}, 7: {48, 56},
		},
	},
}

// sevenEighths are quanta each 7/8 of the one before, rounded down.
var sevenEighths = []share{{0, 256}, {0, 224}, {0, 196}, {0, 171}, {0, 149}, {0, 130}, {0, 113}, {0, 98}}

// run is the eight codepoints of one precedence.
func run(from uint8) []uint8 {
	codes := make([]uint8, 8)
	for i := range codes {
		codes[i] = from + uint8(i)
	}
	return codes
}

func findMode(name string) *mode {
	for i := range modes {
		if modes[i].name == name {
			return &modes[i]
		}
	}
	return nil
}

// table is the tin of each DSCP.
func (m *mode) table() (tins [64]uint8) {
	for i := range tins {
		tins[i] = m.rest
	}
	for tin, codes := range m.codes {
		for _, c := range codes {
			tins[c] = uint8(tin)
		}
	}
	return tins
}

// thresholds are the tins' rates under a shaper of the given rate, in bytes per
// second.
func (m *mode) thresholds(rate uint64) []uint64 {
	rates := make([]uint64, len(m.tins))
	for i, s := range m.tins {
		rates[i] = rate >> s.shift
		if m.ladder {
			rate = rate/8*7 + rate%8*7/8
		}
	}
	return rates
}

// tin is one class of traffic, with flow queues of its own.
type tin struct {
	flows [queues]flow
	tags  [queues]uint32 // the hash of the flow a queue is reserved for
	src   hosts
	dst   hosts

	fresh, old, decaying list // flows

	clock
	quantum     int // bytes per round, where there is no shaper
	deficit     int
	flowQuantum int
	par         cobalt.Params

	packets, bytes      int
	sparse, bulk, decay int // flows
	count               tinCounters
}

// setRate derives all that depends on the tin's rate: a target of at least one
// and a half packets' time, and an interval that keeps its distance from it.
func (t *tin) setRate(bytesPerSec uint64, mtu int, target, rtt time.Duration) {
	t.clock.rate = newRate(bytesPerSec)
	t.flowQuantum = 1514
	if bytesPerSec > 0 {
		t.flowQuantum = int(max(min(bytesPerSec>>12, 1514), 300))
	}
	mtuTime := time.Duration(0)
	if !t.unlimited() {
		mtuTime = t.span(mtu)
	}
	t.par.MTUTime = mtuTime
	t.par.Target = max(mtuTime*3/2, target)
	t.par.Interval = max(rtt+t.par.Target-target, t.par.Target*2)
}

// active says the tin may have packets.
func (t *tin) active() bool { return t.sparse+t.bulk > 0 }

// configure sets every tin for a shaper of the given rate, and the limit on
// memory that goes with it.
func (q *Qdisc) configure(bytesPerSec uint64) {
	q.shaper.rate = newRate(bytesPerSec)
	for i, r := range q.mode.thresholds(bytesPerSec) {
		q.tins[i].setRate(r, q.mtu, q.target, q.rtt)
		q.tins[i].quantum = q.mode.tins[i].quantum
	}
	q.memoryLimit = q.memoryFor(bytesPerSec)
}

// pickShaped returns the last tin in order that has packets and is under its
// threshold, or else the one that will be first to be. Nothing starves: a tin
// over its threshold waits for the others' clocks only.
func (q *Qdisc) pickShaped(now pkt.Time) *tin {
	var best *tin
	for _, t := range q.tins {
		if t.active() && (best == nil || t.next <= now || t.next <= best.next) {
			best = t
		}
	}
	return best
}

// pickRound returns the tin whose turn it is by deficit round robin, where there
// is no shaper. The caller knows that packets are queued.
func (q *Qdisc) pickRound() *tin {
	for {
		t := q.tins[q.turn]
		if t.deficit >= 0 && t.active() {
			return t
		}
		if t.deficit <= 0 {
			t.deficit += t.quantum
		}
		q.turn = (q.turn + 1) % len(q.tins)
	}
}
