package mac80211

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// near fails if shares in percent are not as wanted within one percent of that.
func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if tol := max(want[i]/100, 0.01); math.Abs(got[i]-want[i]) > tol {
			t.Errorf("%s: station %d has %.2f %% of the airtime, want %.2f within %.2f", what, i, got[i], want[i], tol)
		}
	}
}

// TestShares checks that the airtime of saturated stations is as their weights,
// whatever an exchange costs and however often it fails, and as their costs
// without airtime fairness.
func TestShares(t *testing.T) {
	for _, c := range []struct {
		words   string
		costs   []int
		burst   int
		retries []int
		ahead   int
		want    []float64
	}{
		{"airtime", []int{500, 500, 4000}, 1, nil, 0, []float64{33.33, 33.33, 33.33}},
		{"airtime weight 512", []int{500, 500, 4000}, 1, nil, 0, []float64{33.33, 33.33, 33.33}},
		{"airtime weight 1", []int{500, 500, 4000}, 1, nil, 0, []float64{33.33, 33.33, 33.33}},
		{"airtime weight 256 512 1024", []int{300, 300, 300}, 1, nil, 0, []float64{100. / 7, 200. / 7, 400. / 7}},
		{"airtime weight 256 512 1024", []int{4000, 1000, 250}, 1, nil, 0, []float64{100. / 7, 200. / 7, 400. / 7}},
		{"airtime weight 256 512 1024", []int{250, 1000, 4000}, 16, nil, 0, []float64{100. / 7, 200. / 7, 400. / 7}},
		{"airtime weight 65535 1", []int{300, 300}, 1, nil, 0, []float64{100, 0}},
		{"airtime", []int{300, 300, 300}, 1, []int{0, 2, 6}, 0, []float64{33.33, 33.33, 33.33}}, // failed attempts count
		{"airtime", []int{500, 500, 4000}, 4, nil, 1, []float64{33.33, 33.33, 33.33}},           // two in hardware
		{"airtime aql", []int{500, 500, 4000}, 4, nil, 1, []float64{33.33, 33.33, 33.33}},
		{"airtime aql weight 256 512 1024", []int{500, 700, 900}, 2, nil, 3, []float64{100. / 7, 200. / 7, 400. / 7}},
		{"", []int{500, 500, 4000}, 1, nil, 0, []float64{10, 10, 80}},
		{"aql", []int{500, 500, 4000}, 1, nil, 0, []float64{10, 10, 80}},
		{"", []int{300, 300, 300}, 1, []int{0, 2, 6}, 0, []float64{100. / 11, 300. / 11, 700. / 11}},
	} {
		m := newMedium(t, strings.Fields(c.words), c.costs...)
		m.burst, m.ahead = c.burst, c.ahead
		if c.retries != nil {
			m.retries = c.retries
		}
		all := []int{0, 1, 2}[:len(c.costs)]
		m.saturate(30*time.Second, all...)
		near(t, fmt.Sprintf("%q %v", c.words, c.costs), m.shares(), c.want)
	}
}

// tailReinsertion is the mistake to put a station that was served at the back of
// the round although it has credit.
type tailReinsertion struct{ *Qdisc }

func (w tailReinsertion) Held(now pkt.Time, station int, ac pkt.AC, held bool) {
	w.Qdisc.Held(now, station, ac, held)
	if r, t := &w.rounds[ac], w.Qdisc.station(station).ac[ac].serving; t.listed {
		r.remove(t)
		r.pushBack(t)
	}
}

// TestTailReinsertion checks that the mistake has the consequence it is known for,
// 29/29/42, and that its absence has not. At each visit a station either sends, for
// c, or is given its weight w: so it has c·w/(c+w) a visit.
func TestTailReinsertion(t *testing.T) {
	for _, c := range []struct {
		wrong bool
		want  []float64
	}{{false, []float64{33.33, 33.33, 33.33}}, {true, []float64{29.23, 29.23, 41.54}}} {
		m := newMedium(t, []string{"airtime", "weight", "256"}, 500, 500, 4000)
		if c.wrong {
			m.s = tailReinsertion{m.q}
		}
		m.saturate(60*time.Second, 0, 1, 2)
		near(t, fmt.Sprintf("wrong %v", c.wrong), m.shares(), c.want)
	}
}

// TestFrameFair checks that without airtime fairness stations have turns in
// turn, by the queue.
func TestFrameFair(t *testing.T) {
	m := newMedium(t, nil, 100, 200, 5000)
	for s := range 3 {
		m.send(s, 4)
	}
	for m.step() {
	}
	if want := []int{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}; !slices.Equal(m.turns, want) {
		t.Errorf("turns %v, want %v", m.turns, want)
	}
}

// TestReceived checks that what a station sends is charged to it: two stations
// with the same downlink, of which the first also sends as much, or three times
// as much.
func TestReceived(t *testing.T) {
	for _, c := range []struct {
		words string
		up    int // exchanges of its own for each one down
		down  []float64
	}{
		{"airtime", 1, []float64{33.33, 66.67}}, {"airtime", 3, []float64{20, 80}}, {"", 3, []float64{50, 50}},
	} {
		m := newMedium(t, strings.Fields(c.words), 400, 400)
		for end := m.now.Add(30 * time.Second); m.now < end; {
			for s := range 2 {
				m.send(s, 20-m.queued(s))
			}
			before := m.sent[0]
			m.step()
			for range c.up * (m.sent[0] - before) {
				m.now = m.now.Add(400 * time.Microsecond)
				m.s.Used(m.now, 0, ac, 400*time.Microsecond, true)
			}
		}
		near(t, fmt.Sprintf("%q, %d up", c.words, c.up), m.shares(), c.down)
		if got, want := m.q.stations[0].ac[ac].up, time.Duration(c.up)*m.used[0]; got != want {
			t.Errorf("%d up: %v counted, want %v", c.up, got, want)
		}
	}
}

// TestGroup checks that the group has one turn in each round and goes to the
// back, with and without airtime fairness, and whatever its packets' category.
func TestGroup(t *testing.T) {
	for words, want := range map[string][]int{
		"":                   {0, 1, link.Group, 0, 1, link.Group, 0, 1, link.Group, 0},
		"airtime weight 600": {1, 1, 0, 0, link.Group, 1, 1, 0, 0, link.Group},
	} {
		m := newMedium(t, strings.Fields(words), 400, 400)
		m.group = 8 * time.Millisecond
		m.send(0, 20)
		m.send(1, 20)
		for _, ds := range []uint8{0, 46 << 2, 8 << 2} {
			m.s.Enqueue(0, &pkt.Packet{Flow: flowTo(link.Group, 7), Len: 200, DSField: ds, Segs: 1})
		}
		for range want {
			m.step()
		}
		if !slices.Equal(m.turns, want) {
			t.Errorf("%q: turns %v, want %v", words, m.turns, want)
		}
		if m.queued(link.Group) > 1 {
			t.Errorf("%q: %d group packets left", words, m.queued(link.Group))
		}
	}
}

// TestSparseFirst checks that a station that sends little is served next, however
// many others are busy.
func TestSparseFirst(t *testing.T) {
	for words, first := range map[string]bool{"airtime": true, "airtime aql": true, "": false} {
		m := newMedium(t, strings.Fields(words), 2000, 2000, 2000, 2000, 100)
		waited := 0
		for range 200 {
			m.saturate(50*time.Millisecond, 0, 1, 2, 3)
			m.send(4, 1)
			m.turns = nil
			for m.queued(4) > 0 {
				m.step()
			}
			if len(m.turns) > 1 {
				waited++
			}
		}
		if (waited == 0) != first {
			t.Errorf("%q: the sparse station waited for others %d times of 200", words, waited)
		}
	}
}

// TestHeld checks that a station for which the link has to send again stays in
// the round with nothing queued, until the link holds nothing.
func TestHeld(t *testing.T) {
	for _, words := range []string{"", "airtime"} {
		m := newMedium(t, strings.Fields(words), 400, 400)
		m.send(0, 1)
		m.send(1, 3)
		if words == "airtime" { // who came last is in front
			m.q.rounds[ac].remove(m.q.rounds[ac].head)
			m.q.rounds[ac].pushBack(&m.q.queues[numTIDs])
		}
		station, _ := m.s.NextStation(0, ac)
		p := m.s.DequeueFor(0, 0, ac)
		m.s.Used(0, 0, ac, 400*time.Microsecond, false)
		m.s.Held(0, 0, ac, true)
		if station != 0 || p == nil {
			t.Fatalf("%q: station %d, packet %v", words, station, p)
		}
		named := map[int]int{}
		for range 6 {
			s, ok := m.s.NextStation(0, ac)
			if !ok {
				t.Fatalf("%q: nobody's turn", words)
			}
			named[s]++
			if s == 1 && m.s.DequeueFor(0, 1, ac) == nil {
				t.Fatalf("%q: station 1 has its turn and no packet", words)
			}
			if s == 0 && m.s.DequeueFor(0, 0, ac) != nil {
				t.Fatalf("%q: station 0 has a packet", words)
			}
			m.s.Used(0, s, ac, 400*time.Microsecond, false)
			m.s.Held(0, s, ac, s == 0)
		}
		if named[0] != 3 || named[1] != 3 {
			t.Errorf("%q: %d and %d turns of 6, want 3 each", words, named[0], named[1])
		}
		m.s.Held(0, 0, ac, false)
		if s, ok := m.s.NextStation(0, ac); ok {
			t.Errorf("%q: station %d has a turn with nothing held or queued", words, s)
		}
	}
}

// TestKeep checks that a station that runs empty in debt pays it while others
// send, if it comes back soon, and that one that is long gone is not charged.
func TestKeep(t *testing.T) {
	deficit := func(m *medium) time.Duration { return m.q.stations[0].ac[ac].deficit }
	for words, paid := range map[string]bool{"airtime": true, "airtime keep 0": false} {
		m := newMedium(t, strings.Fields(words), 10000, 500)
		m.send(0, 1)
		m.step()
		if deficit(m) != 256*time.Microsecond-10*time.Millisecond {
			t.Fatalf("%q: deficit %v after 10 ms", words, deficit(m))
		}
		m.saturate(40*time.Millisecond, 1)
		if got := deficit(m) >= 0; got != paid {
			t.Errorf("%q: deficit %v after the other has had 40 ms", words, deficit(m))
		}
	}
}

// TestCharged checks when what a station uses is charged: while it has something
// queued, and for 100 ms after it had or the link held something; always with keep
// 0.
func TestCharged(t *testing.T) {
	for _, words := range []string{"airtime", "airtime keep 0"} {
		m := newMedium(t, strings.Fields(words), 500, 500)
		charged := func(what string, after time.Duration, want bool) {
			t.Helper()
			m.now = m.now.Add(after)
			was := m.q.stations[0].ac[ac].deficit
			m.s.Used(m.now, 0, ac, time.Millisecond, true)
			if got := was - m.q.stations[0].ac[ac].deficit; (got == time.Millisecond) != (want || words == "airtime keep 0") {
				t.Errorf("%q, %s: %v charged of 1 ms", words, what, got)
			}
		}
		charged("never anything queued", 0, false)
		m.send(0, 1)
		charged("queued", time.Second, true)
		m.s.NextStation(m.now, ac)
		m.s.DequeueFor(m.now, 0, ac)
		charged("taken 100 ms ago", 100*time.Millisecond, true)
		charged("taken 101 ms ago", time.Millisecond, false)
		m.s.Held(m.now, 0, ac, true)
		charged("held", time.Second, true)
		m.s.Held(m.now, 0, ac, true)
		m.s.Held(m.now.Add(50*time.Millisecond), 0, ac, false)
		charged("held 100 ms ago", 100*time.Millisecond, true)
		charged("held 101 ms ago", time.Millisecond, false)
	}
}

// TestNotKept checks that keep 0 lets a station that owes what is pending leave at
// once.
func TestNotKept(t *testing.T) {
	for words, kept := range map[string]int{"airtime aql": 1, "airtime aql keep 0": 0} {
		m := newMedium(t, strings.Fields(words), 500)
		m.send(0, 1)
		m.take()
		if got := m.q.rounds[ac].len; got != kept {
			t.Errorf("%q: %d queues in the round, want %d", words, got, kept)
		}
	}
}

// TestTurnsWithoutHeld checks that a link that has nothing to say of what it holds
// ends a turn by asking for the next.
func TestTurnsWithoutHeld(t *testing.T) {
	m := newMedium(t, nil, 500, 500)
	m.send(0, 4)
	m.send(1, 4)
	var turns []int
	for s, ok := m.s.NextStation(0, ac); ok; s, ok = m.s.NextStation(0, ac) {
		turns = append(turns, s)
		m.s.DequeueFor(0, s, ac)
		m.s.DequeueFor(0, s, ac)
	}
	if want := []int{0, 1, 0, 1}; !slices.Equal(turns, want) {
		t.Errorf("turns %v, want %v", turns, want)
	}
}
