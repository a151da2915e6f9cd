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
	// DCF counts as stations without EDCA do: see contender.
	DCF bool
}

// DefaultParams are the standard's for stations (802.11-2020, table 9-155), but
// that background and best effort send one exchange at a time, as implementations
// have it.
func DefaultParams() [pkt.NumACs]Params {
	return [pkt.NumACs]Params{
		pkt.ACBK: {AIFSN: 7, CWMin: 15, CWMax: 1023},
		pkt.ACBE: {AIFSN: 3, CWMin: 15, CWMax: 1023},
		pkt.ACVI: {AIFSN: 2, CWMin: 7, CWMax: 15, TXOP: 4096 * us},
		pkt.ACVO: {AIFSN: 2, CWMin: 3, CWMax: 7, TXOP: 2080 * us},
	}
}

// DCF are the parameters of stations without EDCA: DIFS is SIFS and two slots.
func DCF() Params { return Params{AIFSN: 2, CWMin: 15, CWMax: 1023, DCF: true} }

// timing are the spans of a band.
type timing struct {
	slot, sifs time.Duration
	// extension is added to PPDUs of OFDM and later, so that SIFS seems to be
	// that of 5 GHz.
	extension time.Duration
	// silence is how long the answer to a frame that was sent may take to begin:
	// SIFS, a slot, and what a receiver takes to say so.
	silence time.Duration
	// eifs is by how much longer the medium counts as busy for those who heard a
	// frame and did not understand it: SIFS and the slowest acknowledgement.
	eifs time.Duration
}

func timings(c *Config) timing {
	t := timing{slot: 9 * us, sifs: 16 * us}
	if c.GHz2 {
		t.sifs, t.extension = 10*us, 6*us
	}
	if c.GHz2 && c.LongSlot {
		t.slot = 20 * us
	}
	t.silence = t.sifs + t.slot + 20*us
	return t
}

// contender is an EDCA function or a DCF: somebody who wants the medium.
//
// An EDCA function decrements its counter at every slot boundary of an idle
// medium from the end of AIFS on, the boundary at which somebody else begins to
// send included, and sends at a boundary where it is 0 (802.11-2020
// §10.23.2.4). A DCF decrements it when a slot has passed without activity
// (§10.3.4.3): the slot in which somebody else sends does not count, and the
// first one after an exchange belongs to those who took part in it alone. Both
// count also while there is nothing to send.
type contender struct {
	Params
	aifs    time.Duration
	cw      int // contention window now, in slots
	backoff int // counter at the end of AIFS, in slots
	// failures are those since the window was CWMin, retries how many it takes
	// before the one that has the window begin anew: QSRC and its limit.
	failures, retries int
	// from is when the medium fell idle, or a wait that counts as busy ended: for
	// an answer that did not come, or the rest of EIFS.
	from pkt.Time
	// after is until when it waits for an answer, while slots pass.
	after pkt.Time
	// since is when it had something to send, pkt.Never while it has not.
	since pkt.Time
	rng   *random.Rand
}

func newContender(p Params, t timing, retries int, rng *random.Rand) contender {
	return contender{Params: p, aifs: t.sifs + time.Duration(p.AIFSN)*t.slot, cw: p.CWMin, retries: retries, since: pkt.Never, rng: rng}
}

// draw sets a new counter.
func (c *contender) draw() {
	if c.cw > 0 {
		c.backoff = c.rng.IntN(c.cw + 1)
	}
}

// want says that there is something to send from now on. If the medium is not
// idle, a counter that had run out is drawn anew.
func (c *contender) want(now pkt.Time) {
	if c.since != pkt.Never {
		return
	}
	c.since = now
	if c.backoff == 0 && c.from > now && c.cw > 0 {
		c.draw()
	}
}

// access is when it sends if nobody does before.
func (c *contender) access(slot time.Duration) pkt.Time {
	if c.since == pkt.Never {
		return pkt.Never
	}
	return max(c.from.Add(c.aifs+time.Duration(c.backoff)*slot), c.since, c.after)
}

// heard counts down for somebody else's transmission at the instant at.
func (c *contender) heard(at pkt.Time, slot time.Duration) {
	span := at.Sub(c.from.Add(c.aifs))
	if c.backoff == 0 || span < 0 {
		return
	}
	slots := int(span / slot)
	if !c.DCF {
		slots++
	}
	c.backoff = max(c.backoff-slots, 0)
}

// idle says that the medium is idle from the instant at on.
func (c *contender) idle(at pkt.Time) { c.from = at }

// unanswered says that the medium is idle from the instant at on, and that what it
// sent before has not been answered after timeout. A DCF's interframe space and
// slots pass meanwhile (802.11-2020 §10.3.2.11), EDCA's begin then (§10.23.2.2).
func (c *contender) unanswered(at pkt.Time, timeout time.Duration) {
	c.from, c.after = at.Add(timeout), at.Add(timeout)
	if c.DCF {
		c.from = at
	}
}

// succeeded and failed set the window after an attempt, and a new counter. With as
// many failures in a row as it takes to give a frame up the window begins anew
// (802.11-2020 §10.23.2.2).
func (c *contender) succeeded() {
	c.cw, c.failures = c.CWMin, 0
	c.draw()
}

func (c *contender) failed() {
	if c.failures++; c.failures > c.retries {
		c.succeeded()
		return
	}
	c.cw = min(2*c.cw+1, c.CWMax)
	c.draw()
}
