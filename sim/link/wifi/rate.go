package wifi

import (
	"fmt"
	"slices"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// RatePoint says in which mode a station is sent to, and sends itself, from an
// instant on.
type RatePoint struct {
	At   pkt.Time
	Mode Mode
}

// rates is how modes are chosen for a station in one direction.
type rates struct {
	s    *Station
	next int // of s.Rates, the first that is not in force
	rc   *minstrel
}

// now is the mode in force at the instant now, and its number for learned.
func (r *rates) now(at pkt.Time) *Mode {
	for r.next < len(r.s.Rates) && r.s.Rates[r.next].At <= at {
		r.next++
	}
	if r.next > 0 {
		return &r.s.Rates[r.next-1].Mode
	}
	return &r.s.Mode
}

// makeRates prepares the choice of modes for all stations and the group.
func (m *Medium) makeRates() {
	m.rates = make([][2]rates, len(m.txqs))
	for i := range m.rates {
		for dir, name := range []string{"down/", "up/"} {
			s := &Station{Mode: m.conf.Basic}
			if i < m.group() {
				s = &m.conf.Stations[i]
			}
			m.rates[i][dir] = rates{s: s}
			if s.Minstrel {
				m.rates[i][dir].rc = m.newMinstrel(s, m.env.Random(fmt.Sprint("wifi/minstrel/", name, i)))
			}
		}
	}
}

// ratesOf is the choice of modes for q.
func (m *Medium) ratesOf(q *txq) *rates {
	if q.up {
		return &m.rates[q.station][1]
	}
	return &m.rates[q.station][0]
}

// choose sets the mode of an aggregate that is made at the instant now, whose
// oldest MPDU was sent so many times before. It says whether it is a probe.
func (m *Medium) choose(a *aggregate, now pkt.Time, before int) (probe bool) {
	r := m.ratesOf(a.q)
	if r.rc == nil {
		a.mode = *r.now(now)
		return false
	}
	a.rate, probe = r.rc.pick(now, before)
	a.mode = r.rc.rates[a.rate].mode
	return probe
}

// learn tells how many MPDUs of a were not received.
func (m *Medium) learn(a *aggregate, lost int) {
	if r := m.ratesOf(a.q); r.rc != nil && !a.beacon {
		r.rc.learned(a.rate, a.mpdus, a.mpdus-lost)
	}
}

// errorOf is the probability that a station's MPDU sent in mode is not received,
// in parts of 2^32.
func (m *Medium) errorOf(station int, mode *Mode) uint32 {
	if station == m.group() {
		return 0
	}
	s := &m.conf.Stations[station]
	if len(s.Errors) == 0 {
		return s.Error
	}
	return s.Errors[min(mode.index(), len(s.Errors)-1)]
}

// kbps are the rates of PHYs that have no MCS, in kbit/s.
var kbps = [...][]int{DSSS: {1000, 2000, 5500, 11000}, OFDM: {6000, 9000, 12000, 18000, 24000, 36000, 48000, 54000}}

// index numbers the mode among those of its PHY: the MCS, or the rate's place.
func (m *Mode) index() int {
	if m.PHY <= OFDM {
		return max(slices.Index(kbps[m.PHY], m.Kbps), 0)
	}
	return m.MCS
}

// Ladder is the modes a rate control chooses among: those of m's PHY, width and
// guard interval with at most m's MCS, or its rate, and for HT at most its
// streams.
func (m *Mode) Ladder() []Mode {
	var modes []Mode
	for i := range m.index() + 1 {
		o := *m
		if o.PHY <= OFDM {
			o.Kbps = kbps[m.PHY][i]
		} else {
			o.MCS = i
		}
		if o.Validate() == nil && (m.PHY != HT || i%8 <= m.MCS%8) {
			modes = append(modes, o)
		}
	}
	return modes
}

// needs is the signal to noise ratio in dB at which one in ten frames is lost, by
// MCS of one stream at 20 MHz: the standard's least sensitivity (802.11-2020
// table 21-25, 802.11ax table 27-51), over thermal noise with the noise figure of
// 10 dB and the loss of 5 dB that it allows.
var needs = [...]int{4, 7, 9, 12, 16, 20, 21, 22, 27, 29, 32, 34}

// ErrorsAt are the errors by MCS, or rate, of modes like m at a signal to noise
// ratio in dB: a tenth where the standard's least receiver has it, and from there
// a decade less for each dB more, half of the frames at one dB less, nine tenths
// at two, all at three. Each doubling of the width or the streams costs 3 dB.
func ErrorsAt(m Mode, snr int) []uint32 {
	n := m
	n.MCS = map[PHY]int{HT: 31, VHT: 9, HE: 11}[m.PHY]
	if m.PHY <= OFDM {
		n.Kbps = kbps[m.PHY][len(kbps[m.PHY])-1]
	}
	errors := make([]uint32, n.index()+1)
	for i := range errors {
		o, need := m, 0
		o.MCS = i
		switch m.PHY {
		case DSSS:
			need = []int{-4, -1, 3, 6}[i] // 10 dB below: it is spread over 11 chips
		case OFDM:
			need = []int{4, 5, 7, 9, 12, 16, 20, 21}[i]
		case HT:
			need = needs[i%8]
		default:
			need = needs[i]
		}
		errors[i] = lossAt(snr - need - penalty(o.streams()) - penalty(o.Width/20))
	}
	return errors
}

// penalty is 3 dB for each doubling.
func penalty(n int) (db int) {
	for ; n > 1; n /= 2 {
		db += 3
	}
	return db
}

// lossAt is the part of frames lost at so many dB above the need.
func lossAt(margin int) uint32 {
	const all = 1<<32 - 1
	switch {
	case margin <= -3:
		return all
	case margin == -2:
		return all / 10 * 9
	case margin == -1:
		return all / 2
	}
	loss := uint32(all / 10)
	for ; margin > 0 && loss > 0; margin-- {
		loss /= 10
	}
	return loss
}

// perfect is how long an MPDU in mode takes of an exchange in which nothing is
// lost: in a typical aggregate, or alone.
func (m *Medium) perfect(mode *Mode) time.Duration {
	const mpdu = macHeader + llc + 1500 + fcs
	r := mode.Response()
	l := limitsOf(mode.PHY, &m.conf)
	if l.mpdus == 1 {
		return m.air(mode, mpdu) + m.t.sifs + m.air(&r, ackBytes) + 100*us
	}
	return (m.air(mode, typical*subframe(mpdu)) + m.t.sifs + m.air(&r, l.blockAck()) + 100*us) / typical
}
