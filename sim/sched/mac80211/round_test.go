package mac80211

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// TestRoundsAtOnce checks the rounds that are skipped against going through each:
// random deficits, some far in debt, some stations without packets, some at their
// limit, some with queues of two traffic identifiers.
func TestRoundsAtOnce(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		costs := slices.Repeat([]int{500}, rng.IntN(5)+1)
		m := newMedium(t, strings.Fields("airtime aql weight 100 256 311 1000"), costs...)
		m.group = 500 * time.Microsecond
		for s := range costs {
			a := &m.q.stations[s].ac[ac]
			for _, ds := range []uint8{0, 3 << 5} {
				if rng.IntN(3) > 0 {
					m.s.Enqueue(0, &pkt.Packet{Flow: flowTo(s, rng.Uint32()), Len: 1000, DSField: ds, Segs: 1})
				}
			}
			a.deficit = time.Duration(rng.Int64N(3e6)) - time.Duration(rng.Int64N(1<<rng.IntN(30)+1))
			a.pending = time.Duration(rng.Int64N(8e6))
		}
		if rng.IntN(4) == 0 {
			m.send(link.Group, 1)
		}
		if rng.IntN(4) == 0 && m.q.rounds[ac].head != nil { // emptied in the round
			for m.q.take(0, m.q.rounds[ac].head) != nil {
			}
		}
		now := pkt.Time(rng.IntN(2) * 200e6) // keep is 100 ms
		for s := range costs {
			m.q.stations[s].ac[ac].active = 0
		}
		want := plainRounds(m.q, now)
		station, ok := m.s.NextStation(now, ac)
		got := fmt.Sprintf("station %d %v", station, ok)
		for s := range costs {
			got += fmt.Sprintf(" %v", m.q.stations[s].ac[ac].deficit)
		}
		if got != want {
			t.Fatalf("seed %d:\n%s, want\n%s", seed, got, want)
		}
	}
}

// plainRounds says what NextStation should, and the deficits after it, without
// changing q.
func plainRounds(q *Qdisc, now pkt.Time) string {
	deficits := make([]time.Duration, len(q.stations))
	for s := range q.stations {
		deficits[s] = q.stations[s].ac[ac].deficit
	}
	var order []*txq
	for t := q.rounds[ac].head; t != nil; t = t.next {
		order = append(order, t)
	}
	index := func(t *txq) int { return min(t.index/numTIDs, len(q.stations)-1) }
	credit := func(t *txq) time.Duration {
		if t.group() {
			return 0
		}
		return deficits[index(t)] - t.acc.pending
	}
	answer := "station 0 false"
	if slices.ContainsFunc(order, func(t *txq) bool { return t.waiting() && q.allowed(t) }) {
		for {
			t := order[0]
			order = order[1:]
			if !t.waiting() && (credit(t) >= 0 || now > 100e6) {
				continue
			}
			if credit(t) < 0 {
				deficits[index(t)] += t.sta.weight
			} else if q.allowed(t) {
				answer = fmt.Sprintf("station %d true", t.sta.number)
				break
			}
			order = append(order, t)
		}
	}
	for s := range len(deficits) - 1 {
		answer += fmt.Sprintf(" %v", deficits[s])
	}
	return answer
}
