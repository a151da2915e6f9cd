package mac80211

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
)

// specs are the lines that random calls are made to.
var specs = []string{
	"", "airtime", "airtime aql", "aql limit 20", "airtime aql weight 100 3000 keep 1ms flows 4 memory_limit 30k",
	"airtime keep 0 slow limit 30 flows 2 drop_batch 1", "airtime aql aql_low 0 aql_high 1ms aql_multicast 1ms",
}

// calls plays random calls as any link may make them and checks after each that
// all is accounted for. It returns the decisions.
func calls(t *testing.T, spec string, rng *rand.Rand) string {
	m := newMedium(t, strings.Fields(spec), 300, 900, 5000)
	m.group = 3 * time.Millisecond
	var out strings.Builder
	inside, below := 0, []*pkt.Packet{}
	m.q.drop = func(_ pkt.Time, p *pkt.Packet, why pkt.Reason) {
		inside--
		fmt.Fprintf(&out, "drop %d %v\n", p.ID, why)
	}
	take := func(p *pkt.Packet) bool {
		if p != nil {
			inside--
			below = append(below, p)
			fmt.Fprintf(&out, "send %d\n", p.ID)
		}
		return p != nil
	}
	for id := range uint64(3000) {
		m.now = m.now.Add(time.Duration(rng.Int64N(1e6)))
		station, ac := rng.IntN(4)-1, pkt.AC(rng.IntN(pkt.NumACs))
		switch rng.IntN(12) {
		case 0, 1, 2, 3:
			inside++
			p := packet(id, station, rng.Uint32(), uint8(rng.Uint32()))
			p.Arrival, p.Len = m.now, uint32(rng.IntN(1500)+60)
			m.s.Enqueue(m.now, p)
		case 4, 5, 6:
			if s, ok := m.s.NextStation(m.now, ac); ok {
				fmt.Fprintf(&out, "turn %d\n", s)
				for range rng.IntN(4) {
					take(m.s.DequeueFor(m.now, s, ac))
				}
				m.s.Held(m.now, s, ac, rng.IntN(5) == 0)
			}
		case 7:
			take(m.s.DequeueFor(m.now, station, ac)) // unasked for
		case 8:
			m.s.Held(m.now, station, ac, rng.IntN(3) == 0)
		case 9:
			m.s.Used(m.now, station, ac, time.Duration(rng.Int64N(1<<rng.IntN(34)+1)), rng.IntN(2) == 0)
		case 10:
			take(m.q.Dequeue(m.now))
		case 11:
			for len(below) > 0 && rng.IntN(8) > 0 {
				m.q.Completed(m.now, below[0])
				below = below[1:]
			}
		}
		if packets, _ := m.q.Backlog(); packets != inside {
			t.Fatalf("%q: call %d: backlog %d packets, want %d", spec, id, packets, inside)
		}
		check(t, m.q)
	}
	for _, p := range below {
		m.q.Completed(m.now, p)
	}
	if m.q.pending != 0 {
		t.Errorf("%q: %v pending with nothing below", spec, m.q.pending)
	}
	for inside > 0 && take(m.q.Dequeue(m.now)) {
	}
	if inside != 0 {
		t.Errorf("%q: %d packets stay inside", spec, inside)
	}
	return out.String()
}

// check recounts what q counts.
func check(t *testing.T, q *Qdisc) {
	t.Helper()
	packets, bytes := 0, 0
	for i := range q.flows {
		fl := &q.flows[i]
		packets, bytes = packets+fl.q.Len(), bytes+fl.q.Bytes()
		if fl.q.Bytes() != q.backlogs[i] || fl.Listed() != (fl.owner != nil) && i < q.nflows || fl.q.Len() > 0 && !fl.Listed() {
			t.Fatalf("flow %d: %d bytes, backlog %d, listed %v, owner %v", i, fl.q.Bytes(), q.backlogs[i], fl.Listed(), fl.owner)
		}
	}
	if packets != q.packets || bytes != q.bytes {
		t.Fatalf("%d packets %d bytes in flows, counted %d and %d", packets, bytes, q.packets, q.bytes)
	}
	for i := range q.queues {
		tq := &q.queues[i]
		packets, bytes = packets-tq.packets, bytes-tq.bytes
		if tq.waiting() && !tq.listed {
			t.Fatalf("queue %d waits and is not in its round", i)
		}
	}
	if packets != 0 || bytes != 0 {
		t.Fatalf("queues have %d packets and %d bytes less than flows", packets, bytes)
	}
	for ac := range q.rounds {
		n, last := 0, (*txq)(nil)
		for tq := q.rounds[ac].head; tq != nil; tq = tq.next {
			if tq.prev != last || !tq.listed || tq.ac != pkt.AC(ac) {
				t.Fatalf("round %d is not well linked", ac)
			}
			n, last = n+1, tq
		}
		if n != q.rounds[ac].len || last != q.rounds[ac].tail {
			t.Fatalf("round %d has %d queues, counted %d", ac, n, q.rounds[ac].len)
		}
	}
}

// TestCalls plays random calls, each script twice.
func TestCalls(t *testing.T) {
	for _, spec := range specs {
		for seed := range uint64(4) {
			if a, b := calls(t, spec, rand.New(rand.NewPCG(seed, 9))), calls(t, spec, rand.New(rand.NewPCG(seed, 9))); a != b {
				t.Errorf("%q seed %d: two runs with the same calls differ", spec, seed)
			}
		}
	}
}

// TestAllocations checks that a packet costs no memory.
func TestAllocations(t *testing.T) {
	for _, spec := range specs {
		m := newMedium(t, strings.Fields(spec), 300, 900)
		packets := make([]*pkt.Packet, 8)
		for i := range packets {
			packets[i] = packet(uint64(i), i%2, uint32(i)<<28, 0)
		}
		if n := testing.AllocsPerRun(200, func() {
			for _, p := range packets {
				p.Arrival = m.now
				m.s.Enqueue(m.now, p)
			}
			for range packets {
				s, _ := m.s.NextStation(m.now, ac)
				p := m.s.DequeueFor(m.now, s, ac)
				m.s.Held(m.now, s, ac, false)
				m.now += 300000
				m.s.Used(m.now, s, ac, 300*time.Microsecond, false)
				if p != nil {
					m.q.Completed(m.now, p)
				}
			}
			for m.q.Dequeue(m.now) != nil {
			}
		}); n != 0 {
			t.Errorf("%q: %.1f allocations for 8 packets", spec, n)
		}
	}
}

// BenchmarkQdisc is the scheduler alone, serving three stations with aggregates of
// 16 packets, 60 or so queued for each.
func BenchmarkQdisc(b *testing.B) {
	for _, spec := range []string{"", "airtime", "airtime aql"} {
		b.Run("mac80211 "+spec, func(b *testing.B) {
			var pool pkt.Pool
			costs := []time.Duration{1400 * time.Microsecond, 1400 * time.Microsecond, 3500 * time.Microsecond}
			q, err := newQdisc(strings.Fields(spec), sched.Env{
				Seed: 1, Stations: 3, Station: func(p *pkt.Packet) int { return int(p.Flow.ID % 3) },
				Airtime: func(station, bytes int) time.Duration { return costs[station] * time.Duration(bytes) / (16 * 1514) },
				Drop:    func(_ pkt.Time, p *pkt.Packet, _ pkt.Reason) { pool.Put(p) },
			})
			if err != nil {
				b.Fatal(err)
			}
			flows := make([]*pkt.Flow, 42)
			for i := range flows {
				flows[i] = &pkt.Flow{ID: uint32(i), Hash: uint32(i) * 2654435761}
			}
			now, sent := pkt.Time(0), 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				p := pool.Get()
				p.ID, p.Arrival, p.Flow, p.Len, p.Segs, p.DSField = uint64(i), now, flows[i%len(flows)], 1514, 1, 0
				q.Enqueue(now, p)
				if q.packets < 180 {
					continue
				}
				for range 2 {
					s, ok := q.NextStation(now, ac)
					if !ok {
						break
					}
					for range 16 {
						p := q.DequeueFor(now, s, ac)
						if p == nil {
							break
						}
						q.Completed(now, p)
						pool.Put(p)
						sent++
					}
					q.Held(now, s, ac, false)
					now = now.Add(costs[s])
					q.Used(now, s, ac, costs[s], false)
				}
			}
			b.ReportMetric(float64(sent)/float64(b.N), "sent/op")
			b.ReportMetric(float64(b.N)/1e6/b.Elapsed().Seconds(), "Mpkt/s")
		})
	}
}
