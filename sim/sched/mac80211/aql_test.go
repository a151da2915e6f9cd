package mac80211

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
)

// TestAQL checks AQL's bounds: with room below for everything a station has no
// more than its limit and a packet pending, which is the high one only while all
// have little.
func TestAQL(t *testing.T) {
	const packet = 500 * time.Microsecond
	for _, c := range []struct {
		words    string
		stations int
		most     time.Duration // pending of each when nothing is let go of
	}{
		{"aql", 1, 12 * time.Millisecond},
		{"aql", 2, 12 * time.Millisecond},
		{"aql", 8, 5 * time.Millisecond},
		{"airtime aql", 8, 5 * time.Millisecond},
		{"aql aql_high 20ms aql_threshold 1s", 8, 20 * time.Millisecond},
		{"aql aql_low 1ms aql_threshold 0", 3, time.Millisecond},
	} {
		m := newMedium(t, strings.Fields(c.words), slices.Repeat([]int{500}, c.stations)...)
		for s := range c.stations {
			m.send(s, 100)
		}
		for m.take() {
		}
		all := time.Duration(0)
		for s := range c.stations {
			got := m.q.stations[s].ac[ac].pending
			all += got
			if high := c.most + packet; got > max(high, 12*time.Millisecond) || c.stations <= 2 && got < c.most {
				t.Errorf("%q, %d stations: %v pending for %d, want %v", c.words, c.stations, got, s, c.most)
			}
		}
		if m.q.pending != all {
			t.Errorf("%q: %v pending in all, want %v", c.words, m.q.pending, all)
		}
		if bound := max(24*time.Millisecond, time.Duration(c.stations)*c.most) + time.Duration(c.stations)*packet; all > bound {
			t.Errorf("%q, %d stations: %v pending in all, want at most %v", c.words, c.stations, all, bound)
		}
		for len(m.hw) > 0 || m.s.(*Qdisc).packets > 0 {
			if !m.step() {
				t.Fatalf("%q: stuck with %d packets", c.words, m.q.packets)
			}
		}
		if m.q.pending != 0 {
			t.Errorf("%q: %v pending with nothing below", c.words, m.q.pending)
		}
	}
}

// TestAQLGroup checks the group's limit, and that it does not count for others.
func TestAQLGroup(t *testing.T) {
	m := newMedium(t, []string{"aql", "aql_multicast", "30ms"}, 500)
	m.group = 12 * time.Millisecond
	m.send(link.Group, 10)
	for m.take() {
	}
	if len(m.hw) != 3 || m.q.pending != 0 {
		t.Errorf("%d group packets below, %v counted for stations; want 3 and 0", len(m.hw), m.q.pending)
	}
	m.send(0, 1)
	if s, ok := m.s.NextStation(m.now, ac); !ok || s != 0 {
		t.Errorf("station %d (%v) has the turn, want 0", s, ok)
	}
}

// TestAQLWithoutRates checks that AQL does nothing where the link knows no rates.
func TestAQLWithoutRates(t *testing.T) {
	m := newMedium(t, []string{"aql"}, 500)
	m.q.airtimeOf = nil
	m.send(0, 200)
	for m.take() {
	}
	if len(m.hw) != 200 {
		t.Errorf("%d packets below, want all 200", len(m.hw))
	}
}

// TestAQLHeld checks that packets that the link has to send again are not kept
// back by being pending themselves, while new ones are.
func TestAQLHeld(t *testing.T) {
	m := newMedium(t, []string{"aql"}, 13000)
	m.send(0, 2)
	m.s.NextStation(0, ac)
	if m.s.DequeueFor(0, 0, ac) == nil || m.s.DequeueFor(0, 0, ac) != nil {
		t.Fatal("want one packet, 13 ms long")
	}
	m.s.Held(0, 0, ac, false)
	if s, ok := m.s.NextStation(0, ac); ok {
		t.Errorf("station %d has a turn with 13 ms pending", s)
	}
	m.s.Held(0, 0, ac, true)
	if s, ok := m.s.NextStation(0, ac); !ok || s != 0 {
		t.Errorf("station %d (%v) has the turn, want 0 to send again", s, ok)
	}
	if p := m.s.DequeueFor(0, 0, ac); p != nil {
		t.Errorf("packet %d with 13 ms pending", p.ID)
	}
}

// TestAQLPlain checks that packets that Dequeue gave are not taken off what is
// pending when they are done.
func TestAQLPlain(t *testing.T) {
	m := newMedium(t, []string{"aql"}, 500)
	m.send(0, 2)
	m.q.Completed(0, m.q.Dequeue(0))
	m.s.NextStation(0, ac)
	m.s.DequeueFor(0, 0, ac)
	if m.q.pending != 500*time.Microsecond {
		t.Errorf("%v pending, want 500 us", m.q.pending)
	}
}
