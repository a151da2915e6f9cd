package mac80211

import (
	"testing"
	"time"
)

// TestBlock checks that a station that the link has blocked has no turn, whether
// with packets of its own or what the link holds, that the others have theirs, and
// that it goes on afterwards with the airtime that is its.
func TestBlock(t *testing.T) {
	for _, words := range [][]string{nil, {"airtime"}, {"airtime", "aql"}} {
		m := newMedium(t, words, 500, 500, 500)
		m.send(0, 3)
		m.s.Block(m.now, 0, ac, true)
		if station, ok := m.s.NextStation(m.now, ac); ok {
			t.Errorf("%v: station %d is named, which is blocked", words, station)
		}
		m.s.Held(m.now, 0, ac, true)
		if station, ok := m.s.NextStation(m.now, ac); ok {
			t.Errorf("%v: station %d is named, which is blocked, for what the link holds", words, station)
		}
		m.s.Held(m.now, 0, ac, false)
		m.saturate(time.Second, 1, 2)
		if m.sent[0] != 0 || m.used[1] < 499*time.Millisecond || m.used[2] < 499*time.Millisecond {
			t.Errorf("%v: airtime %v while station 0 is blocked, want half a second each for the others", words, m.used)
		}
		m.s.Block(m.now, 0, ac, false)
		clear(m.used)
		m.saturate(3*time.Second, 0, 1, 2)
		near(t, "after it", m.shares(), []float64{33.33, 33.33, 33.33})
	}
}
