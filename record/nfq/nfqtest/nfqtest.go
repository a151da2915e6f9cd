// Package nfqtest is a queue without a kernel, for tests of loops that serve
// one: [Queue] has the methods of nfq.Queue, keeps packets until their
// verdict and remembers what it was told. It blocks on channels and timers
// only, so it can live in a testing/synctest bubble.
package nfqtest

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/uqtool/uq/record/nfq"
)

// Queue is the fake. All its methods may be called from any goroutine, but
// Receive and Send from one at a time, as with a real queue.
type Queue struct {
	// MaxLen is the most packets it holds; more are dropped and counted as
	// Full. 0 has no limit.
	MaxLen int
	// SendErr, when set, is what Send returns. Of an nfq.SendError the verdicts
	// that it says went do.
	SendErr error

	mu       sync.Mutex
	arrived  chan struct{} // has one token when something is there to receive
	waiting  []message     // not received yet
	held     map[uint32]bool
	given    []Given
	loss     nfq.Loss
	next     uint32
	full     uint64
	shutdown bool
	failure  error

	out     []nfq.Packet // what the last Receive returned
	outGone []nfq.Ref
}

// message is what waits in the socket: a packet, or the complaint that a verdict
// came too late. Complaints queue behind the packets.
type message struct {
	nfq.Packet
	gone bool
}

// Given is one verdict with the time it came.
type Given struct {
	nfq.Verdict
	At time.Time
}

// New returns an empty queue. Its packets get ids from 1.
func New() *Queue {
	return &Queue{arrived: make(chan struct{}, 1), held: map[uint32]bool{}, next: 1}
}

// Push lets packets arrive now and returns the id of the first. It sets ID, and
// Len where that is zero, and copies Payload.
func (q *Queue) Push(ps ...nfq.Packet) uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := q.next
	for _, p := range ps {
		if q.shutdown {
			break // the kernel lets them pass
		}
		if q.MaxLen > 0 && len(q.held) >= q.MaxLen {
			q.full++
			continue
		}
		p.ID = q.next
		q.next++
		p.Payload = slices.Clone(p.Payload)
		p.Len = max(p.Len, uint32(len(p.Payload)))
		q.held[p.ID] = true
		q.waiting = append(q.waiting, message{Packet: p})
	}
	q.signal()
	return first
}

// PushAfter lets packets arrive after a while.
func (q *Queue) PushAfter(d time.Duration, ps ...nfq.Packet) {
	time.AfterFunc(d, func() { q.Push(ps...) })
}

// Miss uses up n ids: packets that the kernel could not deliver, told by an
// ENOBUFS.
func (q *Queue) Miss(n uint32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next += n
	q.loss.Missing += uint64(n)
	q.loss.Overflows++
	q.signal()
}

// Flush makes the kernel forget every packet it holds; their verdicts will come
// too late. Those not received yet will be received all the same.
func (q *Queue) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.held)
}

// Fail ends the queue: Receive returns err once the packets are out.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failure = err
	q.signal()
}

// Given returns the verdicts so far.
func (q *Queue) Given() []Given {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.given)
}

// Held is how many packets have no verdict yet.
func (q *Queue) Held() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.held)
}

// KernelState is what nfq.ReadKernelState would say.
func (q *Queue) KernelState() (nfq.KernelState, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return nfq.KernelState{Waiting: uint32(len(q.held)), Full: q.full, LastID: q.next - 1}, nil
}

func (q *Queue) signal() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// Receive is that of nfq.Queue. It spoils the payloads it returned before, so
// that a loop which keeps one is found out.
func (q *Queue) Receive(timeout time.Duration) (nfq.Batch, error) {
	b, err := q.take()
	if err != nil || len(b.Packets) > 0 || b.Loss.Any() || timeout == 0 {
		return b, err
	}
	var expired <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-q.arrived:
	case <-expired:
	}
	return q.take()
}

func (q *Queue) take() (nfq.Batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.out {
		for j := range q.out[i].Payload {
			q.out[i].Payload[j] = 0xde
		}
	}
	n := min(len(q.waiting), nfq.BatchSize)
	q.out, q.outGone = q.out[:0], q.outGone[:0]
	for _, m := range q.waiting[:n] {
		if m.gone {
			q.outGone = append(q.outGone, nfq.Ref{Queue: m.Queue, ID: m.ID})
		} else {
			q.out = append(q.out, m.Packet)
		}
	}
	q.waiting = slices.Delete(q.waiting, 0, n)
	b := nfq.Batch{Packets: q.out, Gone: q.outGone, Loss: q.loss}
	b.Loss.Gone = uint64(len(q.outGone))
	q.loss = nfq.Loss{}
	if len(q.waiting) > 0 {
		q.signal()
		return b, nil
	}
	if n > 0 {
		return b, nil
	}
	if q.failure != nil {
		return b, q.failure
	}
	if q.shutdown {
		return b, io.EOF
	}
	return b, nil
}

// Send is that of nfq.Queue.
func (q *Queue) Send(vs []nfq.Verdict) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, v := range vs[:nfq.Sent(len(vs), q.SendErr)] {
		v.Payload = slices.Clone(v.Payload)
		q.given = append(q.given, Given{v, now})
		if !q.release(v) {
			q.waiting = append(q.waiting, message{nfq.Packet{ID: v.ID, Queue: v.Queue}, true})
			q.signal()
		}
	}
	return q.SendErr
}

// release drops what v decides from the held packets and reports whether there
// was any.
func (q *Queue) release(v nfq.Verdict) bool {
	if !v.UpTo {
		ok := q.held[v.ID]
		delete(q.held, v.ID)
		return ok
	}
	found := false
	for id := range q.held {
		if int32(id-v.ID) <= 0 {
			delete(q.held, id)
			found = true
		}
	}
	return found
}

// Shutdown is that of nfq.Queue.
func (q *Queue) Shutdown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shutdown = true
	q.signal()
}
