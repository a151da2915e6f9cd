package cake

import (
	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched/cobalt"
)

// set says what a flow counts as.
type set uint8

const (
	// idle: on no list, its state at rest.
	idle set = iota
	// sparse: sends less than a quantum between its visits to the empty state;
	// served first.
	sparse
	// waiting: a sparse flow that ran empty with its quantum used up. It waits in
	// the bulk rotation but is counted as sparse; with its next packet it is bulk.
	waiting
	// bulk: always has packets; served round robin, and counts against its hosts.
	bulk
	// decaying: empty, its control law not yet at rest.
	decaying
)

// flow is one queue with its control law. What a turn in the round robin looks
// at comes first, in one cache line.
type flow struct {
	next, prev *flow // in one of the tin's lists
	head, tail *pkt.Packet
	bytes      int
	deficit    int
	carry      uint16 // of the last quantum, in 1/65536 byte
	src, dst   uint16 // slots of its hosts
	place      uint16 // in the overflow heap, plus 1; 0 for not in it
	number     uint16 // in order of tins and their queues
	set        set
	vars       cobalt.Vars
}

func (f *flow) push(p *pkt.Packet) {
	p.Next = nil
	if f.tail == nil {
		f.head = p
	} else {
		f.tail.Next = p
	}
	f.tail = p
	f.bytes += int(p.Len)
}

// pop removes the oldest packet, which there must be.
func (f *flow) pop() *pkt.Packet {
	p := f.head
	f.cut(nil, p)
	return p
}

// cut removes p, which comes after prev; prev is nil if p is the head.
func (f *flow) cut(prev, p *pkt.Packet) {
	if prev == nil {
		f.head = p.Next
	} else {
		prev.Next = p.Next
	}
	if f.tail == p {
		f.tail = prev
	}
	p.Next = nil
	f.bytes -= int(p.Len)
}

// list is a queue of flows.
type list struct{ head, tail *flow }

func (l *list) push(f *flow) {
	f.next, f.prev = nil, l.tail
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
}

func (l *list) remove(f *flow) {
	if f.prev == nil {
		l.head = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		l.tail = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.next, f.prev = nil, nil
}

// rotate moves the head to the tail: what a round robin does most.
func (l *list) rotate() {
	f, second := l.head, l.head.next
	if second == nil {
		return
	}
	l.head, second.prev = second, nil
	f.next, f.prev = nil, l.tail
	l.tail.next = f
	l.tail = f
}

// arrived updates what f is after a packet was queued to it.
func (q *Qdisc) arrived(t *tin, f *flow) {
	switch f.set {
	case decaying:
		t.decaying.remove(f)
		t.decay--
		q.begin(t, f)
	case idle:
		q.begin(t, f)
	case waiting:
		t.sparse--
		q.join(t, f)
	}
}

// begin lists f among the flows served first, with a quantum.
func (q *Qdisc) begin(t *tin, f *flow) {
	t.fresh.push(f)
	t.sparse++
	f.set = sparse
	f.deficit = q.quantumOf(t, f)
}

// join makes f a bulk flow, of which its hosts' other flows take notice.
func (q *Qdisc) join(t *tin, f *flow) {
	f.set = bulk
	t.bulk++
	q.countHosts(t, f, 1)
}

// leave undoes join or, for a sparse flow, begin's count.
func (q *Qdisc) leave(t *tin, f *flow) {
	switch f.set {
	case bulk:
		t.bulk--
		q.countHosts(t, f, -1)
	case sparse, waiting:
		t.sparse--
	case decaying:
		t.decay--
	}
}

// refill gives f, whose quantum is used up, another one and sends it to the end
// of the round.
func (q *Qdisc) refill(t *tin, from *list, f *flow) {
	if f.set == sparse {
		if f.head != nil {
			t.sparse--
			q.join(t, f)
		} else {
			f.set = waiting
		}
	}
	f.deficit += q.quantumOf(t, f)
	if from == &t.old {
		t.old.rotate()
		return
	}
	from.remove(f)
	t.old.push(f)
}

// retire takes f, found empty, out of the rotation; into the decaying flows
// while its control law remembers something.
func (q *Qdisc) retire(now pkt.Time, t *tin, from *list, f *flow) {
	if f.vars.Empty(now, &t.par) {
		t.count.unresponsive--
	}
	from.remove(f)
	q.leave(t, f)
	f.set = idle
	if !f.vars.Rests(now) {
		f.set = decaying
		t.decaying.push(f)
		t.decay++
	}
}
