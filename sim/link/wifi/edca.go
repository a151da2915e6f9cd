package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/random"
)

// Params are EDCA's of one access category.
type Params struct {
	// AIFSN is the number of slots after SIFS before the backoff counts.
	AIFSN int
	// CWMin and CWMax bound the contention window: 2^n - 1 slots.
	CWMin, CWMax int
	// TXOP is how long a station may go on once it has won; 0 is one exchange.
	TXOP time.Duration
}

// DefaultParams are the standard's for stations (802.11-2020, table 9-155), with
// no TXOP but for a single exchange.
func DefaultParams() [pkt.NumACs]Params {
	return [pkt.NumACs]Params{
		pkt.ACBK: {AIFSN: 7, CWMin: 15, CWMax: 1023},
		pkt.ACBE: {AIFSN: 3, CWMin: 15, CWMax: 1023},
		pkt.ACVI: {AIFSN: 2, CWMin: 7, CWMax: 15},
		pkt.ACVO: {AIFSN: 2, CWMin: 3, CWMax: 7},
	}
}

// DCF are the parameters of stations without EDCA: DIFS is SIFS and two slots.
func DCF() Params { return Params{AIFSN: 2, CWMin: 15, CWMax: 1023} }

// timing are the spans of a band.
type timing struct {
	slot, sifs time.Duration
	// extension is added to PPDUs of OFDM and later, so that SIFS seems to be
	// that of 5 GHz.
	extension time.Duration
}

func timings(ghz2 bool) timing {
	if ghz2 {
		return timing{slot: 9 * us, sifs: 10 * us, extension: 6 * us}
	}
	return timing{slot: 9 * us, sifs: 16 * us}
}

// contender is an EDCA function (or a DCF): somebody who wants the medium.
//
// Its counter is decremented at every slot boundary of an idle medium from the
// end of AIFS on, the boundary at which somebody else begins to send included,
// and it sends at a boundary where it is 0 (802.11-2020 §10.23.2.4). It counts
// also while there is nothing to send.
type contender struct {
	Params
	aifs    time.Duration
	cw      int // contention window now, in slots
	backoff int // counter at the end of AIFS, in slots
	// since is when it had something to send, pkt.Never while it has not.
	since pkt.Time
	rng   *random.Rand
}

func newContender(p Params, t timing, rng *random.Rand) contender {
	return contender{Params: p, aifs: t.sifs + time.Duration(p.AIFSN)*t.slot, cw: p.CWMin, since: pkt.Never, rng: rng}
}

// draw sets a new counter.
func (c *contender) draw() { c.backoff = c.rng.IntN(c.cw + 1) }

// want says that there is something to send from now on. If the medium is not
// idle, which it will be at idle, a counter that had run out is drawn anew.
func (c *contender) want(now, idle pkt.Time) {
	if c.since != pkt.Never {
		return
	}
	c.since = now
	if c.backoff == 0 && idle > now {
		c.draw()
	}
}

// access is when it sends if nobody does before, the medium being idle since
// idle.
func (c *contender) access(idle pkt.Time, slot time.Duration) pkt.Time {
	if c.since == pkt.Never {
		return pkt.Never
	}
	return max(idle.Add(c.aifs+time.Duration(c.backoff)*slot), c.since)
}

// heard counts down for somebody else's transmission at the instant at.
func (c *contender) heard(at, idle pkt.Time, slot time.Duration) {
	if span := at.Sub(idle.Add(c.aifs)); span >= 0 {
		c.backoff = max(c.backoff-int(span/slot)-1, 0)
	}
}

// succeeded and failed set the window after an attempt, and a new counter.
func (c *contender) succeeded() {
	c.cw = c.CWMin
	c.draw()
}

func (c *contender) failed() {
	c.cw = min(2*c.cw+1, c.CWMax)
	c.draw()
}

// reset is what follows when a frame was given up.
func (c *contender) reset() { c.succeeded() }
