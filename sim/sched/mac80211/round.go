package mac80211

import (
	"math"
	"time"

	"github.com/uqtool/uq/sim/pkt"
)

// round is the queues of one access category that wait for their turn.
type round struct {
	head, tail *txq
	len        int
	// turn is the queue that NextStation has named; taken says that packets of it
	// were taken since.
	turn  *txq
	taken bool
}

func (r *round) pushFront(t *txq) {
	t.prev, t.next, t.listed = nil, r.head, true
	if r.head == nil {
		r.tail = t
	} else {
		r.head.prev = t
	}
	r.head = t
	r.len++
}

func (r *round) pushBack(t *txq) {
	t.prev, t.next, t.listed = r.tail, nil, true
	if r.tail == nil {
		r.head = t
	} else {
		r.tail.next = t
	}
	r.tail = t
	r.len++
}

func (r *round) remove(t *txq) {
	if t.prev == nil {
		r.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		r.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next, t.listed = nil, nil, false
	r.len--
}

// waiting says whether t has something to send, in its flows or in the link.
func (t *txq) waiting() bool { return t.packets > 0 || t.held() }

// held says whether the link has packets of t to send.
func (t *txq) held() bool { return t.acc.held && t.acc.serving == t }

// may says whether t can have a turn, given credit. What the link holds counts as
// pending, and would for ever if that kept it from being sent.
func (q *Qdisc) may(t *txq) bool {
	return !t.acc.blocked && (t.held() || t.packets > 0 && q.allowed(t))
}

// list puts t into its round if it is not there: in front if its station has a
// deficit, which will move it back should it be in debt.
func (q *Qdisc) list(t *txq) {
	if t.listed {
		return
	}
	if q.fair && !t.group() {
		q.rounds[t.ac].pushFront(t)
	} else {
		q.rounds[t.ac].pushBack(t)
	}
}

// finish ends the turn of the queue that has it.
func (q *Qdisc) finish(now pkt.Time, r *round) {
	t := r.turn
	r.turn, r.taken = nil, false
	switch {
	case t == nil || !t.listed:
	case !t.waiting():
		if !q.keeps(now, t) {
			r.remove(t)
		}
	case !q.fair || t.group():
		r.remove(t)
		r.pushBack(t)
	}
}

// next is the queue whose turn it is, or nil. Of those in front that may not go
// the debtors get their weight; with an entitled one somewhere this ends.
func (q *Qdisc) next(now pkt.Time, r *round) *txq {
	if t := r.head; t == nil || q.credit(t) >= 0 && q.may(t) {
		return t
	}
	if !q.any(r) {
		return nil
	}
	for {
		q.skip(now, r)
		for range r.len {
			t := r.head
			switch {
			case !t.waiting() && !q.keeps(now, t):
				r.remove(t)
				continue
			case q.credit(t) < 0:
				t.acc.deficit += t.sta.weight
			case q.may(t):
				return t
			}
			r.remove(t)
			r.pushBack(t)
		}
	}
}

// any says whether a queue of the round may go when it has the credit.
func (q *Qdisc) any(r *round) bool {
	for t := r.head; t != nil; t = t.next {
		if q.may(t) {
			return true
		}
	}
	return false
}

// skip goes through all but the last of the rounds in which everybody who may go
// is in debt, at once: a station can have used a thousand times its weight.
func (q *Qdisc) skip(now pkt.Time, r *round) {
	rounds := time.Duration(math.MaxInt64)
	for t := r.head; t != nil; t = t.next {
		if q.may(t) {
			rounds = min(rounds, q.debt(t)/2) // both of a station's queues add to its deficit
		}
	}
	if rounds <= 1 {
		return
	}
	for t := r.head; t != nil; t = t.next {
		if t.waiting() || q.keeps(now, t) {
			t.acc.deficit += min(rounds, q.debt(t)) * t.sta.weight
		}
	}
}

// debt is how many times t's weight it takes to give it credit.
func (q *Qdisc) debt(t *txq) time.Duration {
	c := q.credit(t)
	if c >= 0 {
		return 0
	}
	return (t.sta.weight - 1 - c) / t.sta.weight
}

// keeps says whether t, with nothing to send, stays in the round to pay its debt.
func (q *Qdisc) keeps(now pkt.Time, t *txq) bool {
	return q.keep > 0 && q.credit(t) < 0 && now.Sub(t.acc.active) <= q.keep
}

// credit is what t's station may use: its deficit, less what is pending.
func (q *Qdisc) credit(t *txq) time.Duration {
	if !q.fair || t.group() {
		return 0
	}
	return t.acc.deficit - t.acc.pending
}
