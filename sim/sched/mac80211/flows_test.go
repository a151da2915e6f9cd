package mac80211

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// packet is one of 1000 bytes for a station, or the group.
func packet(id uint64, station int, hash uint32, ds uint8) *pkt.Packet {
	return &pkt.Packet{ID: id, Flow: flowTo(station, hash), Len: 1000, L3Len: 986, DSField: ds, Segs: 1}
}

// drain takes n packets for a station and returns their numbers.
func drain(m *medium, station, n int) (ids []uint64) {
	for range n {
		m.s.NextStation(m.now, ac)
		if p := m.s.DequeueFor(m.now, station, ac); p != nil {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// TestCollision checks that a flow whose place another station has goes to the
// default flow, and gets the place when it is free.
func TestCollision(t *testing.T) {
	m := newMedium(t, nil, 500, 500)
	const hash = 5 << 20 // place 5 of 4096
	for id, station := range []int{0, 1, 1, 0} {
		m.s.Enqueue(0, packet(uint64(id), station, hash, 0))
	}
	want := "BE: station 0 tid 0 packets 2 deficit 256us\n  new: hash 5 deficit 300 packets 2\n" +
		"BE: station 1 tid 0 packets 2 deficit 256us\n  new: default deficit 300 packets 2\n"
	if got := m.q.DebugFlows(); got != want {
		t.Errorf("flows\n%s, want\n%s", got, want)
	}
	if got := m.q.queues[numTIDs].count.collisions; got != 2 || m.q.pool.collisions != 2 {
		t.Errorf("%d collisions counted for station 1, %d in all, want 2", got, m.q.pool.collisions)
	}
	for m.q.take(0, &m.q.queues[0]) != nil {
	}
	m.s.Enqueue(0, packet(4, 1, hash, 0))
	if owner := m.q.flows[5].owner; owner != &m.q.queues[numTIDs] {
		t.Errorf("place 5 belongs to %v, want station 1's queue", owner)
	}
	if ids := drain(m, 1, 9); len(ids) != 3 {
		t.Errorf("station 1 gets %v, want 3 packets", ids)
	}
}

// TestOverflow checks that the longest flow of all is cut at its head, by half or
// drop_batch, for too many packets or too much memory.
func TestOverflow(t *testing.T) {
	for _, c := range []struct {
		words          string
		from, to       uint64 // dropped
		overlimit, mem uint64
	}{
		{"limit 100", 10, 42, 32, 0},
		{"limit 100 drop_batch 1", 10, 11, 1, 0},
		{"limit 100 drop_batch 1000", 10, 50, 40, 0},
		{"memory_limit 158300", 10, 42, 32, 32}, // 100 packets of 1024 and 576 less what one has
	} {
		var dropped []uint64
		m := newMedium(t, strings.Fields(c.words), 500, 500, 500)
		m.q.drop = func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) {
			dropped = append(dropped, p.ID)
			if want := map[bool]pkt.Reason{true: pkt.Overmemory, false: pkt.Overlimit}[c.mem > 0]; why != want {
				t.Errorf("%q: dropped for %v, want %v", c.words, why, want)
			}
		}
		id := uint64(0)
		enqueue := func(station, n int) {
			for range n {
				m.s.Enqueue(0, packet(id, station, uint32(station+1)<<24, 0))
				id++
			}
		}
		enqueue(0, 10)
		enqueue(1, 80)
		enqueue(2, 10)
		if c.mem == 0 {
			enqueue(2, 1)
		}
		var want []uint64
		for id := c.from; id < c.to; id++ {
			want = append(want, id)
		}
		if !slices.Equal(dropped, want) {
			t.Errorf("%q: dropped %v, want %d to %d", c.words, dropped, c.from, c.to-1)
		}
		if m.q.dropOverlimit != c.overlimit || m.q.dropOvermemory != c.mem || m.q.queues[numTIDs].count.overlimit != c.overlimit {
			t.Errorf("%q: counted %d, %d for memory", c.words, m.q.dropOverlimit, m.q.dropOvermemory)
		}
	}
}

// TestCoDel checks CoDel's settings: 20 ms, 100 ms and marks; the flow's own
// backlog, so that a last packet is never dropped; and what "slow" changes.
func TestCoDel(t *testing.T) {
	for _, c := range []struct {
		words     string
		age       time.Duration // of all packets
		own       int           // packets in the flow that is served
		rate      int           // µs for 1000 bytes
		spent     time.Duration // from the first dequeue to the second
		drop, ect bool          // of the second
	}{
		{"", 21 * time.Millisecond, 5, 500, 101 * time.Millisecond, true, false},
		{"", 21 * time.Millisecond, 5, 500, 99 * time.Millisecond, false, false},
		{"", 19 * time.Millisecond, 5, 500, 0, false, false},
		{"", time.Second, 2, 500, time.Second, false, false}, // its last
		{"", time.Second, 3, 500, time.Second, true, false},
		{"", 21 * time.Millisecond, 5, 500, 101 * time.Millisecond, false, true},
		{"noecn", 21 * time.Millisecond, 5, 500, 101 * time.Millisecond, true, true},
		{"slow", 21 * time.Millisecond, 5, 500, 101 * time.Millisecond, true, false},
		{"slow", 45 * time.Millisecond, 5, 700, 4 * time.Millisecond, false, false},
		{"slow", 51 * time.Millisecond, 5, 700, 299 * time.Millisecond, false, true},
		{"slow", 51 * time.Millisecond, 5, 700, 301 * time.Millisecond, true, true}, // no marks
	} {
		m := newMedium(t, strings.Fields(c.words), c.rate, 500) // 700 is 11.4 Mbit/s, of 2 stations
		m.now = 1e10
		put := func(id uint64, hash uint32) {
			p := packet(id, 0, hash, 0)
			p.Arrival = m.now.Add(-c.age)
			if c.ect {
				p.DSField = uint8(pkt.ECT0)
			}
			m.s.Enqueue(m.now, p)
		}
		m.q.quantum = 1 << 20 // stays with the first flow
		for id := range uint64(c.own) {
			put(id, 1<<24)
		}
		for id := range uint64(50) {
			put(100+id, 2<<24)
		}
		m.s.NextStation(m.now, ac)
		first := m.s.DequeueFor(m.now, 0, ac)
		m.now = m.now.Add(c.spent)
		second := m.s.DequeueFor(m.now, 0, ac)
		if first.ID != 0 || (m.drops[pkt.AQM] > 0) != c.drop || (second.Mark == pkt.AQM) != (c.ect && !c.drop && c.spent > 100*time.Millisecond && c.words == "") {
			t.Errorf("%q age %v, %v later: %d drops, mark %v", c.words, c.age, c.spent, m.drops[pkt.AQM], second.Mark)
		}
	}
}

// TestSlow checks whose CoDel "slow" changes: stations with less than 6 Mbit/s
// times the number of stations, and not the group, nor any without rates.
func TestSlow(t *testing.T) {
	for _, c := range []struct {
		words    string
		costs    []int // us for 1000 bytes; 1333 is 6 Mbit/s
		rateless bool
		slow     []bool // the group's last
	}{
		{"slow", []int{1330, 1340}, false, []bool{true, true, false}}, // below 12
		{"slow", []int{660, 670}, false, []bool{false, true, false}},
		{"slow", []int{1330}, false, []bool{false, false}},
		{"slow", []int{1340}, false, []bool{true, false}},
		{"slow", []int{1340}, true, []bool{false, false}},
		{"", []int{1340}, false, []bool{false, false}},
	} {
		m := newMedium(t, strings.Fields(c.words), c.costs...)
		m.group = 8 * time.Millisecond
		if c.rateless {
			m.q.airtimeOf = nil
		}
		for i, want := range c.slow {
			if got := m.q.paramsOf(&m.q.queues[i*numTIDs]) == &m.q.slowPar; got != want {
				t.Errorf("%q %v: station %d slow is %v, want %v", c.words, c.costs, i, got, want)
			}
		}
	}
}

// TestLists checks that a flow that was new and runs empty passes through the old
// flows while there are any, that one that has left comes back with a whole
// quantum, and that of equally long flows the first is cut.
func TestLists(t *testing.T) {
	m := newMedium(t, []string{"limit", "4", "drop_batch", "1"}, 500)
	put := func(id uint64, place uint32) { m.s.Enqueue(0, packet(id, 0, place<<20, 0)) }
	flows := func(what, want string) {
		t.Helper()
		if got := m.q.DebugFlows(); got != want {
			t.Errorf("%s\n%s, want\n%s", what, got, want)
		}
	}
	put(0, 1)
	put(1, 1)
	put(2, 2)
	drain(m, 0, 2) // one of each
	flows("flow 1 in debt is old, flow 2 new and empty",
		"BE: station 0 tid 0 packets 1 deficit 256us\n  new: hash 2 deficit -700 packets 0\n  old: hash 1 deficit -400 packets 1\n")
	m.q.flows[2].Deficit = 1
	m.q.flows[1].Deficit = 1
	drain(m, 0, 1)
	flows("flow 2 is old", "BE: station 0 tid 0 packets 0 deficit 256us\n  old: hash 1 deficit -999 packets 0\n  old: hash 2 deficit 1 packets 0\n")
	for m.q.take(0, &m.q.queues[0]) != nil {
	}
	m.s.Held(0, 0, ac, false)
	put(3, 2)
	flows("flow 2 is back", "BE: station 0 tid 0 packets 1 deficit 256us\n  new: hash 2 deficit 300 packets 1\n")
	put(4, 1)
	put(5, 1)
	put(6, 2)
	put(7, 3)
	if ids := drain(m, 0, 9); fmt.Sprint(ids) != "[3 5 7 6]" || m.drops[pkt.Overlimit] != 1 {
		t.Errorf("packets %v and %d drops, want 3 5 7 6, 4 cut", ids, m.drops[pkt.Overlimit])
	}
}

// TestTIDs checks that each user priority has its queue, in the access category
// of table 10-1, and that a turn, hence an aggregate, has packets of only one.
func TestTIDs(t *testing.T) {
	m := newMedium(t, []string{"airtime"}, 500)
	for up, want := range []pkt.AC{pkt.ACBE, pkt.ACBK, pkt.ACBK, pkt.ACBE, pkt.ACVI, pkt.ACVI, pkt.ACVO, pkt.ACVO} {
		if got := m.q.queues[up].ac; got != want {
			t.Errorf("user priority %d is in %v, want %v", up, got, want)
		}
	}
	for id := range uint64(6) {
		m.s.Enqueue(0, packet(id, 0, uint32(id)<<24, uint8(id%2)*18<<2)) // CS0 and AF21, best effort
	}
	var turns [][]uint64
	for {
		station, ok := m.s.NextStation(0, ac)
		if !ok {
			break
		}
		var ids []uint64
		for p := m.s.DequeueFor(0, station, ac); p != nil; p = m.s.DequeueFor(0, station, ac) {
			ids = append(ids, p.ID)
		}
		turns = append(turns, ids)
		m.s.Held(0, station, ac, false)
	}
	if got := fmt.Sprint(turns); got != "[[1 3 5] [0 2 4]]" {
		t.Errorf("turns %s, want one for each identifier", got)
	}
	for _, other := range []pkt.AC{pkt.ACBK, pkt.ACVI, pkt.ACVO} {
		if s, ok := m.s.NextStation(0, other); ok {
			t.Errorf("station %d has a turn in %v", s, other)
		}
	}
}

// TestWeights checks where weights come from, and their line.
func TestWeights(t *testing.T) {
	byLink := func(i int) int { return []int{0, 512, 0}[i] }
	for _, c := range []struct {
		words string
		link  func(int) int
		want  []int
		line  string // what is said of them
	}{
		{"airtime", nil, []int{256, 256, 256}, "weight 256 "},
		{"airtime weight 100", nil, []int{100, 100, 100}, "weight 100 "},
		{"airtime weight 1 2", nil, []int{1, 2, 256}, "weight 1 2 "},
		{"airtime weight 1 2 4 keep 0", nil, []int{1, 2, 4}, "weight 1 2 4 keep 0us"},
		{"airtime", byLink, []int{256, 512, 256}, "weight 256 512 256 "},
		{"weight 3 airtime", byLink, []int{3, 3, 3}, "weight 3 "},
		{"", byLink, []int{256, 512, 256}, ""},
	} {
		q, err := newQdisc(strings.Fields(c.words), sched.Env{Stations: 3, Weight: c.link})
		if err != nil {
			t.Fatalf("%q: %v", c.words, err)
		}
		for i, w := range c.want {
			if got := q.stations[i].weight; got != time.Duration(w)*time.Microsecond {
				t.Errorf("%q: weight of station %d is %v, want %d us", c.words, i, got, w)
			}
		}
		if line := sched.Line(q); !strings.Contains(line, c.line) || c.line == "" && strings.Contains(line, "weight") {
			t.Errorf("%q prints as %q, want %q in it", c.words, line, c.line)
		}
	}
	for _, words := range []string{"airtime weight", "airtime weight 0", "airtime weight 256 65536", "airtime weight -1", "airtime weight x"} {
		if _, err := newQdisc(strings.Fields(words), sched.Env{}); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// TestTins checks what is told of each station.
func TestTins(t *testing.T) {
	m := newMedium(t, []string{"airtime", "weight", "256", "512"}, 500, 700)
	m.group = 2 * time.Millisecond
	m.send(0, 3)
	m.send(1, 1)
	m.send(link.Group, 1)
	for range 3 {
		m.step()
	}
	m.s.Used(m.now, 1, pkt.ACVO, 90*time.Microsecond, true)
	var got []string
	for _, tin := range m.q.Tins() {
		words := ""
		for _, f := range tin {
			if f.Num != 0 {
				words += fmt.Sprintf("%s %d ", f.Key, f.Num)
			}
		}
		got = append(got, words)
	}
	want := []string{
		"weight_us 256 backlog_bytes 2000 backlog_packets 2 sent_bytes 1000 sent_packets 1 new_flow_count 1 tx_airtime_us 500 ",
		"station 1 weight_us 512 sent_bytes 1000 sent_packets 1 new_flow_count 1 tx_airtime_us 700 rx_airtime_us 90 ",
		"station -1 weight_us 256 sent_bytes 1000 sent_packets 1 new_flow_count 1 tx_airtime_us 2000 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("tins\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
