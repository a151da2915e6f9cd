package nfq

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waiter is how a Receive passes the time until a packet comes: it polls for a
// while if packets have been coming quickly, giving way to other threads, and
// then sleeps once.
//
// Polling with sched_yield does two things. The sender of the next packet need
// not wake anybody, which costs it more than the packet; and where threads
// contend for processors, packets gather while others run, so that batches grow.
//
// Whoever yields to a thread that computes waits for all of its time slice,
// where a sleeper is woken at once. So a yield that took long ends the polling
// for a while, and for longer when it happens again.
type waiter struct {
	budget  time.Duration // of polling
	yielded time.Time     // before the last yield, or zero
	calm    time.Time     // polling is off until then
	penalty time.Duration // that was last set
	// quick says that the last packet came within the budget.
	quick bool
	// drained says that the last read took all there was.
	drained bool
	idle    time.Time // since when nothing has come; zero while something does
	// Of the Receive under way:
	timeout time.Duration
	from    time.Time // when it began to wait, or zero
	slept   bool
	// Kept here so that they do not move to the heap at every wait.
	poll [2]unix.PollFd
	ts   unix.Timespec
}

func newWaiter(budget time.Duration) waiter {
	return waiter{budget: max(budget, 0), quick: true}
}

// begin starts a Receive that may take so long.
func (w *waiter) begin(timeout time.Duration) {
	w.timeout, w.from, w.slept = timeout, time.Time{}, false
}

// waitsFirst says that a Receive need not try to read before it waits: the read
// before left nothing, and packets come slowly. That saves a lone packet a call.
func (w *waiter) waitsFirst() bool {
	first := w.drained && !w.quick && w.timeout != 0
	w.drained = false
	return first
}

// over says that the Receive has waited enough.
func (w *waiter) over() bool { return w.timeout == 0 || w.slept }

// arrived notes that something came.
func (w *waiter) arrived() {
	if w.idle.IsZero() {
		w.quick = true
		return
	}
	now := time.Now()
	w.crowded(now)
	w.quick = now.Sub(w.idle) <= w.budget
	w.idle = time.Time{}
}

const (
	// longYield is less than any time slice and more than the work of a few
	// packets.
	longYield = time.Millisecond
	// minPenalty and maxPenalty are how long polling is off after a long yield.
	minPenalty = 100 * time.Millisecond
	maxPenalty = 10 * time.Second
)

// crowded sees how long the last yield took.
func (w *waiter) crowded(now time.Time) {
	if w.yielded.IsZero() {
		return
	}
	if now.Sub(w.yielded) >= longYield {
		again := now.Sub(w.calm) < w.penalty
		if w.penalty = min(2*w.penalty, maxPenalty); !again {
			w.penalty = minPenalty
		}
		w.calm = now.Add(w.penalty)
	}
	w.yielded = time.Time{}
}

// maxNap is how long a read sleeps at most, in the kernel's own rough time: a
// Shutdown waits that long.
const maxNap = 50 * time.Millisecond

// wait passes a little time, or what is left of it asleep. Where rough time will
// do it says nap instead: the next read is to sleep, which is one call for a
// lone packet where ppoll and a read are two.
func (w *waiter) wait(fd, wake int) (nap bool, err error) {
	now := time.Now()
	w.crowded(now)
	if w.from.IsZero() {
		w.from = now
	}
	if w.idle.IsZero() {
		w.idle = now
	}
	left := w.timeout
	if left > 0 {
		left = max(left-now.Sub(w.from), 0)
	}
	if left != 0 && w.quick && now.Sub(w.idle) < w.budget && now.After(w.calm) {
		w.yielded = now
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		return false, nil
	}
	if left < 0 || left >= 2*maxNap {
		return true, nil
	}
	errno := w.sleep(fd, wake, left)
	switch errno {
	case unix.EINTR: // the runtime's signals are not the caller's business
		w.slept = left == 0
		return false, nil
	case 0:
		w.slept = true
		return false, nil
	}
	return false, errno
}

// asleep counts the threads of this process that sleep behind the runtime's
// back.
var asleep atomic.Int64

// sleep sleeps until a message is there, wake is readable, a signal comes or
// timeout is over.
//
// It sleeps behind the runtime's back as long as another goroutine can still
// run. The collector does get hold of the thread: it asks by a signal, which
// ends the sleep, and asks again while there is no answer. The answer is given by
// the checks at the start of Go functions, so whoever sleeps again after a signal
// must have passed some: a loop around the call alone would stop the program.
func (w *waiter) sleep(fd, wake int, timeout time.Duration) unix.Errno {
	w.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	w.poll[1] = unix.PollFd{Fd: int32(wake), Events: unix.POLLIN}
	var ts *unix.Timespec
	if timeout >= 0 {
		w.ts = unix.NsecToTimespec(min(int64(timeout), math.MaxInt32*int64(time.Second)))
		ts = &w.ts
	}
	var errno unix.Errno
	if asleep.Add(1) < int64(runtime.GOMAXPROCS(0)) {
		_, _, errno = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.poll[0])),
			uintptr(len(w.poll)), uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	} else {
		_, _, errno = unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&w.poll[0])),
			uintptr(len(w.poll)), uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	}
	asleep.Add(-1)
	return errno
}
