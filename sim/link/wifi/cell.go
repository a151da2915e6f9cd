package wifi

import (
	"time"

	"github.com/uqtool/uq/sim/link"
)

var _ link.Cell = (*Medium)(nil)

// typical is how many packets an aggregate is taken to have before it is known.
const typical = 16

// Airtime implements link.Cell: the bytes' share of a typical aggregate, or of a
// frame of 1500 bytes where there are none.
func (m *Medium) Airtime(station, bytes int) time.Duration {
	const packet, mpdu = 1514, macHeader + llc + 1500 + fcs
	if station == link.Group {
		station = m.group()
	}
	r, n, psdu := &m.rates[station][0], 1, mpdu
	mode := r.now(m.c.now)
	if r.rc != nil {
		mode = &r.rc.rates[r.rc.best].mode
	}
	if limitsOf(mode.PHY, &m.conf).mpdus > 1 && station != m.group() {
		n, psdu = typical, typical*subframe(mpdu)
	}
	return m.air(mode, psdu) * time.Duration(bytes) / time.Duration(n*packet)
}

// Weight implements link.Cell.
func (m *Medium) Weight(station int) int { return m.conf.Stations[station].Weight }
