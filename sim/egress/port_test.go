package egress

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// log is a Sink that keeps lines.
type log []string

func (l *log) Event(e Event) {
	s := fmt.Sprintf("%d %s %d", e.Time, e.Kind, e.Packet.ID)
	if e.Reason != pkt.NoReason {
		s += " " + e.Reason.String()
	}
	*l = append(*l, s)
}

// queue is the plainest scheduler, counting the questions it is asked.
type queue struct {
	pkt.FIFO
	asked int
	hold  pkt.Time // as a Waiter: nothing before this time
}

func (q *queue) Enqueue(_ pkt.Time, p *pkt.Packet) { q.Push(p) }
func (q *queue) Dequeue(now pkt.Time) *pkt.Packet {
	q.asked++
	if now < q.hold {
		return nil
	}
	return q.Pop()
}
func (q *queue) Backlog() (int, int) { return q.Len(), q.Bytes() }

// shaper is a queue that says when it will have something.
type shaper struct{ queue }

func (s *shaper) NextWake() pkt.Time {
	if s.Len() == 0 {
		return pkt.Never
	}
	return s.hold
}

func newPort(t *testing.T, s sched.Scheduler, l link.Link) (*Port, *log, *pkt.Pool) {
	t.Helper()
	events, pool := &log{}, &pkt.Pool{}
	p, err := New(func(sched.DropFunc) (sched.Scheduler, error) { return s, nil }, l, events, pool)
	if err != nil {
		t.Fatal(err)
	}
	return p, events, pool
}

func send(p *Port, pool *pkt.Pool, at pkt.Time, id uint64) {
	q := pool.Get()
	q.ID, q.Arrival, q.Len, q.Segs, q.Flow = id, at, 1, 1, &pkt.Flow{}
	p.Enqueue(at, q)
}

func want(t *testing.T, got *log, lines string) {
	t.Helper()
	w := strings.Split(strings.ReplaceAll(strings.TrimSpace(lines), "\t", ""), "\n")
	if !slices.Equal(*got, w) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(*got, "\n"), strings.Join(w, "\n"))
	}
}

// A byte at 8 Gbit/s takes one nanosecond, so times below are small numbers.
const gbyte = 8e9

// TestTies checks the order at one instant: delivery, then the link's next
// opportunity, then arrivals in their order.
func TestTies(t *testing.T) {
	p, events, pool := newPort(t, &queue{}, &link.Rate{BitsPerSec: gbyte})
	send(p, pool, 5, 0)
	send(p, pool, 5, 1)
	send(p, pool, 6, 2)
	p.Drain()
	want(t, events, `5 enqueue 0
		5 dequeue 0
		5 enqueue 1
		6 deliver 0
		6 dequeue 1
		6 enqueue 2
		7 deliver 1
		7 dequeue 2
		8 deliver 2`)
	if pool.Out() != 0 {
		t.Errorf("%d packets not returned", pool.Out())
	}
}

// TestLateDriver checks that a driver that wakes late sees the same events.
func TestLateDriver(t *testing.T) {
	var runs [2]*log
	for i, step := range []pkt.Time{1, 1000} {
		p, events, pool := newPort(t, &queue{}, &link.Rate{BitsPerSec: gbyte, Delay: 3})
		for id := range uint64(5) {
			send(p, pool, 2, id)
		}
		for now := pkt.Time(2); now < 1000; now += step {
			p.Advance(now)
		}
		p.Advance(2000)
		runs[i] = events
	}
	if !slices.Equal(*runs[0], *runs[1]) {
		t.Errorf("prompt\n%v\nlate\n%v", *runs[0], *runs[1])
	}
}

// TestAskedWhenFree checks that the scheduler is asked once when the link falls
// free, even if nothing is queued.
func TestAskedWhenFree(t *testing.T) {
	q := &queue{}
	p, _, pool := newPort(t, q, &link.Rate{BitsPerSec: gbyte})
	send(p, pool, 0, 0)
	if q.asked != 1 {
		t.Fatalf("asked %d times on arrival, want 1", q.asked)
	}
	p.Advance(100)
	if q.asked != 2 {
		t.Errorf("asked %d times in all, want 2", q.asked)
	}
	if p.Next() != pkt.Never {
		t.Errorf("idle port is due at %v", p.Next())
	}
}

func TestWaiter(t *testing.T) {
	s := &shaper{}
	s.hold = 50
	p, events, pool := newPort(t, s, &link.Rate{BitsPerSec: gbyte})
	send(p, pool, 10, 0)
	if p.Next() != 50 {
		t.Fatalf("due at %v, want 50", p.Next())
	}
	p.Advance(1000)
	want(t, events, `10 enqueue 0
		50 dequeue 0
		51 deliver 0`)
}

func TestUnlimited(t *testing.T) {
	p, events, pool := newPort(t, &queue{}, &link.Unlimited{})
	send(p, pool, 1, 0)
	send(p, pool, 1, 1)
	want(t, events, `1 enqueue 0
		1 dequeue 0
		1 deliver 0
		1 enqueue 1
		1 dequeue 1
		1 deliver 1`)
}

// aggregate is a link in the manner of a wireless medium: it contends for 10,
// then takes up to three packets at once; the second of them is lost.
type aggregate struct{ contended bool }

func (a *aggregate) Kind() string        { return "aggregate" }
func (a *aggregate) Options() []tc.Field { return nil }
func (a *aggregate) Transmit(now pkt.Time, src link.Source, out link.Outcome) (pkt.Time, bool) {
	if a.contended = !a.contended; a.contended {
		return now + 10, true
	}
	n := 0
	for ; n < 3; n++ {
		p := src.Take(now)
		if p == nil {
			break
		}
		if n == 1 {
			out.Lose(now+20, p)
		} else {
			out.Deliver(now+20-pkt.Time(n), p) // later ones arrive first
		}
	}
	return now + 20, n > 0
}

// TestOpportunities checks that a link may be busy without a packet, take
// several, lose some and deliver out of order.
func TestOpportunities(t *testing.T) {
	p, events, pool := newPort(t, &queue{}, &aggregate{})
	for id := range uint64(3) {
		send(p, pool, 0, id)
	}
	p.Advance(100)
	want(t, events, `0 enqueue 0
		0 enqueue 1
		0 enqueue 2
		10 dequeue 0
		10 dequeue 1
		10 dequeue 2
		28 deliver 2
		30 deliver 0
		30 drop 1 link_loss`)
}

func TestTimeRunsBack(t *testing.T) {
	p, _, _ := newPort(t, &queue{}, &link.Unlimited{})
	p.Advance(10)
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "runs back") {
			t.Errorf("recovered %v", r)
		}
	}()
	p.Advance(9)
}

// TestDigest pins the digest's bytes: a change here breaks every recorded one.
func TestDigest(t *testing.T) {
	d := NewDigest()
	for i := range uint64(1000) {
		q := &pkt.Packet{ID: i, DSField: uint8(i & 3), Len: 1500, Flow: &pkt.Flow{Hash: uint32(i % 7)}}
		d.Event(Event{Time: pkt.Time(i * 1e6), Kind: Enqueue, Packet: q})
		d.Event(Event{Time: pkt.Time(i * 1e6), Kind: Dequeue, Packet: q})
		d.Event(Event{Time: pkt.Time(i*1e6 + 5), Kind: Drop, Reason: pkt.AQM, Packet: q})
	}
	const golden = "xxh64:77f0667257825e7b"
	if d.String() != golden {
		t.Errorf("digest %s, want %s", d, golden)
	}
}
