package netns

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/thread"
)

// delayLine holds every packet of a queue for the same time: in order, each
// due at its receipt plus the delay, whatever happened to the others.
type delayLine struct {
	q     *nfq.Queue
	delay time.Duration
	// held is a ring of packets not yet due, oldest at head.
	held  []heldPacket
	head  int
	n     int
	stats Delayed
	done  chan error
}

type heldPacket struct {
	id  uint32
	due time.Time
}

// delayMaxLen bounds how many packets the line holds: about a second of small
// packets at line rate. Beyond it the kernel drops.
const delayMaxLen = 1 << 17

// startDelayLine binds the queue and begins to delay what comes.
func startDelayLine(queue uint16, delay time.Duration) (*delayLine, error) {
	q, err := nfq.Open(nfq.Config{Queue: queue, CopyRange: 1, MaxLen: delayMaxLen, GSO: true})
	if err != nil {
		return nil, fmt.Errorf("start delay line: %w", err)
	}
	d := &delayLine{q: q, delay: delay, held: make([]heldPacket, 1024), done: make(chan error, 1)}
	go func() {
		defer thread.Reserve()()
		// A thread of its own wakes up when the kernel's timer says so.
		runtime.LockOSThread()
		// The kernel may otherwise add 50 µs to every wait to save energy.
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
		d.done <- d.run()
	}()
	return d, nil
}

func (d *delayLine) run() error {
	for {
		b, err := d.q.Receive(d.wait(time.Now()))
		now := time.Now()
		for i := range b.Packets {
			d.push(heldPacket{b.Packets[i].ID, now.Add(d.delay)})
		}
		d.stats.Lost += b.Loss.Missing
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = d.release(time.Now())
		}
		if err != nil {
			return fmt.Errorf("delay line: %w", err)
		}
	}
}

// wait is how long nothing is due.
func (d *delayLine) wait(now time.Time) time.Duration {
	if d.n == 0 {
		return nfq.Forever
	}
	return max(d.held[d.head].due.Sub(now), 0)
}

func (d *delayLine) push(p heldPacket) {
	if d.n == len(d.held) {
		wider := make([]heldPacket, 2*len(d.held))
		k := copy(wider, d.held[d.head:])
		copy(wider[k:], d.held[:d.head])
		d.held, d.head = wider, 0
	}
	d.held[(d.head+d.n)%len(d.held)] = p
	d.n++
	d.stats.Packets++
}

// release accepts what is due. One verdict lets all up to the last of them go,
// since the line keeps the order.
func (d *delayLine) release(now time.Time) error {
	var last heldPacket
	due := 0
	for d.n > 0 && !d.held[d.head].due.After(now) {
		last = d.held[d.head]
		d.stats.MaxLate = max(d.stats.MaxLate, now.Sub(last.due))
		d.head = (d.head + 1) % len(d.held)
		d.n--
		due++
	}
	if due == 0 {
		return nil
	}
	return d.q.Send([]nfq.Verdict{{ID: last.id, Action: nfq.Accept, UpTo: true}})
}

// stop ends the line and returns its account. What it still holds is dropped.
func (d *delayLine) stop() (*Delayed, error) {
	d.q.Shutdown()
	err := <-d.done
	return &d.stats, errors.Join(err, d.q.Close())
}
