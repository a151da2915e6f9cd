package doctor

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uqtool/uq/record"
	"github.com/uqtool/uq/record/nfq"
	"github.com/uqtool/uq/record/nft"
	"github.com/uqtool/uq/replay"
)

// tryClock times the clock of the recorder. The least of several runs is the
// one that nothing disturbed.
func tryClock() Clock {
	const runs, readings = 5, 20_000
	c := record.StartClock()
	best := time.Duration(0)
	for range runs {
		start := time.Now()
		for range readings {
			_ = c.Now()
		}
		if d := time.Since(start); best == 0 || d < best {
			best = d
		}
	}
	return Clock{ReadNs: int(best / readings)}
}

const (
	// wakes of each timer, so far apart.
	wakes     = 200
	wakeEvery = time.Millisecond
	// spinBefore is when the hybrid timer stops sleeping; see package replay.
	spinBefore = 100 * time.Microsecond
)

// tryTimers measures how late each timer wakes up, prepared as in a replay.
func tryTimers() ([]Timer, error) {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("set timer slack: %w", err)
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20) // where permitted
	var ts []Timer
	for _, name := range []replay.Timer{replay.Sleep, replay.Hybrid, replay.Spin} {
		late := make([]int64, 0, wakes)
		due := time.Now()
		for range wakes {
			due = due.Add(wakeEvery)
			if err := waitUntil(due, name); err != nil {
				return nil, err
			}
			now := time.Now()
			late = append(late, int64(now.Sub(due)))
			due = now
		}
		slices.Sort(late)
		ts = append(ts, Timer{Name: string(name), Wakes: wakes, P50Ns: late[wakes/2], P99Ns: late[wakes*99/100], MaxNs: late[wakes-1]})
	}
	return ts, nil
}

// waitUntil waits as the live loop does: in ppoll, and polling.
func waitUntil(due time.Time, t replay.Timer) error {
	sleep := time.Until(due)
	switch t {
	case replay.Spin:
		sleep = 0
	case replay.Hybrid:
		sleep -= spinBefore
	}
	if sleep > 0 {
		ts := unix.NsecToTimespec(int64(sleep))
		if _, err := unix.Ppoll(nil, &ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait: %w", err)
		}
	}
	for time.Now().Before(due) {
	}
	return nil
}

// unread is how many packets a queue is sent that nobody reads.
const unread = 8192

// tryRcvBuf finds out how large the receive buffer is, and how many of n
// packets it holds.
func tryRcvBuf(n int) (r RcvBuf, err error) {
	b, err := newBench(nfq.Config{MaxLen: 2 * unread}, udpRule(nft.Input))
	if err != nil {
		return r, err
	}
	defer b.close()
	r = RcvBuf{Asked: nfq.DefaultRcvBuf, Granted: b.q.RcvBuf(), Sent: n}
	if err := b.send(smallest, n); err != nil || n == 0 {
		return r, err
	}
	for {
		batch, err := b.q.Receive(0)
		if err != nil {
			return r, err
		}
		if len(batch.Packets) == 0 && !batch.Loss.Any() {
			return r, nil
		}
		r.Held += len(batch.Packets)
	}
}

// smallest is the payload of packets that only have to be there.
const smallest = 32

const (
	// held is how many packets wait while verdicts are timed.
	held = 4096
	// holdLimit bounds the time to get so many.
	holdLimit = time.Second
	// rounds of each order; the least time counts.
	rounds = 3
)

// tryVerdicts compares verdicts from the oldest packet on with verdicts from
// the newest on. The packets are dropped: only the way to them is of interest.
func tryVerdicts() (v Verdicts, err error) {
	b, err := newBench(nfq.Config{MaxLen: 2 * held}, udpRule(nft.Input))
	if err != nil {
		return v, err
	}
	defer b.close()
	v.Held = held
	for range rounds {
		for _, each := range []struct {
			newest bool
			ns     *int64
		}{{false, &v.OldestNs}, {true, &v.NewestNs}} {
			ids, err := b.hold(held)
			if err != nil {
				return v, err
			}
			if each.newest {
				slices.Reverse(ids)
			}
			start := time.Now()
			if err := b.q.Send(ids); err != nil {
				return v, err
			}
			if ns := int64(time.Since(start)) / held; *each.ns == 0 || ns < *each.ns {
				*each.ns = ns
			}
		}
	}
	return v, nil
}

// hold fills the queue with n packets and returns verdicts for them, oldest
// first.
func (b *bench) hold(n int) ([]nfq.Verdict, error) {
	vs, sent := make([]nfq.Verdict, 0, n), 0
	for end := time.Now().Add(holdLimit); time.Now().Before(end); {
		if k := min(n-sent, nfq.BatchSize); sent == len(vs) {
			if err := b.send(smallest, k); err != nil {
				return nil, err
			}
			sent += k
		}
		batch, err := b.q.Receive(10 * time.Millisecond)
		if err != nil {
			return nil, err
		}
		for _, p := range batch.Packets {
			vs = append(vs, nfq.Verdict{ID: p.ID, Action: nfq.Drop})
		}
		if len(vs) == n {
			return vs, nil
		}
	}
	return nil, fmt.Errorf("of %d packets only %d came to the queue in %v", n, len(vs), holdLimit)
}

const (
	fullPacket = 1400 // bytes, without headers
	plainTime  = 300 * time.Millisecond
	queuedTime = time.Second
)

// tryRate sends full packets as fast as one thread can, first past no queue and
// then through one that accepts at once. Nobody reads what arrives.
func tryRate() (r Rate, err error) {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return r, err
	}
	defer sink.Close()
	r.Bytes = fullPacket + headers
	b, err := newBench(nfq.Config{GSO: true}, nft.Rule{Hook: nft.Forward}) // which nothing passes
	if err != nil {
		return r, err
	}
	n, took, err := b.blast(plainTime)
	b.close()
	if err != nil {
		return r, err
	}
	r.Plain = perSecond(n, took)
	if b, err = newBench(nfq.Config{GSO: true}, udpRule(nft.Output)); err != nil {
		return r, err
	}
	defer b.close()
	return r, b.noOp(&r)
}

func perSecond(n int, d time.Duration) int { return int(float64(n) / d.Seconds()) }

// blast sends for the time d.
func (b *bench) blast(d time.Duration) (n int, took time.Duration, err error) {
	const burst = 32
	for start := time.Now(); ; {
		if took = time.Since(start); took >= d {
			return n, took, nil
		}
		if err := b.send(fullPacket, burst); err != nil {
			return n, took, err
		}
		n += burst
	}
}

// noOp accepts what another thread sends.
func (b *bench) noOp(r *Rate) error {
	over := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		_, _, err := b.blast(queuedTime)
		over <- err
	}()
	n, start := 0, time.Now()
	for {
		batch, err := b.q.Receive(10 * time.Millisecond)
		if err != nil {
			return err
		}
		if err := b.decide(batch.Packets, nfq.Verdict{Action: nfq.Accept}); err != nil {
			return err
		}
		n += len(batch.Packets)
		r.Missing += int(batch.Loss.Missing)
		if len(batch.Packets) > 0 {
			continue
		}
		select {
		case err := <-over:
			r.Queued = perSecond(n, time.Since(start))
			return err
		default:
		}
	}
}
