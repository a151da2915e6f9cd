package thread

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rtPriority is the lowest of SCHED_FIFO: above all that is ordinary, below the
// kernel's own interrupt threads.
const rtPriority = 1

// Tune prepares the calling thread, which must be locked, as the i-th of its
// kind. In any case the kernel may not delay its timers to save wake-ups.
func (o Options) Tune(i int) error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	if len(o.CPUs) > 0 {
		if err := pin(o.CPUs[i%len(o.CPUs)]); err != nil {
			return err
		}
	}
	if o.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, o.Nice); err != nil {
			return fmt.Errorf("set niceness %d: %w", o.Nice, explain(err, "below 0 needs CAP_SYS_NICE, or a limit (ulimit -e) that allows it: run as root on this host, or choose 0 or above"))
		}
	}
	if o.RT {
		return fifo()
	}
	return nil
}

// Hurry lets the calling thread go ahead of other work where that is allowed,
// which is root's; no matter if not.
func Hurry() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20) }

func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: choose one that this process may use: %w", cpu, err)
	}
	return nil
}

// fifo makes the calling thread's policy SCHED_FIFO.
func fifo() error {
	param := struct{ priority int32 }{rtPriority} // struct sched_param
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_FIFO, uintptr(unsafe.Pointer(&param)))
	if errno != 0 {
		return fmt.Errorf("set SCHED_FIFO: %w", explain(errno, "real-time scheduling needs CAP_SYS_NICE in the host's own user namespace, or a limit RLIMIT_RTPRIO (ulimit -r) of 1 or more: run as root on this host, raise the limit, or leave it out"))
	}
	return nil
}

// explain gives a refusal the way out.
func explain(err error, way string) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %s", err, way)
	}
	return err
}
