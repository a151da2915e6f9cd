package cake

import "github.com/uqtool/uq/sim/pkt"

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	q.wake = pkt.Never
	polled := false
	for q.packets > 0 {
		if at, must := q.shaper.wait(now); must {
			q.wake = at
			q.overlimits++
			return nil
		}
		t := q.pick(now)
		if p := q.serve(now, t, &polled); p != nil {
			q.overflow.age()
			return p
		}
	}
	return nil
}

// pick chooses the tin to serve; the caller knows there are packets.
func (q *Qdisc) pick(now pkt.Time) *tin {
	if q.shaper.unlimited() {
		return q.pickRound()
	}
	return q.pickShaped(now)
}

// serve takes a packet from t, or retires one empty flow and returns nil. Once a
// call a decaying flow is looked at first.
func (q *Qdisc) serve(now pkt.Time, t *tin, polled *bool) *pkt.Packet {
	for {
		from := t.first(!*polled)
		*polled = true
		f := from.head
		if f.deficit <= 0 {
			q.refill(t, from, f)
			continue
		}
		p, again := q.take(now, t, f)
		if again {
			continue
		}
		if p == nil {
			q.retire(now, t, from, f)
		}
		return p
	}
}

// first is the list whose head is served next: the decaying flows if asked for,
// then those that just became active, then the rotation.
func (t *tin) first(decaying bool) *list {
	switch {
	case decaying && t.decaying.head != nil:
		return &t.decaying
	case t.fresh.head != nil:
		return &t.fresh
	case t.old.head != nil:
		return &t.old
	}
	return &t.decaying
}

// take asks f's control law for a packet to send; nil if f is empty. In ingress
// mode a drop has used up some of the link, so the flows are looked at again.
func (q *Qdisc) take(now pkt.Time, t *tin, f *flow) (p *pkt.Packet, again bool) {
	flows := 0
	if q.ingress {
		flows = t.bulk
	}
	for f.head != nil {
		p := q.remove(t, f)
		drop := f.vars.Judge(now, p, &t.par, flows, q.rng)
		if !drop || f.head == nil { // the last one is never dropped
			q.sent(now, t, f, p)
			return p, false
		}
		t.count.drops++
		if q.ingress {
			q.spend(now, t, f, p, true)
		}
		q.drop(now, p, pkt.AQM)
		if q.ingress {
			return nil, true
		}
	}
	return nil, false
}

// sent accounts for p, which leaves.
func (q *Qdisc) sent(now pkt.Time, t *tin, f *flow, p *pkt.Packet) {
	if f.vars.Marked {
		t.count.marks++
	}
	t.count.delay(uint64(p.Sojourn(now)))
	q.spend(now, t, f, p, false)
}

// spend charges p to its flow, its tin and the shaper.
func (q *Qdisc) spend(now pkt.Time, t *tin, f *flow, p *pkt.Packet, dropped bool) {
	n := q.overhead.charge(p)
	f.deficit -= n
	q.chargeClocks(now, t, n, dropped)
	if q.shaper.unlimited() {
		t.deficit -= n
	}
}

// chargeClocks moves the clocks of tin and shaper on by n bytes.
func (q *Qdisc) chargeClocks(now pkt.Time, t *tin, n int, dropped bool) {
	if q.shaper.unlimited() {
		return
	}
	t.clock.charge(now, n)
	q.shaper.charge(n, dropped)
}

// remove takes the oldest packet of f out of the queue and its accounts.
func (q *Qdisc) remove(t *tin, f *flow) *pkt.Packet {
	p := f.pop()
	q.forget(t, f, p)
	return p
}

// forget takes p, just cut from f, out of the accounts.
func (q *Qdisc) forget(t *tin, f *flow, p *pkt.Packet) {
	n := int(p.Len)
	t.packets--
	t.bytes -= n
	q.packets--
	q.bytes -= n
	q.memory -= p.TrueSize()
	q.overflow.changed(f)
}
