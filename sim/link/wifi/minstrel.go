package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// minstrel chooses modes by what was received: a simple relation of the rate
// control of that name in mac80211.
//
//	each 50 ms   a mode's success is 3/4 what it was and 1/4 what it has been since
//	best, second by success / time; success above 9/10 counts as 9/10, below 1/10
//	             as 0
//	probable     the highest success, of those above 95 % the fastest
//	chain        best twice, second twice, then probable
//	a probe      each tenth aggregate: one MPDU in a mode that could do better than
//	             the best does
//
// It differs from minstrel_ht's in that there is no division into groups, that all
// probes are alike, and that the chain goes by aggregates: what is sent again is a
// new aggregate.
type minstrel struct {
	rates []triedRate
	// best, second and probable are the chain.
	best, second, probable int
	next                   pkt.Time // of the update
	count                  int      // aggregates since the last probe
	rng                    *random.Rand
}

// triedRate is a mode with what is known of it.
type triedRate struct {
	mode                Mode
	perfect             time.Duration // of an MPDU, none lost
	attempts, successes int           // MPDUs since the last update
	success             int           // in parts of certain
	tried               bool
}

const (
	certain        = 1 << 16
	updateInterval = 50 * time.Millisecond
	probeEvery     = 10
)

// newMinstrel chooses among the ladder of s's mode, from the lowest.
func (m *Medium) newMinstrel(s *Station, rng *random.Rand) *minstrel {
	c := &minstrel{rng: rng}
	for _, mode := range s.Mode.Ladder() {
		c.rates = append(c.rates, triedRate{mode: mode, perfect: m.perfect(&mode)})
	}
	return c
}

// pick is the rate of an aggregate whose oldest MPDU was sent so many times before.
func (c *minstrel) pick(now pkt.Time, before int) (rate int, probe bool) {
	if now >= c.next {
		c.update()
		c.next = now.Add(updateInterval)
	}
	switch {
	case before >= 4:
		return c.probable, false
	case before >= 2:
		return c.second, false
	case before > 0:
		return c.best, false
	}
	if c.count++; c.count >= probeEvery {
		c.count = 0
		if rate, ok := c.candidate(); ok {
			return rate, true
		}
	}
	return c.best, false
}

// candidate draws one of the rates that could do better than the best does.
func (c *minstrel) candidate() (rate int, ok bool) {
	does, n := c.throughput(c.best), 0
	for i := range c.rates {
		if i != c.best && int64(time.Second/c.rates[i].perfect)*certain > does {
			n++
			if c.rng.IntN(n) == 0 { // each with the same chance
				rate, ok = i, true
			}
		}
	}
	return rate, ok
}

// learned counts.
func (c *minstrel) learned(rate, attempts, successes int) {
	r := &c.rates[rate]
	r.attempts += attempts
	r.successes += successes
}

// throughput is a rate's, in MPDUs a second and parts of certain.
func (c *minstrel) throughput(rate int) int64 {
	r := &c.rates[rate]
	if r.success < certain/10 {
		return 0
	}
	return int64(time.Second/r.perfect) * int64(min(r.success, certain/10*9))
}

// update takes what was learned into account, and chooses the chain.
func (c *minstrel) update() {
	for i := range c.rates {
		r := &c.rates[i]
		if r.attempts == 0 {
			continue
		}
		since := int(int64(r.successes) * certain / int64(r.attempts))
		if r.tried {
			since = (3*r.success + since) / 4
		}
		r.success, r.tried, r.attempts, r.successes = since, true, 0, 0
	}
	c.best, c.second, c.probable = 0, 0, 0
	for i := 1; i < len(c.rates); i++ {
		switch {
		case c.throughput(i) > c.throughput(c.best):
			c.best, c.second = i, c.best
		case c.second == c.best || c.throughput(i) > c.throughput(c.second):
			c.second = i
		}
		if c.surer(i, c.probable) {
			c.probable = i
		}
	}
}

// surer says whether rate i is more probable to succeed than j, or probable enough
// and faster.
func (c *minstrel) surer(i, j int) bool {
	const enough = certain / 100 * 95
	a, b := c.rates[i].success, c.rates[j].success
	if a >= enough && b >= enough {
		return c.throughput(i) > c.throughput(j)
	}
	return a > b
}
