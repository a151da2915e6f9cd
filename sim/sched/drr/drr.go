// Package drr is tc's drr: Deficit Round Robin (Shreedhar and Varghese,
// "Efficient Fair Queuing Using Deficit Round Robin", SIGCOMM 1995) over classes
// that each have a scheduler of their own.
//
//	                              deficit += quantum when it is too small
//	        flow hash             ┌──────────────────────────┐
//	packet ──────────► class ──►  └► active classes in turn ─┴──► send while
//	                                                             len <= deficit
//
//	drr [classes NUMBER] [quantum BYTES] [QDISC] [QDISC] ..
//
// In tc, drr has no classes of its own and drops what no filter sends to one.
// Here it has classes of them (1024), and a packet goes to one by its flow's hash:
// the setup of tc-drr(8)'s example,
//
//	tc class add .. classid 1:1 drr quantum BYTES   (and so on for each)
//	tc filter add .. flow hash keys src,dst,proto,proto-src,proto-dst divisor NUMBER baseclass 1:1
//
// The i-th qdisc in brackets serves class i, the last one all classes from its
// own on; without any, each class has a pfifo of 1000 packets, as in Linux.
//
// While two classes are busy, what they send differs by less than a quantum and a
// packet of the largest size, however long.
//
// # Differences from Linux
//
//   - Classes are there from the start, with one quantum for all, as above.
//   - The hash is the flow's, keyed by the run's seed.
//   - A class whose scheduler drops its last packets while it is asked leaves the
//     round, and the next one is served.
//
// As in Linux, a class that holds its packets back (a tbf inside) holds back the
// others too while its turn lasts, and an empty class is not asked: a codel or red
// inside does not see that its queue ran empty.
package drr

import (
	"fmt"

	"github.com/uqtool/uq/sim/pkt"
	"github.com/uqtool/uq/sim/sched"
	"github.com/uqtool/uq/sim/tc"
)

// MaxClasses bounds classes; defaultClasses is the divisor of tc-drr(8)'s
// example.
const MaxClasses, defaultClasses = 4096, 1024

// txqueuelen is the default class's limit, in packets.
const txqueuelen = 1000

// Qdisc is a drr.
type Qdisc struct {
	nclasses int
	quantum  int // bytes
	brackets int

	env            sched.Env // makes the classes' schedulers
	classes        []class
	head, tail     *class // of the active ones
	waits          *class // holds back what it has
	packets, bytes int
	drop           sched.DropFunc
}

// class is one queue in the round. Its scheduler is made when the first packet
// comes, unless it stands in brackets.
type class struct {
	child   sched.Head
	deficit int
	active  bool
	next    *class
}

var (
	_ sched.Scheduler = (*Qdisc)(nil)
	_ sched.Waiter    = (*Qdisc)(nil)
	_ sched.Classful  = (*Qdisc)(nil)
	_ sched.Describer = (*Qdisc)(nil)
)

// New parses the words after "drr". The MTU is the default quantum.
func New(words []string, env sched.Env) (sched.Scheduler, error) {
	q := &Qdisc{nclasses: defaultClasses, quantum: env.MTU, brackets: env.Children(), drop: env.Drop}
	if err := q.options().Parse("drr", words); err != nil {
		return nil, err
	}
	if q.brackets > q.nclasses {
		return nil, fmt.Errorf("drr: %d qdiscs for %d classes: raise classes to %d", q.brackets, q.nclasses, q.brackets)
	}
	q.env, q.classes = env, make([]class, q.nclasses)
	for i := range q.brackets {
		if err := q.fill(i); err != nil {
			return nil, fmt.Errorf("drr: class 1:%x: %w", i+1, err)
		}
	}
	return q, nil
}

// fill makes the scheduler of class i.
func (q *Qdisc) fill(i int) error {
	s, err := q.env.ChildFrom(i, min(i, q.brackets-1), "pfifo", q.childDrop)
	if err == nil {
		q.classes[i].child = sched.NewHead(s)
	}
	return err
}

func (q *Qdisc) options() tc.Options {
	return tc.Options{
		tc.Count("classes", &q.nclasses, 1, MaxClasses, "", "classes that flows are hashed to (1024)"),
		tc.Size("quantum", &q.quantum, 1, 1<<31-1, "bytes a class may send per round (device MTU, 1514)"),
	}
}

// Enqueue implements sched.Scheduler.
func (q *Qdisc) Enqueue(now pkt.Time, p *pkt.Packet) {
	i := int(uint64(p.Flow.Hash) * uint64(q.nclasses) >> 32)
	c := &q.classes[i]
	if c.child.Scheduler == nil {
		if err := q.fill(i); err != nil {
			panic("drr: the words were good for another class: " + err.Error())
		}
	}
	q.packets++
	q.bytes += int(p.Len)
	c.child.Enqueue(now, p)
	if n, _ := c.child.Backlog(); n > 0 && !c.active {
		c.deficit = q.quantum
		q.push(c)
	}
}

// childDrop keeps the account of what the classes give up.
func (q *Qdisc) childDrop(now pkt.Time, p *pkt.Packet, why pkt.Reason) {
	q.packets--
	q.bytes -= int(p.Len)
	q.drop(now, p, why)
}

// Dequeue implements sched.Scheduler.
func (q *Qdisc) Dequeue(now pkt.Time) *pkt.Packet {
	q.waits = nil
	for q.head != nil {
		c := q.head
		p := c.child.Peek(now)
		if p == nil {
			if n, _ := c.child.Backlog(); n > 0 {
				q.waits = c
				return nil
			}
			q.pop()
			continue
		}
		if int(p.Len) > c.deficit {
			c.deficit += q.quantum
			q.pop()
			q.push(c)
			continue
		}
		c.deficit -= int(p.Len)
		p = c.child.Dequeue(now)
		if n, _ := c.child.Backlog(); n == 0 {
			q.pop()
		}
		q.packets--
		q.bytes -= int(p.Len)
		return p
	}
	return nil
}

// push appends c to the active classes, pop removes the first.
func (q *Qdisc) push(c *class) {
	c.active, c.next = true, nil
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
}

func (q *Qdisc) pop() {
	c := q.head
	q.head = c.next
	if q.head == nil {
		q.tail = nil
	}
	c.active, c.next = false, nil
}

// NextWake implements sched.Waiter: when the class whose turn it is has a packet.
func (q *Qdisc) NextWake() pkt.Time {
	if q.waits == nil {
		return pkt.Never
	}
	return q.waits.child.NextWake()
}

// Backlog implements sched.Scheduler.
func (q *Qdisc) Backlog() (packets, bytes int) { return q.packets, q.bytes }

// Room implements sched.Roomy: the classes' together, if each has an end; a class
// without packets yet counts as the last in brackets, or as a pfifo.
func (q *Qdisc) Room(smallest int) (n int) {
	room := txqueuelen
	for i := range q.classes {
		if i < q.brackets {
			room = q.classes[i].child.Room(smallest)
		}
		if room == 0 {
			return 0
		}
		n += room
	}
	return n
}

// Kind implements sched.Describer.
func (q *Qdisc) Kind() string { return "drr" }

// Options implements sched.Describer.
func (q *Qdisc) Options() []tc.Field { return q.options().Fields() }

// Stats implements sched.Describer: they are the classes'.
func (q *Qdisc) Stats() []tc.Field { return nil }

// Inside implements sched.Classful: the classes in brackets and those that ever
// had a packet.
func (q *Qdisc) Inside() []sched.Inner {
	var in []sched.Inner
	for i := range q.classes {
		if c := &q.classes[i]; c.child.Scheduler != nil {
			deficit := 0 // tc's, while nothing is queued
			if c.active {
				deficit = c.deficit
			}
			in = append(in, sched.Inner{
				ID: fmt.Sprintf("1:%x", i+1), Scheduler: c.child.Scheduler, Implied: i >= q.brackets,
				Stats: append(c.child.Sent(), tc.Field{Key: "deficit", Num: int64(deficit), Text: tc.FormatSize(uint64(deficit))}),
			})
		}
	}
	return in
}

// DebugFlows prints the active classes in the order of their turns: the state
// scripted tests look at.
func (q *Qdisc) DebugFlows() string {
	s := ""
	for c := q.head; c != nil; c = c.next {
		n, _ := c.child.Backlog()
		s += fmt.Sprintf("deficit %d packets %d\n", c.deficit, n)
	}
	return s
}
