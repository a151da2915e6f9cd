package wifi

import (
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
)

// TestAirtime checks what a packet of 1514 bytes is expected to take.
func TestAirtime(t *testing.T) {
	c := cell(ht(20, 15, 400), ht(20, 0, 400), ofdm(54))
	c.Stations[1].Weight = 512
	m := New(c, link.Env{})
	for _, e := range []struct {
		station int
		want    time.Duration
	}{
		{0, 88225},            // 40 us and 381 symbols of 3.6 us for 16
		{1, 1712925},          // 36 us and 7603 symbols of 3.6 us for 16
		{2, 252000},           // 20 us and 58 symbols of 4 us
		{link.Group, 2076000}, // 20 us and 514 symbols of 4 us
	} {
		if got := m.Airtime(e.station, 1514); got != e.want {
			t.Errorf("station %d: %v, want %v", e.station, got, e.want)
		}
		if got := m.Airtime(e.station, 100*1514); got/100 != e.want {
			t.Errorf("station %d, 100 packets: %v, want %v for each", e.station, got/100, e.want)
		}
	}
	c.Stations[0].Minstrel = true
	m = New(c, link.Env{})
	m.rates[0][0].rc.best = 8 // HT20 MCS 8: 13 Mbit/s, 14.4 with the short guard interval
	if got := m.Airtime(0, 1514); got != 857950 {
		t.Errorf("with the rate control at MCS 8: %v, want 40 us and 3802 symbols of 3.6 us for 16", got)
	}
	if m.Weight(0) != 0 || m.Weight(1) != 512 {
		t.Errorf("weights %d and %d, want 0 and 512", m.Weight(0), m.Weight(1))
	}
}
