// Package fq is the order in which flow-queueing schedulers serve their flows:
// deficit round robin by bytes (Shreedhar and Varghese, SIGCOMM 1995), flows that
// just became active first (RFC 8290 §4.2, with Linux's rules).
//
//	Add ──► new flows ──► served first, one quantum each
//	            │
//	            └───────► old flows ──► in turn, a quantum a round
//
// What a flow holds and how packets leave it is its scheduler's business.
package fq

// Flow is a flow's place in the rounds; a scheduler's own flow embeds it. The
// zero value is on no list.
type Flow struct {
	// Deficit is what the flow may still send before its turn ends, in bytes; at
	// 0 or less it has had its turn.
	Deficit int
	// Index is the scheduler's number of the flow.
	Index int

	next   *Flow
	listed bool
}

// Listed says whether the flow is among the new or the old ones.
func (f *Flow) Listed() bool { return f.listed }

// Rounds are a scheduler's lists. The zero value is empty.
type Rounds struct {
	New, Old List
}

// Add puts a flow that has just been given a packet behind the new flows, with a
// quantum to send, unless it is listed already. It says whether it did.
func (r *Rounds) Add(f *Flow, quantum int) bool {
	if f.listed {
		return false
	}
	f.Deficit = quantum
	r.New.push(f)
	return true
}

// Next is the flow whose turn it is, nil if none is listed. Flows that have had
// their turn get another quantum, more than 0, and go behind the old ones.
func (r *Rounds) Next(quantum int) *Flow {
	for {
		from := r.first()
		f := from.head
		if f == nil || f.Deficit > 0 {
			return f
		}
		f.Deficit += quantum
		from.pop()
		r.Old.push(f)
	}
}

// Retire takes the flow that Next named off its list, because it turned out
// empty, and says whether it is on none now. One that was new must pass once
// through the old flows, or it could return as new at once and starve them.
func (r *Rounds) Retire() (gone bool) {
	from := r.first()
	f := from.head
	from.pop()
	if from == &r.New && r.Old.head != nil {
		r.Old.push(f)
		return false
	}
	return true
}

// first is the list that is served now.
func (r *Rounds) first() *List {
	if r.New.head != nil {
		return &r.New
	}
	return &r.Old
}

// List is a queue of flows.
type List struct {
	head, tail *Flow
	len        int
}

// Len is how many flows are on the list.
func (l *List) Len() int { return l.len }

// Each calls f for every flow of the list, in order. f must not change it.
func (l *List) Each(f func(*Flow)) {
	for fl := l.head; fl != nil; fl = fl.next {
		f(fl)
	}
}

func (l *List) push(f *Flow) {
	f.next, f.listed = nil, true
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
	l.len++
}

func (l *List) pop() {
	f := l.head
	if l.head = f.next; l.head == nil {
		l.tail = nil
	}
	f.next, f.listed = nil, false
	l.len--
}
