package nfq

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Queue is an open NFQUEUE. Its methods belong to one goroutine, except
// Shutdown.
type Queue struct {
	num    uint16
	sock   *socket
	in     inbox
	plain  []plainVerdict // of each queue from num on
	out    []byte         // verdict messages under construction
	rcvbuf int
	seq    uint32
	// What arrived before the kernel's answer to the configuration.
	early     []Packet
	earlyLoss Loss

	stop     atomic.Bool
	stopping bool // the kernel feeds no more

	mu   sync.Mutex // between Shutdown and Close
	wake int        // eventfd, or -1
}

// Open binds the queue. Packets arrive from the moment it returns, or before.
// The error is one sentence that says what to do; see ErrBusy, ErrPermission
// and ErrUnsupported.
func Open(c Config) (*Queue, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	s, err := newSocket(c)
	if err != nil {
		return nil, err
	}
	q := &Queue{num: c.Queue, sock: s, wake: -1, in: newInbox(c.Queue, c.Queues)}
	q.rcvbuf = s.setRcvBuf(c.RcvBuf)
	if q.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("open queue %d: create eventfd: %w", c.Queue, err)
	}
	for i := range c.Queues {
		one := c
		one.Queue += uint16(i)
		q.plain = append(q.plain, newPlainVerdict(one.Queue))
		if err := q.bind(one); err != nil {
			_ = q.Close()
			return nil, err
		}
	}
	return q, nil
}

func (c Config) check() error {
	switch {
	case c.Queues < 1 || int(c.Queue)+c.Queues > 1<<16:
		return fmt.Errorf("open queue %d: %d queues: want 1..%d, so that the last number is at most 65535", c.Queue, c.Queues, 1<<16-int(c.Queue))
	case c.CopyRange < 1 || c.CopyRange > MaxCopyRange:
		return fmt.Errorf("open queue %d: copy range %d: want 1..%d bytes", c.Queue, c.CopyRange, MaxCopyRange)
	case c.MaxLen < 1 || c.MaxLen > 1<<30:
		return fmt.Errorf("open queue %d: maxlen %d: want 1..%d packets", c.Queue, c.MaxLen, 1<<30)
	case c.RcvBuf < 1 || c.RcvBuf > 1<<30:
		return fmt.Errorf("open queue %d: receive buffer %d: want 1..%d bytes", c.Queue, c.RcvBuf, 1<<30)
	case c.BusyPoll > MaxBusyPoll:
		return fmt.Errorf("open queue %d: busy poll %v: want at most %v", c.Queue, c.BusyPoll, MaxBusyPoll)
	}
	return nil
}

// RcvBuf is the receive buffer that the kernel granted, in bytes of its own
// accounting: a message costs about twice its size.
func (q *Queue) RcvBuf() int { return q.rcvbuf }

// Receive returns the packets that are waiting, or waits up to timeout for
// some (0 does not wait, Forever has no limit). It may return early with an
// empty batch. After Shutdown it returns what is left and then io.EOF, possibly
// with a last Loss. Other errors are the end of the queue.
func (q *Queue) Receive(timeout time.Duration) (Batch, error) {
	q.in.reset()
	if len(q.early) > 0 || q.earlyLoss.Any() {
		return q.takeEarly(), nil
	}
	q.sock.begin(timeout)
	for nap := false; ; {
		if q.stop.Load() && !q.stopping {
			q.stopFeed()
		}
		n, err := 0, unix.EAGAIN
		switch {
		case nap && !q.stopping:
			n, err = q.sock.recvAsleep()
		case q.stopping || !q.sock.waitsFirst():
			n, err = q.sock.recv()
		}
		nap = false
		switch err {
		case 0:
			q.sock.each(n, &q.in)
			if !q.in.empty() {
				q.sock.arrived()
				return q.batch(), nil
			}
			continue
		case unix.ENOBUFS:
			q.in.loss.Overflows++
			return q.batch(), nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
		default:
			return q.batch(), fmt.Errorf("receive from queue %d: %w", q.num, err)
		}
		if q.stopping {
			return q.batch(), io.EOF
		}
		if q.sock.over() {
			return q.batch(), nil
		}
		var werr error
		if nap, werr = q.sock.wait(q.sock.fd, q.wake); werr != nil {
			return q.batch(), fmt.Errorf("wait for queue %d: %w", q.num, werr)
		}
	}
}

func (q *Queue) batch() Batch {
	return Batch{Packets: q.in.packets, Gone: q.in.gone, Loss: q.in.loss}
}

// takeEarly returns a batch of the packets that arrived while binding.
func (q *Queue) takeEarly() Batch {
	n := min(len(q.early), BatchSize)
	b := Batch{Packets: q.early[:n], Loss: q.earlyLoss}
	q.earlyLoss = Loss{}
	if q.early = q.early[n:]; len(q.early) == 0 {
		q.early = nil
	}
	return b
}

// stopFeed makes the kernel accept new packets without queueing them, so that
// none is lost between the last Receive and Close. Where that fails the queue
// just ends a little less gently.
func (q *Queue) stopFeed() {
	for i := range q.plain {
		q.seq++
		_ = q.sock.send(appendStopFeed(nil, q.num+uint16(i), q.seq))
	}
	q.stopping = true
}

// Send gives verdicts, in order, in as few calls as possible. That a packet no
// longer exists is not an error here: a later Receive reports it. Any error is a
// *SendError.
func (q *Queue) Send(vs []Verdict) error {
	q.out = q.out[:0]
	sent := 0
	for i := range vs {
		err := q.append(&vs[i])
		if err == nil && len(q.out) >= sendChunk {
			if err = q.flush(); err == nil {
				sent = i + 1
			}
		}
		if err != nil {
			return &SendError{sent, err}
		}
	}
	if err := q.flush(); err != nil {
		return &SendError{sent, err}
	}
	return nil
}

// append puts a verdict among what the next flush sends.
func (q *Queue) append(v *Verdict) (err error) {
	n := 0
	if len(q.plain) > 1 {
		if n = int(v.Queue - q.num); n >= len(q.plain) {
			return fmt.Errorf("send verdict for packet %d of queue %d: only queues %d to %d are bound", v.ID, v.Queue, q.num, int(q.num)+len(q.plain)-1)
		}
	}
	q.out, err = q.plain[n].append(q.out, q.num+uint16(n), v)
	return err
}

// sendChunk keeps one write well below a socket's default send buffer.
const sendChunk = 64 << 10

func (q *Queue) flush() error {
	if len(q.out) == 0 {
		return nil
	}
	if err := q.sock.send(q.out); err != nil {
		return fmt.Errorf("send verdicts to queue %d: %w", q.num, err)
	}
	q.out = q.out[:0]
	return nil
}

// Shutdown asks for the end: the kernel accepts new packets by itself, Receive
// returns those already queued and then io.EOF. It may be called from any
// goroutine, at any time and any number of times.
func (q *Queue) Shutdown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stop.Swap(true) || q.wake < 0 {
		return
	}
	one := [8]byte{1, 1, 1, 1, 1, 1, 1, 1} // any value but zero, in either byte order
	_, _ = unix.Write(q.wake, one[:])
}

// Close unbinds the queue. The kernel drops the packets that have no verdict
// yet. It must not be called while Receive or Send runs.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.sock.close()
	if q.wake >= 0 {
		_ = unix.Close(q.wake)
		q.wake = -1
	}
	if err != nil {
		return fmt.Errorf("close queue %d: %w", q.num, err)
	}
	return nil
}
